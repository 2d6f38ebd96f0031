/**
 * The cells a key's state is made of. A cell lives in memory while its key is active; the runtime
 * writes what changed with the next commit and loads it again on demand. Values are replaced, not
 * changed in place: a value that was mutated behind its cell's back is not written.
 */
import type { Timestamp } from '../time.ts'
import type { TimeToLive } from './time-to-live.ts'

/** What a cell tells the runtime: it is about to change, and how to take the change back. */
export interface CellOwner {
  /** Called at every change, so that the key is written with the next commit. */
  changed(): void
  /** Non-null while changes may have to be taken back: each change pushes its inverse. */
  readonly undo: (() => void)[] | null
}

/**
 * Users declare the first four. `timers` is an actor's own; `runs` is a map by number that is written as
 * a list of keys and values in turn, several entries a row.
 */
export type CellKind = 'value' | 'list' | 'map' | 'byTime' | 'timers' | 'runs'

/** A declared cell: `value()`, `list()`, `map()` or `byTime()`. */
export interface CellSpec<Cell extends StateCell = StateCell> {
  readonly kind: CellKind
  readonly make: (owner: CellOwner) => Cell
  /** How long its entries live after their last change; for ever when not said. */
  readonly timeToLive?: TimeToLive
}

/**
 * The state of a key as plain data, by the names of its cells: a value as it is (undefined when there is
 * none), a list as an array, a map as a Map, a cell by time as an array of [time, value].
 */
export type PlainState = Readonly<Record<string, unknown>>

/** Makes the state of one version out of that of the version before. Pure, for it may run again. */
export type Upcaster = (state: PlainState) => PlainState

/** The cells of an operator by name, and the version of their shape. */
export interface StateSpec {
  readonly version: number
  readonly cells: Readonly<Record<string, CellSpec>>
  /** By the version that they begin with: what brings state of earlier versions to this one. */
  readonly upcasters?: Readonly<Record<number, Upcaster>>
}

/** The cells that a record of specs makes, with their types. */
export type CellsOf<Specs extends Readonly<Record<string, CellSpec>>> = {
  readonly [Name in keyof Specs]: Specs[Name] extends CellSpec<infer Cell> ? Cell : never
}

/** A key of a map cell. */
export type EntryKey = string | number

/** The place of an entry in a cell by time: its time, and its place among all entries by arrival. */
export type TimedKey = readonly [time: Timestamp, sequence: number]

/** What tells the rows of a collection apart, and puts them in order. */
export type RowKey = EntryKey | TimedKey

/** Collections up to this many entries are written in their key's own row; larger ones an entry a row. */
export const INLINE_ENTRIES_MAX = 16

/** What the runtime needs of every cell to write it and to load it again. */
export interface StateCell {
  readonly isEmpty: boolean
  /** What is written in the key's own row: the value, or all entries of a small collection. */
  inline(): unknown
  /** Fills the cell with what inline() gave before. */
  restoreInline(stored: unknown): void
  /** The entries with rows of their own, when the collection is too large for the key's row. */
  readonly rows: EntryRows | undefined
  /** Empties the cell. */
  clear(): void
}

/** The part of a large collection that is written an entry a row. */
export interface EntryRows {
  /** Whether entries have rows of their own now. */
  readonly spilled: boolean
  /** How many entries are in memory. */
  readonly entriesInMemory: number
  /** Calls back for each entry that was put or removed (undefined) since the last call. */
  takeChanges(change: (key: RowKey, value: unknown) => void): void
  /** Puts an entry back that was read from its row. */
  restoreEntry(key: RowKey, value: unknown): void
  /**
   * For a cell that reads its rows when it is asked for them: gives it the way to them, once, in place
   * of restoring every entry.
   */
  attach?(reader: RowReader): void
}

/**
 * The rows of a cell as they were last committed, in the order of their keys.
 * @param to exclusive.
 */
export type RowReader = (
  from: RowKey,
  to: RowKey,
  limit?: number,
) => readonly (readonly [key: RowKey, value: unknown])[]
