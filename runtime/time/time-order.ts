/**
 * Items by their time, the earliest first; one for each time. Most come in the order of time, as what
 * is asked for at a fixed distance behind a record does: those stand in a line, and only the others
 * cost a heap and a map.
 */
import type { Timestamp } from '../../operators/time.ts'
import { Heap } from './heap.ts'

/** Places freed at the front of the line beyond which it moves up, once they are half of it. */
const FREE_PLACES_MAX = 1_024

export class TimeOrder<Item extends { readonly time: Timestamp }> {
  /** In the order of time, from #first on. */
  readonly #line: (Item | undefined)[] = []
  #first = 0
  /** The latest time that ever stood in the line: who is not behind it does not join it. */
  #lastTime = Number.NEGATIVE_INFINITY
  readonly #strays = new Map<Timestamp, Item>()
  readonly #strayTimes = new Heap()

  /** The earliest time; +∞ when there is no item. */
  get firstTime(): Timestamp {
    const head = this.#line[this.#first]
    const stray = this.#strayTimes.top
    return head !== undefined && head.time < stray ? head.time : stray
  }

  /** The item of the earliest time. */
  get first(): Item | undefined {
    const head = this.#line[this.#first]
    const stray = this.#strayTimes.top
    return head !== undefined && head.time < stray ? head : this.#strays.get(stray)
  }

  /** The item of a time. */
  find(time: Timestamp): Item | undefined {
    if (time > this.#lastTime) return undefined
    const line = this.#line
    let [low, high] = [this.#first, line.length]
    // Most questions are about the latest time.
    if (time === this.#lastTime && high > low) return line[high - 1]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((line[middle]?.time ?? Number.NEGATIVE_INFINITY) < time) low = middle + 1
      else high = middle
    }
    return line[low]?.time === time ? line[low] : this.#strays.get(time)
  }

  /** Takes an item in. Its time must have none. */
  add(item: Item): void {
    if (item.time > this.#lastTime) {
      this.#lastTime = item.time
      this.#line.push(item)
    } else {
      this.#strays.set(item.time, item)
      this.#strayTimes.push(item.time)
    }
  }

  /** Lets the item of the earliest time go. */
  removeFirst(): void {
    const head = this.#line[this.#first]
    const stray = this.#strayTimes.top
    if (head !== undefined && head.time < stray) this.#moveUp()
    else {
      this.#strayTimes.pop()
      this.#strays.delete(stray)
    }
  }

  #moveUp(): void {
    this.#line[this.#first] = undefined
    this.#first += 1
    const { length } = this.#line
    if (this.#first < length && (this.#first < FREE_PLACES_MAX || this.#first * 2 < length)) return
    this.#line.splice(0, this.#first)
    this.#first = 0
  }
}
