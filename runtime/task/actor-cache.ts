/**
 * The key actors of one operator: made on their first message, kept in memory while there is room,
 * written with the commit of the epoch that changed them, evicted, and loaded again on demand.
 *
 * A1 An actor that differs from the committed store is in memory: it is dirty, or its commit is in
 *    flight. Only others are evicted, so a load always sees the actor as it last was.
 */
import type { Key } from '../../operators/operator.ts'
import type { CellSpec } from '../../operators/state.ts'
import { entryOf, entryRange, entryRowKey } from '../state/key-codec.ts'
import { decodeRow, encodeRow } from '../state/row-codec.ts'
import type { Store, StoreWriter } from '../state/store.ts'
import { type ActorHome, KeyActor } from './key-actor.ts'

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
  readonly cells: readonly CellSpec[]
  readonly limits: CacheLimits
  /** Whether the store may hold actors of this operator from earlier runs. */
  readonly mayHaveStored: boolean
}

export class ActorCache implements ActorHome {
  readonly #options: ActorCacheOptions
  readonly #actors = new Map<Key, KeyActor>()
  #dirty: KeyActor[] = []
  /** False while every actor of the operator is in memory: an unknown key then needs no look-up. */
  #someAreElsewhere: boolean
  #bytes = 0
  undo: (() => void)[] | null = null
  loads = 0
  evictions = 0

  constructor(options: ActorCacheOptions) {
    this.#options = options
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

  noteDirty(actor: KeyActor): void {
    this.#dirty.push(actor)
  }

  /** The actor of a key, from memory, from the store, or new. */
  activate(key: Key): KeyActor {
    const known = this.#actors.get(key)
    if (known !== undefined) {
      known.used = true
      return known
    }
    const actor = new KeyActor(this, key, this.#options.cells)
    if (this.#someAreElsewhere) this.#load(actor)
    this.#actors.set(key, actor)
    this.#bytes += ACTOR_BYTES + actor.rowBytes * BYTES_GROWTH
    return actor
  }

  #load(actor: KeyActor): void {
    const { store, operator, name } = this.#options
    const rowKey = actor.rowKey(operator)
    const bytes = store.get('state', rowKey)
    if (bytes === undefined) return
    this.loads += 1
    const what = `the state of key ${JSON.stringify(actor.key)} of operator '${name}'`
    const cells = decodeRow(bytes, what).value as unknown[]
    actor.stored = true
    actor.rowBytes = bytes.length
    for (const [i, cell] of actor.cells.entries()) {
      cell.restoreInline(cells[i])
      if (cell.rows?.spilled !== true) continue
      for (const row of store.range('state', entryRange(rowKey, i))) {
        cell.rows.restoreEntry(entryOf(row.key, rowKey), decodeRow(row.value, what).value)
        actor.rowBytes += row.value.length
      }
    }
  }

  /** Puts every change since the last call into the commit of an epoch. */
  write(writer: StoreWriter, epoch: number): void {
    const dirty = this.#dirty
    this.#dirty = []
    for (const actor of dirty) {
      actor.dirty = false
      actor.writtenEpoch = epoch
      this.#writeActor(writer, actor, epoch)
    }
  }

  #writeActor(writer: StoreWriter, actor: KeyActor, epoch: number): void {
    const empty = actor.isEmpty
    // What came and went within the epoch was never in the store.
    if (empty && !actor.stored) return
    const rowKey = actor.rowKey(this.#options.operator)
    const inline = empty ? undefined : actor.cells.map((cell) => cell.inline())
    for (const [i, cell] of actor.cells.entries()) {
      cell.rows?.takeChanges((entry, value) => {
        const entryKey = entryRowKey(rowKey, i, entry)
        if (value === undefined) writer.remove('state', entryKey)
        else writer.put('state', entryKey, encodeRow(value, epoch))
      })
    }
    const before = actor.rowBytes
    if (inline === undefined) {
      writer.remove('state', rowKey)
      actor.rowBytes = 0
    } else {
      const row = encodeRow(inline, epoch)
      writer.put('state', rowKey, row)
      actor.rowBytes = row.length
    }
    actor.stored = inline !== undefined
    this.#bytes += (actor.rowBytes - before) * BYTES_GROWTH
  }

  /**
   * Makes room once commits up to an epoch are committed. Walks in the order of activation; an actor
   * that was used since the last walk gets a second chance at the end.
   */
  evict(committedEpoch: number): void {
    const { entriesMax, bytesMax } = this.#options.limits
    let toLookAt = this.#actors.size * 2
    for (const [key, actor] of this.#actors) {
      if (this.#actors.size <= entriesMax && this.#bytes <= bytesMax) return
      if (toLookAt-- === 0) return
      const clean = !actor.dirty && actor.writtenEpoch <= committedEpoch
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
