/**
 * The open sessions of an operator, in columns: start, end and the time a timer waits for, by slot.
 * Slots of sessions that are over are used again.
 */
import type { Column } from '../../operators/aggregate/column.ts'
import type { Key, Timestamp } from '../../operators/operator.ts'
import { KeyIndex, NO_SLOT } from './key-index.ts'
import { SlotFlags, STORED } from './slot-flags.ts'

/** Its key had other sessions when this one was opened, or has got some since. */
export const SEVERAL = 8

/** Numbers a slot: start, end, the time of its timer. */
const WIDTH = 3
const CAPACITY_MIN = 256

export class OpenSessions {
  readonly column: Column
  /** The first session of each key. */
  readonly #first = new KeyIndex()
  /** By slot; undefined where a slot is free. */
  readonly #keys: (Key | undefined)[] = []
  readonly #free: number[] = []
  #times = new Float64Array(CAPACITY_MIN * WIDTH)
  /** The next session of the same key, in no order; nearly always there is none. */
  #next = new Int32Array(CAPACITY_MIN)
  readonly flags = new SlotFlags()
  size = 0

  constructor(column: Column) {
    this.column = column
  }

  /** The first session of a key; -1 when it has none. */
  firstOf(key: Key): number {
    return this.#first.get(key)
  }

  /** The next one of the same key; -1 behind the last. */
  nextOf(slot: number): number {
    return this.#next[slot] as number
  }

  /** One more than the largest slot so far. */
  get slots(): number {
    return this.#keys.length
  }

  /** The key of a slot; undefined when the slot is free. */
  keyOf(slot: number): Key | undefined {
    return this.#keys[slot]
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

  /**
   * A new session, with the accumulator of no values.
   * @param first what firstOf(key) gives: looked up once, which is most of the cost with many keys.
   */
  open(key: Key, first: number, start: Timestamp, end: Timestamp): number {
    const slot = this.#free.pop() ?? this.#keys.length
    if (slot >= this.#next.length) this.#grow()
    this.#keys[slot] = key
    this.#next[slot] = first
    const isOnly = first === NO_SLOT
    this.flags.set(slot, isOnly ? 0 : (this.flags.of(first) & STORED) | SEVERAL)
    if (!isOnly) this.flags.mark(first, SEVERAL)
    this.#first.set(key, slot)
    this.stretch(slot, start, end)
    this.wakeAt(slot, Number.NaN)
    this.column.init(slot)
    this.size += 1
    return slot
  }

  /** Lets a session go. @returns the first one of its key that is left, or -1. */
  close(slot: number): number {
    const key = this.keyOf(slot) as Key
    const first = this.firstOf(key)
    const next = this.nextOf(slot)
    let left = first
    if (first === slot) {
      left = next
      if (next === NO_SLOT) this.#first.delete(key)
      else this.#first.set(key, next)
    } else {
      let before = first
      while (this.nextOf(before) !== slot) before = this.nextOf(before)
      this.#next[before] = next
    }
    // Lets go of the values that the accumulator held.
    this.column.init(slot)
    this.flags.set(slot, 0)
    this.#keys[slot] = undefined
    this.#free.push(slot)
    this.size -= 1
    return left
  }

  #grow(): void {
    const [times, next] = [this.#times, this.#next]
    this.#times = new Float64Array(times.length * 2)
    this.#times.set(times)
    this.#next = new Int32Array(next.length * 2)
    this.#next.set(next)
  }
}
