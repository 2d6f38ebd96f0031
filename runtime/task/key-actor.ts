import type { Key } from '../../operators/operator.ts'
import type { CellOwner, CellSpec, StateCell } from '../../operators/state.ts'
import { actorRowKey, encodeKey } from '../state/key-codec.ts'

/** Where a key actor reports that it has changed. */
export interface ActorHome {
  /** The changes of the current turn, newest last, while they may have to be taken back. */
  readonly undo: (() => void)[] | null
  /** Called at an actor's first change since the last commit. @returns its place among those changed. */
  noteDirty(actor: KeyActor): number
}

/**
 * One key of one operator in memory: its cells, and whether the store knows them as they are. There
 * may be millions: what can be found again is not kept, and no field is there for convenience.
 */
export class KeyActor implements CellOwner {
  // What every record touches comes first: it then shares a cache line.
  readonly key: Key
  readonly cell: StateCell
  /** Used since the cache last looked: a second chance before eviction. */
  used = true
  /** Place among the actors that changed since the last commit was put together; -1: it did not. */
  dirtyAt = -1
  readonly #home: ActorHome
  /** All cells, when there are several: most operators have one, which needs no array. */
  readonly #cells: readonly StateCell[] | undefined
  /** The newest commit that wrote this actor; until it is committed the actor stays in memory. */
  writtenEpoch = 0
  /** Whether the store has (or will have, with a commit in flight) a row of this actor. */
  stored = false
  /** Bytes of its rows when last written or read; what the cache counts. */
  rowBytes = 0

  constructor(home: ActorHome, key: Key, specs: readonly CellSpec[]) {
    this.#home = home
    this.key = key
    this.#cells = specs.length === 1 ? undefined : specs.map((spec) => spec.make(this))
    this.cell = this.#cells?.[0] ?? (specs[0] as CellSpec).make(this)
  }

  /** In the order of the operator's StateSpec. Made anew at each call when there is one: use `cell`. */
  get cells(): readonly StateCell[] {
    return this.#cells ?? [this.cell]
  }

  get undo(): (() => void)[] | null {
    return this.#home.undo
  }

  changed(): void {
    if (this.dirtyAt === -1) this.dirtyAt = this.#home.noteDirty(this)
  }

  get isEmpty(): boolean {
    if (this.#cells === undefined) return this.cell.isEmpty
    for (const cell of this.#cells) if (!cell.isEmpty) return false
    return true
  }

  /** Key of the actor's own row in the store. Not kept: its bytes would outweigh a small actor. */
  rowKey(operator: number): Uint8Array {
    return actorRowKey(operator, encodeKey(this.key))
  }
}
