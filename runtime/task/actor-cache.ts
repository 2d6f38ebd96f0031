/**
 * The key actors of one operator: made on their first message, kept in memory while there is room,
 * written with the commit of the epoch that changed them, evicted, and loaded again on demand.
 *
 * A1 An actor that differs from the committed store is in memory: it is dirty, or its commit is in
 *    flight. Only others are evicted, so a load always sees the actor as it last was.
 */
import type { Key } from '../../operators/operator.ts'
import {
  type CellKind,
  type CellSpec,
  type EntryRows,
  type RowReader,
  type StateCell,
  type StateSpec,
  unstamped,
} from '../../operators/state.ts'
import { entryOf, entryRange, entryRowKey } from '../state/key-codec.ts'
import { decodeRow, encodeRow } from '../state/row-codec.ts'
import { storedCells } from '../state/state-entry.ts'
import type { Store, StoreWriter } from '../state/store.ts'
import { ROWS_PER_STEP, type Steps } from '../time/turns.ts'
import { type ActorHome, KeyActor } from './key-actor.ts'
import { type EarlierShape, earlierShapeAt } from './meta.ts'
import { upcast } from './upcast.ts'

/** A rough price of an actor in memory beside its rows: objects, maps, and the cache's own entry. */
const ACTOR_BYTES = 400
/** A value in memory takes about this many times its encoded bytes. */
const BYTES_GROWTH = 4

export interface CacheLimits {
  readonly entriesMax: number
  readonly bytesMax: number
}

export interface ActorCacheOptions {
  readonly store: Store
  /** Name of the operator, for messages. */
  readonly name: string
  /** Number of the operator in the store. */
  readonly operator: number
  readonly state: StateSpec
  /** Shapes that its rows of earlier epochs still have. */
  readonly earlier: readonly EarlierShape[]
  readonly limits: CacheLimits
  /** Whether the store may hold actors of this operator from earlier runs. */
  readonly mayHaveStored: boolean
}

export class ActorCache implements ActorHome {
  readonly #options: ActorCacheOptions
  readonly #cells: readonly CellSpec[]
  readonly #actors = new Map<Key, KeyActor>()
  /** Rows of entries that are removed when an actor of an earlier version is written in the shape of today. */
  readonly #outdated = new Map<KeyActor, readonly Uint8Array[]>()
  #dirty: KeyActor[] = []
  /** Actors without state, as their last commit wrote them. */
  #emptied: KeyActor[] = []
  /** False while every actor of the operator is in memory: an unknown key then needs no look-up. */
  #someAreElsewhere: boolean
  #bytes = 0
  undo: (() => void)[] | null = null
  loads = 0
  evictions = 0

  constructor(options: ActorCacheOptions) {
    this.#options = options
    this.#cells = Object.values(options.state.cells)
    this.#someAreElsewhere = options.mayHaveStored
  }

  get size(): number {
    return this.#actors.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Changed actors; they cannot be evicted before the next commit. */
  get dirtyCount(): number {
    return this.#dirty.length
  }

  /**
   * Whether half of the room is that of changed actors, which cannot be evicted before the next commit. What they have grown to is known when they are written: so it
   * does not count whether there is other room.
   */
  get isCrowded(): boolean {
    return this.#dirty.length * 2 >= this.#options.limits.entriesMax
  }

  noteDirty(actor: KeyActor): number {
    return this.#dirty.push(actor) - 1
  }

  /** The actor of a key, from memory, from the store, or new. */
  activate(key: Key): KeyActor {
    const known = this.#actors.get(key)
    if (known !== undefined) {
      known.used = true
      return known
    }
    const actor = new KeyActor(this, key, this.#cells)
    if (this.#someAreElsewhere) this.#load(actor)
    this.#actors.set(key, actor)
    this.#bytes += ACTOR_BYTES + actor.rowBytes * BYTES_GROWTH
    return actor
  }

  /** Whether an actor is in memory. */
  has(key: Key): boolean {
    return this.#actors.size > 0 && this.#actors.has(key)
  }

  /** Whether the store may have actors that are not in memory. */
  get someAreElsewhere(): boolean {
    return this.#someAreElsewhere
  }

  /** A new actor for a key whose row, if it is stored, holds what the caller is about to put into it. */
  adopt(key: Key, isStored: boolean): KeyActor {
    const actor = new KeyActor(this, key, this.#cells)
    actor.stored = isStored
    this.#actors.set(key, actor)
    this.#bytes += ACTOR_BYTES
    return actor
  }

  #load(actor: KeyActor): void {
    const { store, operator, name } = this.#options
    const rowKey = actor.rowKey(operator)
    const bytes = store.get('state', rowKey)
    if (bytes === undefined) return
    this.loads += 1
    const what = `the state of key ${JSON.stringify(actor.key)} of operator '${name}'`
    const row = decodeRow(bytes, what)
    const stored = row.value as unknown[]
    actor.stored = true
    actor.rowBytes = bytes.length
    const shape = earlierShapeAt(this.#options, row.epoch)
    if (shape !== undefined) {
      this.#upcast(actor, shape, { rowKey, inline: stored, what })
      return
    }
    for (const [i, cell] of actor.cells.entries()) {
      const { kind, timeToLive } = this.#cells[i] as CellSpec
      // A time to live may have been taken away since: then the stamps go, one by one, as they are read.
      const keepsStamps = timeToLive !== undefined
      cell.restoreInline(keepsStamps ? stored[i] : withoutStamps(kind, stored[i]))
      if (cell.rows?.spilled !== true) continue
      if (cell.rows.attach !== undefined) cell.rows.attach(this.#rowReader(rowKey, i, what))
      else this.#loadEntries(actor, cell, { rowKey, place: i, keepsStamps, what })
    }
  }

  /** The actor is as good as changed: the next commit writes it in the shape of today. */
  #upcast(
    actor: KeyActor,
    { version, cells }: EarlierShape,
    row: { readonly rowKey: Uint8Array; readonly inline: unknown[]; readonly what: string },
  ): void {
    const { store, name, state } = this.#options
    const { rowKey, inline } = row
    const stored = storedCells(store, rowKey, { ...row, cells })
    upcast({ operator: name, key: actor.key, version, cells: stored }, state, actor.cells)
    for (const [i, { kind }] of this.#cells.entries()) {
      const before = stored.findIndex((cell) => cell.kind === 'timers')
      if (kind === 'timers' && before !== -1) actor.cells[i]?.restoreInline(inline[before])
    }
    const entries = cells.flatMap((_, place) => store.range('state', entryRange(rowKey, place)))
    if (entries.length > 0)
      this.#outdated.set(
        actor,
        entries.map(({ key }) => key),
      )
    actor.changed()
  }

  #loadEntries(
    actor: KeyActor,
    { rows }: StateCell,
    from: {
      readonly rowKey: Uint8Array
      readonly place: number
      readonly keepsStamps: boolean
      readonly what: string
    },
  ): void {
    const { rowKey, place, keepsStamps, what } = from
    for (const row of this.#options.store.range('state', entryRange(rowKey, place))) {
      const { value } = decodeRow(row.value, what)
      rows?.restoreEntry(entryOf(row.key, rowKey), keepsStamps ? value : unstamped(value))
      actor.rowBytes += row.value.length
    }
  }

  /**
   * What a cell reads later is what it would have read at its load: of what was committed since, all is
   * in memory (A1).
   */
  #rowReader(rowKey: Uint8Array, place: number, what: string): RowReader {
    return (from, to, limit) => {
      const range = {
        start: entryRowKey(rowKey, place, from),
        end: entryRowKey(rowKey, place, to),
        ...(limit !== undefined && { limit }),
      }
      return this.#options.store
        .range('state', range)
        .map((row) => [entryOf(row.key, rowKey), decodeRow(row.value, what).value] as const)
    }
  }

  /** Lets an actor go that is empty and never was written: there is nothing to commit, or to load again. */
  release(actor: KeyActor): void {
    if (actor.stored || actor.writtenEpoch > 0 || !actor.isEmpty) return
    const at = actor.dirtyAt
    if (at !== -1) {
      const last = this.#dirty.pop()
      if (last !== undefined && last !== actor) {
        this.#dirty[at] = last
        last.dirtyAt = at
      }
      actor.dirtyAt = -1
    }
    if (this.#actors.delete(actor.key)) this.#bytes -= ACTOR_BYTES
  }

  /** Puts every change since the last call into the commit of an epoch. */
  *write(writer: StoreWriter, epoch: number): Steps {
    const dirty = this.#dirty
    this.#dirty = []
    let written = 0
    for (const actor of dirty) {
      actor.dirtyAt = -1
      actor.writtenEpoch = epoch
      this.#writeActor(writer, actor, epoch)
      if (++written % ROWS_PER_STEP === 0) yield
    }
  }

  #writeActor(writer: StoreWriter, actor: KeyActor, epoch: number): void {
    const empty = actor.isEmpty
    if (empty) this.#emptied.push(actor)
    // What came and went within the epoch was never in the store.
    if (empty && !actor.stored) return
    const rowKey = actor.rowKey(this.#options.operator)
    const { cells } = actor
    if (this.#outdated.size > 0) {
      for (const key of this.#outdated.get(actor) ?? []) writer.remove('state', key)
      this.#outdated.delete(actor)
    }
    const inline = empty ? undefined : cells.map((cell) => cell.inline())
    const before = actor.rowBytes
    actor.rowBytes = 0
    for (const [place, { rows }] of cells.entries()) {
      if (rows?.spilled === true) {
        actor.rowBytes += writeEntries(writer, rows, { rowKey, place, epoch }, before)
      }
    }
    if (inline === undefined) {
      writer.remove('state', rowKey)
      actor.rowBytes = 0
    } else {
      const row = encodeRow(inline, epoch)
      writer.put('state', rowKey, row)
      actor.rowBytes += row.length
    }
    actor.stored = inline !== undefined
    this.#bytes += (actor.rowBytes - before) * BYTES_GROWTH
  }

  /** An actor without state is of no use in memory, however much room there is. */
  *#evictEmptied(committedEpoch: number): Steps {
    const later: KeyActor[] = []
    let lookedAt = 0
    for (const actor of this.#emptied) {
      if (++lookedAt % ROWS_PER_STEP === 0) yield
      if (actor.dirtyAt !== -1 || !actor.isEmpty || this.#actors.get(actor.key) !== actor) continue
      if (actor.writtenEpoch > committedEpoch) later.push(actor)
      else {
        this.#actors.delete(actor.key)
        this.#bytes -= ACTOR_BYTES
      }
    }
    this.#emptied = later
  }

  /**
   * Makes room once commits up to an epoch are committed. Walks in the order of activation; an actor
   * that was used since the last walk gets a second chance at the end.
   */
  *evict(committedEpoch: number): Steps {
    yield* this.#evictEmptied(committedEpoch)
    const { entriesMax, bytesMax } = this.#options.limits
    let toLookAt = this.#actors.size * 2
    for (const [key, actor] of this.#actors) {
      if (this.#actors.size <= entriesMax && this.#bytes <= bytesMax) return
      if (toLookAt-- === 0) return
      if (toLookAt % ROWS_PER_STEP === 0) yield
      const clean = actor.dirtyAt === -1 && actor.writtenEpoch <= committedEpoch
      if (clean && (!actor.used || actor.isEmpty)) {
        this.#actors.delete(key)
        this.#bytes -= ACTOR_BYTES + actor.rowBytes * BYTES_GROWTH
        this.evictions += 1
        if (actor.stored) this.#someAreElsewhere = true
      } else if (actor.used) {
        actor.used = false
        this.#actors.delete(key)
        this.#actors.set(key, actor)
      }
    }
  }
}

/**
 * Writes the entries that changed.
 * @param bytesBefore of the actor's rows.
 * @returns about how many bytes the entries in memory have: as many each as those that were written now.
 */
function writeEntries(
  writer: StoreWriter,
  rows: EntryRows,
  at: { readonly rowKey: Uint8Array; readonly place: number; readonly epoch: number },
  bytesBefore: number,
): number {
  let [puts, removals, bytes] = [0, 0, 0]
  rows.takeChanges((entry, value) => {
    const entryKey = entryRowKey(at.rowKey, at.place, entry)
    if (value === undefined) {
      writer.remove('state', entryKey)
      removals += 1
      return
    }
    const row = encodeRow(value, at.epoch)
    writer.put('state', entryKey, row)
    puts += 1
    bytes += row.length
  })
  const entries = rows.entriesInMemory
  // Whole, as all other counts of bytes: a fraction would change the layout of every actor in memory.
  if (puts > 0) return Math.ceil(entries * (bytes / puts))
  return Math.ceil(entries * (bytesBefore / (entries + removals + 1)))
}

/** What a cell of this kind stored, for one that has no time to live. */
function withoutStamps(kind: CellKind, stored: unknown): unknown {
  if (kind === 'value') return unstamped(stored)
  return Array.isArray(stored) ? stored.map(unstamped) : stored
}
