import {
  type CellOwner,
  type CellSpec,
  type EntryKey,
  type EntryRows,
  INLINE_ENTRIES_MAX,
  type RowKey,
  type StateCell,
} from './cell.ts'
import { type CellOptions, living } from './time-to-live.ts'

/**
 * A map of a key. Its order is that of the keys, numbers before texts, and not that of insertion:
 * so it is the same after a load from rows and after a turn that was taken back (I9).
 *
 * The first entry lives in the cell itself: most maps (the open windows of a key) have one, and a Map
 * of its own would cost each key half a kilobyte and each access two cache misses.
 */
export class MapCell<K extends EntryKey, Value> implements StateCell, EntryRows {
  readonly #owner: CellOwner
  /** The only entry, while there is just one; the value is undefined when there is none. */
  #oneKey: K | undefined = undefined
  #oneValue: Value | undefined = undefined
  /** All entries, once there was a second one. */
  #many: ManyEntries<K, Value> | undefined = undefined

  constructor(owner: CellOwner) {
    this.#owner = owner
  }

  get isEmpty(): boolean {
    return this.#many === undefined ? this.#oneValue === undefined : this.#many.entries.size === 0
  }

  get size(): number {
    return this.#many === undefined ? Number(this.#oneValue !== undefined) : this.#many.entries.size
  }

  get(key: K): Value | undefined {
    if (this.#many !== undefined) return this.#many.entries.get(key)
    return this.#oneKey === key ? this.#oneValue : undefined
  }

  has(key: K): boolean {
    return this.get(key) !== undefined
  }

  /** @throws TypeError when the value is undefined: that is what an absent entry has. */
  set(key: K, value: Value): void {
    if (value === undefined) throw new TypeError(`the entry '${key}' of a map cannot be undefined`)
    if (this.#owner.undo !== null) this.#pushUndo(key)
    this.#note(key)
    this.#put(key, value)
  }

  /** Says that the value under a key was changed in place; it cannot be taken back by an undo. */
  touch(key: K): void {
    this.#note(key)
  }

  delete(key: K): boolean {
    if (!this.has(key)) return false
    if (this.#owner.undo !== null) this.#pushUndo(key)
    this.#note(key)
    this.#drop(key)
    return true
  }

  clear(): void {
    for (const key of this.#ordered()) this.delete(key)
  }

  keys(): IterableIterator<K> {
    return this.#ordered().values()
  }

  values(): IterableIterator<Value> {
    return this.#ordered()
      .map((key) => this.get(key) as Value)
      .values()
  }

  entries(): IterableIterator<[K, Value]> {
    return this.#ordered()
      .map((key): [K, Value] => [key, this.get(key) as Value])
      .values()
  }

  [Symbol.iterator](): IterableIterator<[K, Value]> {
    return this.entries()
  }

  /** The keys in their order, as they are now. */
  #ordered(): readonly K[] {
    if (this.#many === undefined) return this.#oneValue === undefined ? [] : [this.#oneKey as K]
    this.#many.order ??= Array.from(this.#many.entries.keys()).toSorted(compareEntryKeys)
    return this.#many.order
  }

  #put(key: K, value: Value): void {
    if (this.#many !== undefined) {
      const { entries } = this.#many
      entries.set(key, value)
      if (entries.size !== this.#many.order?.length) this.#many.order = undefined
    } else if (this.#oneValue === undefined || this.#oneKey === key) {
      this.#oneKey = key
      this.#oneValue = value
    } else this.#all().entries.set(key, value)
  }

  #drop(key: K): void {
    if (this.#many === undefined) {
      this.#oneValue = undefined
      return
    }
    this.#many.entries.delete(key)
    this.#many.order = undefined
    if (this.#many.entries.size === 0 && this.#many.changes === undefined) this.#many = undefined
  }

  /** The entries as a Map; from here on they are kept in it. */
  #all(): ManyEntries<K, Value> {
    if (this.#many === undefined) {
      this.#many = new ManyEntries()
      if (this.#oneValue !== undefined) this.#many.entries.set(this.#oneKey as K, this.#oneValue)
      this.#oneValue = undefined
    }
    return this.#many
  }

  #note(key: K): void {
    this.#owner.changed()
    this.#many?.changes?.add(key)
  }

  #pushUndo(key: K): void {
    const before = this.get(key)
    this.#owner.undo?.push(() => {
      if (before !== undefined) this.#put(key, before)
      else if (this.has(key)) this.#drop(key)
    })
  }

  get rows(): EntryRows {
    return this
  }

  get spilled(): boolean {
    return this.#many?.changes !== undefined
  }

  get entriesInMemory(): number {
    return this.size
  }

  inline(): unknown {
    const many = this.#many
    if (many === undefined) {
      return this.#oneValue === undefined ? [] : [this.#oneKey, this.#oneValue]
    }
    if (many.entries.size > INLINE_ENTRIES_MAX) many.changes ??= new Set(many.entries.keys())
    if (many.changes !== undefined) return null
    const flat = [...many.entries].flat()
    // A map that is down to one entry gives the room of a Map back, once a commit at most.
    if (many.entries.size === 1) {
      this.#many = undefined
      this.restoreInline(flat)
    }
    return flat
  }

  restoreInline(stored: unknown): void {
    if (stored === null) {
      this.#all().changes = new Set()
      return
    }
    const flat = stored as unknown[]
    for (let i = 0; i < flat.length; i += 2) this.#put(flat[i] as K, flat[i + 1] as Value)
  }

  takeChanges(change: (key: RowKey, value: unknown) => void): void {
    const many = this.#many
    if (many?.changes === undefined) return
    for (const key of many.changes) change(key, many.entries.get(key))
    many.changes.clear()
    // An emptied collection starts over in its key's row.
    if (many.entries.size === 0) this.#many = undefined
  }

  restoreEntry(key: RowKey, value: unknown): void {
    this.#put(key as K, value as Value)
  }
}

/** The entries of a map that has, or had, more than one. */
class ManyEntries<K extends EntryKey, Value> {
  readonly entries = new Map<K, Value>()
  /** The keys of all entries in order, once asked for and until a key comes or goes. */
  order: readonly K[] | undefined = undefined
  /** Keys put or removed since the last commit; kept only while entries have rows of their own. */
  changes: Set<K> | undefined = undefined
}

/** Numbers by size, then texts by their UTF-16 code units. */
function compareEntryKeys(a: EntryKey, b: EntryKey): number {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}

/** Declares a map of a key. */
export const map = <K extends EntryKey, Value>(
  options: CellOptions = {},
): CellSpec<MapCell<K, Value>> =>
  living({ kind: 'map', make: (owner) => new MapCell<K, Value>(owner) }, options)
