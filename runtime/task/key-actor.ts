import type { Key } from '../../operators/operator.ts'
import type { CellOwner, CellSpec, StateCell } from '../../operators/state.ts'
import { actorRowKey, encodeKey } from '../state/key-codec.ts'

/** Where a key actor reports that it has changed. */
export interface ActorHome {
  /** The changes of the current turn, newest last, while they may have to be taken back. */
  readonly undo: (() => void)[] | null
  /** Called at an actor's first change since the last commit. */
  noteDirty(actor: KeyActor): void
}

/** One key of one operator in memory: its cells, and whether the store knows them as they are. */
export class KeyActor implements CellOwner {
  // What every record touches comes first: it then shares a cache line.
  readonly key: Key
  readonly cell: StateCell
  readonly cells: readonly StateCell[]
  /** Used since the cache last looked: a second chance before eviction. */
  used = true
  /** Changed since the last commit was put together. */
  dirty = false
  readonly #home: ActorHome
  #rowKey: Uint8Array | undefined
  /** The newest commit that wrote this actor; until it is committed the actor stays in memory. */
  writtenEpoch = 0
  /** Whether the store has (or will have, with a commit in flight) a row of this actor. */
  stored = false
  /** Bytes of its rows when last written or read; what the cache counts. */
  rowBytes = 0

  constructor(home: ActorHome, key: Key, specs: readonly CellSpec[]) {
    this.#home = home
    this.key = key
    this.cells = specs.map((spec) => spec.make(this))
    this.cell = this.cells[0] as StateCell
  }

  get undo(): (() => void)[] | null {
    return this.#home.undo
  }

  changed(): void {
    if (this.dirty) return
    this.dirty = true
    this.#home.noteDirty(this)
  }

  get isEmpty(): boolean {
    for (const cell of this.cells) if (!cell.isEmpty) return false
    return true
  }

  /** Key of the actor's own row in the store. */
  rowKey(operator: number): Uint8Array {
    this.#rowKey ??= actorRowKey(operator, encodeKey(this.key))
    return this.#rowKey
  }
}
