/** The records that wait in a join, in columns: side, time, value, and whether it has had a partner, by slot. */
import type { Side } from '../../operators/join/interval-join.ts'
import type { Key, Timestamp } from '../../operators/operator.ts'
import { KeyedSlots } from './keyed-slots.ts'

const RIGHT = 32
const MATCHED = 64

export interface WaitingRecord {
  readonly side: Side
  readonly time: Timestamp
  readonly value: unknown
  readonly matched: boolean
}

export class WaitingRecords extends KeyedSlots {
  readonly #values: unknown[] = []
  #times = new Float64Array(this.capacity)
  /** In the order in which they came. */
  #numbers = new Float64Array(this.capacity)
  #nextNumber = 0

  sideAt(slot: number): Side {
    return this.flags.has(slot, RIGHT) ? 1 : 0
  }

  timeAt(slot: number): Timestamp {
    return this.#times[slot] as Timestamp
  }

  valueAt(slot: number): unknown {
    return this.#values[slot]
  }

  /** Grows with each record, and is no other's: it tells a slot from its next life. */
  numberAt(slot: number): number {
    return this.#numbers[slot] as number
  }

  isMatched(slot: number): boolean {
    return this.flags.has(slot, MATCHED)
  }

  match(slot: number): void {
    this.flags.mark(slot, MATCHED)
  }

  /** @param first what firstOf(key) gives. */
  add(key: Key, first: number, { side, time, value, matched }: WaitingRecord): number {
    const slot = this.make(key, first)
    if (slot >= this.#times.length) this.#growColumns()
    this.#times[slot] = time
    this.#numbers[slot] = this.#nextNumber++
    this.#values[slot] = value
    const marks = (side === 1 ? RIGHT : 0) | (matched ? MATCHED : 0)
    if (marks !== 0) this.flags.mark(slot, marks)
    return slot
  }

  override free(slot: number): number {
    this.#values[slot] = undefined
    this.#numbers[slot] = Number.NaN
    return super.free(slot)
  }

  /** The records of a key in the order in which they came. @param first its newest slot. */
  inOrder(first: number): readonly WaitingRecord[] {
    const records: WaitingRecord[] = []
    for (let slot = first; slot !== -1; slot = this.nextOf(slot)) {
      records.push({
        side: this.sideAt(slot),
        time: this.timeAt(slot),
        value: this.valueAt(slot),
        matched: this.isMatched(slot),
      })
    }
    return records.toReversed()
  }

  /** By time, and among equal times in the order in which they came. */
  readonly byTime = (a: number, b: number): number =>
    this.timeAt(a) - this.timeAt(b) || (this.#numbers[a] as number) - (this.#numbers[b] as number)

  #growColumns(): void {
    const [times, numbers] = [this.#times, this.#numbers]
    this.#times = new Float64Array(this.capacity)
    this.#times.set(times)
    this.#numbers = new Float64Array(this.capacity)
    this.#numbers.set(numbers)
  }
}
