import type { Timestamp } from '../time.ts'

/** Room at the start that removals left is given back beyond this many places, once it is half of all. */
const FREE_PLACES_MAX = 64

/**
 * Values in the order of time, and of arrival within a time. Adding near the end and removing from the
 * start, which is what streams do, cost no more than what is added or removed.
 */
export class SortedTimes<Value> {
  // Three columns: an object an entry would take thrice the room.
  readonly #times: Timestamp[] = []
  readonly #sequences: number[] = []
  readonly #values: (Value | undefined)[] = []
  /** How many places at the start are free. */
  #free = 0

  get length(): number {
    return this.#times.length - this.#free
  }

  timeAt(index: number): Timestamp {
    return this.#times[this.#free + index] as Timestamp
  }

  sequenceAt(index: number): number {
    return this.#sequences[this.#free + index] as number
  }

  valueAt(index: number): Value {
    return this.#values[this.#free + index] as Value
  }

  /** Index of the first entry at or behind a place in time. */
  indexOf(time: Timestamp, sequence = Number.NEGATIVE_INFINITY): number {
    let [low, high] = [0, this.length]
    // Most questions are about the end.
    if (high > 0 && this.#isBefore(high - 1, time, sequence)) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#isBefore(middle, time, sequence)) low = middle + 1
      else high = middle
    }
    return low
  }

  #isBefore(index: number, time: Timestamp, sequence: number): boolean {
    const at = this.timeAt(index)
    return at < time || (at === time && this.sequenceAt(index) < sequence)
  }

  has(time: Timestamp, sequence: number): boolean {
    const index = this.indexOf(time, sequence)
    return index < this.length && this.timeAt(index) === time && this.sequenceAt(index) === sequence
  }

  insert(time: Timestamp, sequence: number, value: Value): void {
    const index = this.indexOf(time, sequence)
    if (index === this.length) {
      this.#times.push(time)
      this.#sequences.push(sequence)
      this.#values.push(value)
      return
    }
    const place = this.#free + index
    this.#times.splice(place, 0, time)
    this.#sequences.splice(place, 0, sequence)
    this.#values.splice(place, 0, value)
  }

  /** Removes the entries of these indexes; `to` is exclusive. */
  remove(from: number, to: number): void {
    if (from === 0) {
      this.#values.fill(undefined, this.#free, this.#free + to)
      this.#free += to
      const isMostlyFree = this.#free > FREE_PLACES_MAX && this.#free * 2 > this.#times.length
      if (isMostlyFree || this.length === 0) this.#compact()
      return
    }
    for (const column of this.#columns()) column.splice(this.#free + from, to - from)
  }

  #compact(): void {
    for (const column of this.#columns()) column.splice(0, this.#free)
    this.#free = 0
  }

  #columns(): readonly unknown[][] {
    return [this.#times, this.#sequences, this.#values]
  }
}
