import type { Timestamp } from '../time.ts'

/** A record that waits in a join. */
export interface Waiting {
  /** The input it came from: 0 left, 1 right. */
  readonly side: 0 | 1
  readonly time: Timestamp
  readonly value: unknown
  /** Larger than those of all records of its key that were there when it came. */
  readonly number: number
  /** Whether it has had a partner. */
  readonly matched: boolean
}

/** Records dropped from the front leave a gap up to this long before the rest moves up, once it is half of all. */
const GAP_MAX = 32

/** Records by time, and among equal times in the order in which they came. */
export class WaitingLine<Record extends Waiting> {
  #records: Record[]
  #first = 0

  constructor(record: Record) {
    this.#records = [record]
  }

  get size(): number {
    return this.#records.length - this.#first
  }

  /** The record at an index from 0. */
  at(index: number): Record | undefined {
    return this.#records[this.#first + index]
  }

  /** How many records are before a time. */
  countBefore(time: Timestamp): number {
    return this.#count((at) => at < time)
  }

  /** How many records are before a time or at it. */
  countUpTo(time: Timestamp): number {
    return this.#count((at) => at <= time)
  }

  #count(isCounted: (time: Timestamp) => boolean): number {
    const records = this.#records
    let [low, high] = [this.#first, records.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isCounted((records[middle] as Record).time)) low = middle + 1
      else high = middle
    }
    return low - this.#first
  }

  /** Puts a record into its place, which is mostly the end. @returns whether it is the only one of its time. */
  insert(record: Record): boolean {
    const records = this.#records
    let place = records.length
    while (place > this.#first && isBehind(records[place - 1] as Record, record)) place -= 1
    if (place === records.length) records.push(record)
    else records.splice(place, 0, record)
    const isAfter = place > this.#first && records[place - 1]?.time === record.time
    return !isAfter && records[place + 1]?.time !== record.time
  }

  remove(record: Record): void {
    this.#records.splice(this.#records.indexOf(record, this.#first), 1)
  }

  dropFirst(): void {
    this.#first += 1
    if (this.#first <= GAP_MAX || this.#first * 2 <= this.#records.length) return
    this.#records.splice(0, this.#first)
    this.#first = 0
  }
}

const isBehind = (a: Waiting, b: Waiting): boolean =>
  a.time > b.time || (a.time === b.time && a.number > b.number)
