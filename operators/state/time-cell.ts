/**
 * Values of a key by time, for what looks back: several values a time, in the order in which they
 * came; read by ranges, and removed from the start as time goes on.
 *
 * Once there are too many for the key's own row each has a row of its own, and after a load these are
 * read range by range as they are asked for: a key with a million entries costs what is looked at.
 *
 * C1 A range of time is either read, and then memory alone says what is in it, or a gap: then it has
 *    what the store has and what was added since. Nothing is removed from a gap before it was read.
 */
import type { Timestamp } from '../time.ts'
import {
  type CellOwner,
  type CellSpec,
  type EntryRows,
  INLINE_ENTRIES_MAX,
  type RowKey,
  type RowReader,
  type StateCell,
  type TimedKey,
} from './cell.ts'
import { SortedTimes } from './sorted-times.ts'
import { type CellOptions, living } from './time-to-live.ts'
import { UnreadTimes } from './unread-times.ts'

/** What the key's own row keeps of a cell whose entries have rows of their own. */
interface Summary {
  readonly count: number
  readonly next: number
  readonly last: Timestamp
}

export class TimeCell<Value> implements StateCell, EntryRows {
  readonly #owner: CellOwner
  #entries: SortedTimes<Value> | undefined = undefined
  /** How many entries there are, in memory or only in the store. */
  #count = 0
  /** The sequence of the next entry. */
  #next = 0
  /** The latest time; not a number when it has to be found again. */
  #last = Number.NaN
  /** Ranges of which the store knows more than memory. */
  #unread: UnreadTimes | undefined = undefined
  /** Entries put or removed since the last commit, by sequence; kept only while they have rows. */
  #changes: Map<number, Timestamp> | undefined = undefined

  constructor(owner: CellOwner) {
    this.#owner = owner
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  get size(): number {
    return this.#count
  }

  /** The earliest time that has a value. */
  get first(): Timestamp | undefined {
    if (this.#count === 0) return undefined
    const unread = this.#unread?.first
    if (unread !== undefined) this.#read(Number.NEGATIVE_INFINITY, unread + 1)
    return this.#entries?.timeAt(0)
  }

  /** The latest time that has a value. */
  get last(): Timestamp | undefined {
    if (this.#count === 0) return undefined
    if (Number.isNaN(this.#last)) {
      this.#read(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)
      this.#last = this.#all.timeAt(this.#all.length - 1)
    }
    return this.#last
  }

  /**
   * Adds a value behind those that its time has.
   * @throws RangeError when the time is not finite; TypeError when the value is undefined.
   */
  add(time: Timestamp, value: Value): void {
    if (!Number.isFinite(time)) {
      throw new RangeError(`a value by time: ${String(time)} is not a time in milliseconds`)
    }
    if (value === undefined) throw new TypeError(`the value at time ${time} cannot be undefined`)
    const sequence = this.#next
    this.#onUndo(() => this.#take(time, sequence))
    this.#note(time, sequence)
    this.#next += 1
    // Of a cell whose latest time is not known it stays unknown; so NaN is not overcome here.
    if (this.#count === 0 || time > this.#last) this.#last = time
    this.#put(time, sequence, value)
  }

  /** The values of a time, in the order in which they came. */
  at(time: Timestamp): Value[] {
    return this.range(time, time + 1).flatMap(([at, value]) => (at === time ? [value] : []))
  }

  /** The values from a time up to another (exclusive), with their times, in order. */
  range(
    from: Timestamp = Number.NEGATIVE_INFINITY,
    to: Timestamp = Number.POSITIVE_INFINITY,
  ): (readonly [time: Timestamp, value: Value])[] {
    this.#read(from, to)
    const entries = this.#all
    const found: (readonly [Timestamp, Value])[] = []
    for (let i = entries.indexOf(from); i < entries.length && entries.timeAt(i) < to; i++) {
      found.push([entries.timeAt(i), entries.valueAt(i)])
    }
    return found
  }

  /** Removes every value before a time. @returns how many there were. */
  deleteBefore(time: Timestamp): number {
    return this.#remove(Number.NEGATIVE_INFINITY, time)
  }

  /** Removes the values of a time. @returns how many there were. */
  delete(time: Timestamp): number {
    this.#read(time, time + 1)
    const behind = this.#all.indexOf(time, Number.POSITIVE_INFINITY)
    return this.#removeIndexes(this.#all.indexOf(time), behind)
  }

  clear(): void {
    this.#remove(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)
  }

  get #all(): SortedTimes<Value> {
    this.#entries ??= new SortedTimes()
    return this.#entries
  }

  #remove(from: Timestamp, to: Timestamp): number {
    if (this.#count === 0) return 0
    this.#read(from, to)
    return this.#removeIndexes(this.#all.indexOf(from), this.#all.indexOf(to))
  }

  #removeIndexes(from: number, to: number): number {
    if (from === to) return 0
    const entries = this.#all
    const taken: [Timestamp, number, Value][] = []
    for (let i = from; i < to; i++) {
      this.#note(entries.timeAt(i), entries.sequenceAt(i))
      if (this.#owner.undo !== null) {
        taken.push([entries.timeAt(i), entries.sequenceAt(i), entries.valueAt(i)])
      }
    }
    this.#onUndo(() => {
      for (const [time, sequence, value] of taken) this.#put(time, sequence, value)
    })
    if (entries.timeAt(to - 1) === this.#last) this.#last = Number.NaN
    entries.remove(from, to)
    this.#count -= to - from
    return to - from
  }

  /** Notes how to take a change back, with what is known about the whole. */
  #onUndo(takeBack: () => void): void {
    const { undo } = this.#owner
    if (undo === null) return
    const [next, last] = [this.#next, this.#last]
    undo.push(() => {
      takeBack()
      this.#next = next
      this.#last = last
    })
  }

  #put(time: Timestamp, sequence: number, value: Value): void {
    this.#all.insert(time, sequence, value)
    this.#count += 1
  }

  #take(time: Timestamp, sequence: number): void {
    const index = this.#all.indexOf(time, sequence)
    this.#all.remove(index, index + 1)
    this.#count -= 1
  }

  #note(time: Timestamp, sequence: number): void {
    this.#owner.changed()
    this.#changes?.set(sequence, time)
  }

  /** Brings what the store has of a range into memory (C1). */
  #read(from: Timestamp, to: Timestamp): void {
    if (this.#unread === undefined) return
    this.#unread.take(from, to, (key, value) => this.#fill(key, value as Value))
    if (this.#unread.isOver) this.#unread = undefined
  }

  /** An entry that was added and committed while its range was a gap is in memory already. */
  #fill([time, sequence]: TimedKey, value: Value): void {
    if (!this.#all.has(time, sequence)) this.#all.insert(time, sequence, value)
  }

  // ── rows ───────────────────────────────────────────────────────────────────────────────────────

  get rows(): EntryRows {
    return this
  }

  get spilled(): boolean {
    return this.#changes !== undefined
  }

  get entriesInMemory(): number {
    return this.#entries?.length ?? 0
  }

  inline(): unknown {
    if (this.#count === 0) return []
    const entries = this.#all
    if (this.#changes === undefined && this.#count <= INLINE_ENTRIES_MAX) {
      return this.range().flat()
    }
    if (this.#changes === undefined) {
      this.#changes = new Map()
      for (let i = 0; i < entries.length; i++) {
        this.#changes.set(entries.sequenceAt(i), entries.timeAt(i))
      }
    }
    return { count: this.#count, next: this.#next, last: this.#last } satisfies Summary
  }

  restoreInline(stored: unknown): void {
    if (Array.isArray(stored)) {
      const flat = stored as unknown[]
      for (let i = 0; i < flat.length; i += 2) {
        this.#last = flat[i] as Timestamp
        this.#put(this.#last, this.#next++, flat[i + 1] as Value)
      }
      return
    }
    const summary = stored as Summary
    this.#changes = new Map()
    this.#count = summary.count
    this.#next = summary.next
    this.#last = summary.last
  }

  attach(reader: RowReader): void {
    this.#unread = new UnreadTimes(reader)
  }

  takeChanges(change: (key: RowKey, value: unknown) => void): void {
    if (this.#changes === undefined) return
    for (const [sequence, time] of this.#changes) {
      const index = this.#all.indexOf(time, sequence)
      const isThere = this.#all.has(time, sequence)
      change([time, sequence], isThere ? this.#all.valueAt(index) : undefined)
    }
    this.#changes.clear()
    // An emptied collection starts over in its key's row.
    if (this.#count === 0) {
      this.#changes = undefined
      this.#entries = undefined
      this.#next = 0
    }
  }

  restoreEntry(key: RowKey, value: unknown): void {
    this.#fill(key as TimedKey, value as Value)
  }
}

/** Declares values of a key by time. */
export const byTime = <Value>(options: CellOptions = {}): CellSpec<TimeCell<Value>> =>
  living({ kind: 'byTime', make: (owner) => new TimeCell<Value>(owner) }, options)
