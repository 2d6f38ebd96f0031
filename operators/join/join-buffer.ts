/**
 * The cell of a join: the records that wait on its two sides. Most keys have one record: a side is a
 * line only once it has a second one. Large buffers are written an entry a row, under numbers in the
 * order of input.
 */
import {
  type CellOwner,
  type CellSpec,
  type EntryRows,
  INLINE_ENTRIES_MAX,
  type RowKey,
  type StateCell,
} from '../state.ts'
import type { Timestamp } from '../time.ts'
import { type Waiting, WaitingLine } from './waiting-line.ts'

type Marked = Waiting & { matched: boolean }

/** Nothing, one record, or several. */
type Side = undefined | Marked | WaitingLine<Marked>

/** A record as it is written; the mark is left out where there is none. */
export type StoredWaiting = [side: 0 | 1, time: Timestamp, value: unknown, matched?: true]

export class JoinBuffer implements StateCell, EntryRows {
  readonly #owner: CellOwner
  #left: Side = undefined
  #right: Side = undefined
  #nextNumber = 0
  /** What changed since the last commit (undefined: removed); kept only while entries have rows of their own. */
  #changes: Map<number, Marked | undefined> | undefined = undefined

  constructor(owner: CellOwner) {
    this.#owner = owner
  }

  get isEmpty(): boolean {
    return this.#left === undefined && this.#right === undefined
  }

  /** How many records wait on a side. */
  size(side: 0 | 1): number {
    const of = this.#side(side)
    if (of === undefined) return 0
    return of instanceof WaitingLine ? of.size : 1
  }

  /** The record of a side at an index from 0, by time and order of input. */
  at(side: 0 | 1, index: number): Waiting | undefined {
    return this.#at(side, index)
  }

  /** How many records of a side are before a time. */
  countBefore(side: 0 | 1, time: Timestamp): number {
    const of = this.#side(side)
    if (of instanceof WaitingLine) return of.countBefore(time)
    return of !== undefined && of.time < time ? 1 : 0
  }

  /** How many records of a side are before a time or at it. */
  countUpTo(side: 0 | 1, time: Timestamp): number {
    const of = this.#side(side)
    if (of instanceof WaitingLine) return of.countUpTo(time)
    return of !== undefined && of.time <= time ? 1 : 0
  }

  /** Takes a record in. @returns whether it is the only one of its time on its side. */
  add(side: 0 | 1, time: Timestamp, value: unknown, matched: boolean): boolean {
    const record: Marked = { side, time, value, matched, number: this.#nextNumber++ }
    this.#note(record, record)
    const isOnly = this.#insert(record)
    this.#owner.undo?.push(() => {
      this.#changes?.set(record.number, undefined)
      this.#remove(record)
    })
    return isOnly
  }

  /** Notes that the record of a side at an index has had a partner. */
  mark(side: 0 | 1, index: number): void {
    const record = this.#at(side, index)
    if (record === undefined || record.matched) return
    this.#note(record, record)
    record.matched = true
    this.#owner.undo?.push(() => {
      record.matched = false
    })
  }

  /** Drops the earliest record of a side, if there is one. */
  dropFirst(side: 0 | 1): void {
    const of = this.#side(side)
    const record = this.#at(side, 0)
    if (record === undefined) return
    this.#note(record, undefined)
    if (of instanceof WaitingLine && of.size > 1) of.dropFirst()
    else this.#setSide(side, undefined)
    this.#owner.undo?.push(() => {
      this.#changes?.set(record.number, record)
      this.#insert(record)
    })
  }

  clear(): void {
    while (this.#left !== undefined) this.dropFirst(0)
    while (this.#right !== undefined) this.dropFirst(1)
  }

  #side(side: 0 | 1): Side {
    return side === 0 ? this.#left : this.#right
  }

  #setSide(side: 0 | 1, to: Side): void {
    if (side === 0) this.#left = to
    else this.#right = to
  }

  #at(side: 0 | 1, index: number): Marked | undefined {
    const of = this.#side(side)
    if (of instanceof WaitingLine) return of.at(index)
    return index === 0 ? of : undefined
  }

  #insert(record: Marked): boolean {
    const of = this.#side(record.side)
    if (of === undefined) {
      this.#setSide(record.side, record)
      return true
    }
    if (of instanceof WaitingLine) return of.insert(record)
    const line = new WaitingLine(of)
    this.#setSide(record.side, line)
    return line.insert(record)
  }

  #remove(record: Marked): void {
    const of = this.#side(record.side)
    if (of instanceof WaitingLine && of.size > 1) of.remove(record)
    else this.#setSide(record.side, undefined)
  }

  #note({ number }: Marked, change: Marked | undefined): void {
    this.#owner.changed()
    this.#changes?.set(number, change)
  }

  // ── rows ───────────────────────────────────────────────────────────────────────────────────────

  get rows(): EntryRows {
    return this
  }

  get spilled(): boolean {
    return this.#changes !== undefined
  }

  get entriesInMemory(): number {
    return this.size(0) + this.size(1)
  }

  inline(): unknown {
    if (this.#changes === undefined) {
      const records = this.#all()
      if (records.length <= INLINE_ENTRIES_MAX) {
        return records.flatMap((record) => [record.number, storedOf(record)])
      }
      this.#changes = new Map(records.map((record) => [record.number, record]))
    }
    return null
  }

  #all(): Marked[] {
    const records: Marked[] = []
    for (const side of [0, 1] as const) {
      const size = this.size(side)
      for (let i = 0; i < size; i++) records.push(this.#at(side, i) as Marked)
    }
    return records
  }

  restoreInline(stored: unknown): void {
    if (stored === null) {
      this.#changes = new Map()
      return
    }
    const flat = stored as unknown[]
    for (let i = 0; i < flat.length; i += 2) this.restoreEntry(flat[i] as number, flat[i + 1])
  }

  takeChanges(change: (key: RowKey, value: unknown) => void): void {
    if (this.#changes === undefined) return
    for (const [number, record] of this.#changes) change(number, record && storedOf(record))
    this.#changes.clear()
    // An emptied buffer starts over in its key's row.
    if (this.isEmpty) this.#changes = undefined
  }

  restoreEntry(key: RowKey, stored: unknown): void {
    const [side, time, value, matched = false] = stored as StoredWaiting
    const number = key as number
    this.#insert({ side, time, value, matched, number })
    if (number >= this.#nextNumber) this.#nextNumber = number + 1
  }
}

/** Declares the records that wait in a join. */
export const joinBuffer = (): CellSpec<JoinBuffer> => ({
  kind: 'map',
  make: (owner) => new JoinBuffer(owner),
})

const storedOf = ({ side, time, value, matched }: Marked): StoredWaiting =>
  matched ? [side, time, value, true] : [side, time, value]
