/** The open sessions of an operator, in columns: start, end and the time a timer waits for, by slot. */
import type { Column } from '../../operators/aggregate/column.ts'
import type { Key, Timestamp } from '../../operators/operator.ts'
import { KeyedSlots } from './keyed-slots.ts'

/** Numbers a slot: start, end, the time of its timer. */
const WIDTH = 3

export class OpenSessions extends KeyedSlots {
  readonly column: Column
  #times = new Float64Array(this.capacity * WIDTH)

  constructor(column: Column) {
    super()
    this.column = column
  }

  startOf(slot: number): Timestamp {
    return this.#times[slot * WIDTH] as Timestamp
  }

  endOf(slot: number): Timestamp {
    return this.#times[slot * WIDTH + 1] as Timestamp
  }

  /** The time that its timer waits for. */
  wakeAtOf(slot: number): Timestamp {
    return this.#times[slot * WIDTH + 2] as Timestamp
  }

  stretch(slot: number, start: Timestamp, end: Timestamp): void {
    this.#times[slot * WIDTH] = start
    this.#times[slot * WIDTH + 1] = end
  }

  wakeAt(slot: number, time: Timestamp): void {
    this.#times[slot * WIDTH + 2] = time
  }

  /** A new session, with the accumulator of no values. @param first what firstOf(key) gives. */
  open(key: Key, first: number, start: Timestamp, end: Timestamp): number {
    const slot = this.make(key, first)
    if (slot * WIDTH >= this.#times.length) this.#growTimes()
    this.stretch(slot, start, end)
    this.wakeAt(slot, Number.NaN)
    this.column.init(slot)
    return slot
  }

  override free(slot: number): number {
    // Lets go of the values that the accumulator held.
    this.column.init(slot)
    return super.free(slot)
  }

  #growTimes(): void {
    const grown = new Float64Array(this.capacity * WIDTH)
    grown.set(this.#times)
    this.#times = grown
  }
}
