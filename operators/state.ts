/**
 * The cells a key's state is made of. A cell lives in memory while its key is active; the runtime
 * writes what changed with the next commit and loads it again on demand. Values are replaced, not
 * changed in place: a value that was mutated behind its cell's back is not written.
 */

/** What a cell tells the runtime: it is about to change, and how to take the change back. */
export interface CellOwner {
  /** Called at every change, so that the key is written with the next commit. */
  changed(): void
  /** Non-null while changes may have to be taken back: each change pushes its inverse. */
  readonly undo: (() => void)[] | null
}

/** A declared cell: `value()`, `list()` or `map()`. The type parameter lives in types only. */
export interface CellSpec<Cell extends StateCell = StateCell> {
  readonly kind: 'value' | 'list' | 'map'
  readonly make: (owner: CellOwner) => Cell
}

/** The cells of an operator by name, and the version of their shape. */
export interface StateSpec {
  readonly version: number
  readonly cells: Readonly<Record<string, CellSpec>>
}

/** A row key inside a collection cell. */
export type EntryKey = string | number

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
  /** Calls back for each entry that was put or removed (undefined) since the last call. */
  takeChanges(change: (key: EntryKey, value: unknown) => void): void
  /** Puts an entry back that was read from its row. */
  restoreEntry(key: EntryKey, value: unknown): void
}

/** One value of a key. */
export class ValueCell<Value> implements StateCell {
  readonly #owner: CellOwner
  #value: Value | undefined
  readonly rows = undefined

  constructor(owner: CellOwner) {
    this.#owner = owner
  }

  get isEmpty(): boolean {
    return this.#value === undefined
  }

  get(): Value | undefined {
    return this.#value
  }

  set(value: Value): void {
    this.#replace(value)
  }

  clear(): void {
    if (this.#value !== undefined) this.#replace(undefined)
  }

  #replace(value: Value | undefined): void {
    const before = this.#value
    this.#owner.undo?.push(() => {
      this.#value = before
    })
    this.#owner.changed()
    this.#value = value
  }

  inline(): unknown {
    return this.#value
  }

  restoreInline(stored: unknown): void {
    this.#value = stored as Value
  }
}

/** Collections up to this many entries are written in their key's own row; larger ones an entry a row. */
export const INLINE_ENTRIES_MAX = 16

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
  #many: Map<K, Value> | undefined = undefined
  /** The keys of all entries in order, once asked for and until a key comes or goes. */
  #order: readonly K[] | undefined = undefined
  /** Keys put or removed since the last commit; kept only while entries have rows of their own. */
  #changes: Set<K> | undefined = undefined

  constructor(owner: CellOwner) {
    this.#owner = owner
  }

  get isEmpty(): boolean {
    return this.#many === undefined ? this.#oneValue === undefined : this.#many.size === 0
  }

  get size(): number {
    return this.#many === undefined ? Number(this.#oneValue !== undefined) : this.#many.size
  }

  get(key: K): Value | undefined {
    if (this.#many !== undefined) return this.#many.get(key)
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
    this.#order ??= Array.from(this.#many.keys()).toSorted(compareEntryKeys)
    return this.#order
  }

  #put(key: K, value: Value): void {
    if (this.#many !== undefined) {
      this.#many.set(key, value)
      if (this.#many.size !== this.#order?.length) this.#order = undefined
    } else if (this.#oneValue === undefined || this.#oneKey === key) {
      this.#oneKey = key
      this.#oneValue = value
    } else this.#all().set(key, value)
  }

  #drop(key: K): void {
    this.#order = undefined
    if (this.#many === undefined) this.#oneValue = undefined
    else {
      this.#many.delete(key)
      if (this.#many.size === 0) this.#many = undefined
    }
  }

  /** The entries as a Map; from here on they are kept in it. */
  #all(): Map<K, Value> {
    if (this.#many === undefined) {
      this.#many = new Map()
      if (this.#oneValue !== undefined) this.#many.set(this.#oneKey as K, this.#oneValue)
      this.#oneValue = undefined
    }
    return this.#many
  }

  #note(key: K): void {
    this.#owner.changed()
    this.#changes?.add(key)
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
    return this.#changes !== undefined
  }

  inline(): unknown {
    if (this.size > INLINE_ENTRIES_MAX) this.#changes ??= new Set(this.#all().keys())
    if (this.#changes !== undefined) return null
    if (this.#many === undefined) {
      return this.#oneValue === undefined ? [] : [this.#oneKey, this.#oneValue]
    }
    return [...this.#many].flat()
  }

  restoreInline(stored: unknown): void {
    if (stored === null) {
      this.#changes = new Set()
      return
    }
    const flat = stored as unknown[]
    for (let i = 0; i < flat.length; i += 2) this.#put(flat[i] as K, flat[i + 1] as Value)
  }

  takeChanges(change: (key: EntryKey, value: unknown) => void): void {
    if (this.#changes === undefined) return
    for (const key of this.#changes) change(key, this.get(key))
    this.#changes.clear()
    // An emptied collection starts over in its key's row.
    if (this.isEmpty) this.#changes = undefined
  }

  restoreEntry(key: EntryKey, value: unknown): void {
    this.#put(key as K, value as Value)
  }
}

/** Numbers by size, then texts by their UTF-16 code units. */
function compareEntryKeys(a: EntryKey, b: EntryKey): number {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}

/** A list of a key: grows at its end, shrinks at either end. */
export class ListCell<Value> implements StateCell {
  readonly #owner: CellOwner
  readonly #map: MapCell<number, Value>
  #first = 0
  #next = 0
  #settled = true

  constructor(owner: CellOwner) {
    this.#owner = owner
    this.#map = new MapCell(owner)
  }

  get isEmpty(): boolean {
    return this.#map.isEmpty
  }

  get length(): number {
    this.#settle()
    return this.#next - this.#first
  }

  /** The value at an index from the list's start, or undefined beyond its ends. */
  at(index: number): Value | undefined {
    this.#settle()
    return this.#map.get(this.#first + index)
  }

  push(value: Value): void {
    this.#settle()
    this.#owner.undo?.push(this.#unsettle)
    this.#map.set(this.#next, value)
    this.#next += 1
  }

  /** Removes and returns the oldest value. */
  shift(): Value | undefined {
    this.#settle()
    if (this.#first === this.#next) return undefined
    this.#owner.undo?.push(this.#unsettle)
    const value = this.#map.get(this.#first)
    this.#map.delete(this.#first)
    this.#first += 1
    return value
  }

  toArray(): Value[] {
    this.#settle()
    const values: Value[] = []
    for (let i = this.#first; i < this.#next; i++) values.push(this.#map.get(i) as Value)
    return values
  }

  clear(): void {
    this.#owner.undo?.push(this.#unsettle)
    this.#map.clear()
    this.#settled = false
  }

  readonly #unsettle = (): void => {
    this.#settled = false
  }

  /** The ends follow from the entries; found again after a load or an undone turn. */
  #settle(): void {
    if (this.#settled) return
    let first = Number.POSITIVE_INFINITY
    let next = 0
    for (const index of this.#map.keys()) {
      if (index < first) first = index
      if (index >= next) next = index + 1
    }
    this.#first = this.#map.isEmpty ? 0 : first
    this.#next = next
    this.#settled = true
  }

  get rows(): EntryRows {
    return this.#map.rows
  }

  inline(): unknown {
    return this.#map.inline()
  }

  restoreInline(stored: unknown): void {
    this.#map.restoreInline(stored)
    this.#settled = false
  }
}

/** Declares one value of a key. */
export const value = <Value>(): CellSpec<ValueCell<Value>> => ({
  kind: 'value',
  make: (owner) => new ValueCell<Value>(owner),
})

/** Declares a list of a key. */
export const list = <Value>(): CellSpec<ListCell<Value>> => ({
  kind: 'list',
  make: (owner) => new ListCell<Value>(owner),
})

/** Declares a map of a key. */
export const map = <K extends EntryKey, Value>(): CellSpec<MapCell<K, Value>> => ({
  kind: 'map',
  make: (owner) => new MapCell<K, Value>(owner),
})

/** The cells that a record of specs makes, with their types. */
export type CellsOf<Specs extends Readonly<Record<string, CellSpec>>> = {
  readonly [Name in keyof Specs]: Specs[Name] extends CellSpec<infer Cell> ? Cell : never
}
