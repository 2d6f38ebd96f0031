/**
 * Slots in the order in which they expire. At a fixed distance behind records that come in the order of
 * time that is the order in which they were made, and a ring of numbers holds them.
 */
import type { Timestamp } from '../../operators/time.ts'

const CAPACITY_MIN = 256

export class ExpiryLine {
  /** A ring of a power of two of places: slots, and what tells a slot from its next life. */
  #slots = new Int32Array(CAPACITY_MIN)
  #numbers = new Float64Array(CAPACITY_MIN)
  #times = new Float64Array(CAPACITY_MIN)
  #first = 0
  #size = 0
  #lastTime = Number.NEGATIVE_INFINITY

  /** When the first one expires; +∞ when there is none. */
  get firstTime(): Timestamp {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#times[this.#first] as Timestamp)
  }

  get firstSlot(): number {
    return this.#slots[this.#first] as number
  }

  get firstNumber(): number {
    return this.#numbers[this.#first] as number
  }

  /** When the last one expires: no earlier time may be pushed. -∞ when there is none. */
  get lastTime(): Timestamp {
    return this.#size === 0 ? Number.NEGATIVE_INFINITY : this.#lastTime
  }

  /** @param number tells the slot from its next life. */
  push(time: Timestamp, slot: number, number: number): void {
    if (this.#size === this.#slots.length) this.#grow()
    const place = (this.#first + this.#size) & (this.#slots.length - 1)
    this.#times[place] = time
    this.#slots[place] = slot
    this.#numbers[place] = number
    this.#size += 1
    this.#lastTime = time
  }

  removeFirst(): void {
    this.#first = (this.#first + 1) & (this.#slots.length - 1)
    this.#size -= 1
  }

  #grow(): void {
    const [slots, numbers, times] = [this.#slots, this.#numbers, this.#times]
    const { length } = slots
    this.#slots = new Int32Array(length * 2)
    this.#numbers = new Float64Array(length * 2)
    this.#times = new Float64Array(length * 2)
    for (let i = 0; i < length; i++) {
      const from = (this.#first + i) & (length - 1)
      this.#slots[i] = slots[from] as number
      this.#numbers[i] = numbers[from] as number
      this.#times[i] = times[from] as number
    }
    this.#first = 0
  }
}
