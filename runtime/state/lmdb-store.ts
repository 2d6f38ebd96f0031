/**
 * The store of a task as one LMDB environment. Commits are handed to lmdb's writer thread as one
 * batch: a single synchronous run of puts is a single transaction. Sync is not overlapped, so that a
 * transaction is fsynced before the next begins, and after kill -9 the newest readable transaction
 * is one whose pages were synced; `flushed` is awaited all the same, for that is the promise made.
 */
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type * as Lmdb from 'lmdb'
import type { Database, RootDatabase } from 'lmdb'
import { reasonOf, StateError, UnavailableError } from '../errors.ts'
import { damageOf, isDamage } from './lmdb-file.ts'
import { LmdbView } from './lmdb-view.ts'
import {
  type Store,
  STORE_TABLES,
  type StoreRange,
  type StoreRow,
  type StoreTable,
  type StoreView,
  type StoreWriter,
} from './store.ts'

/** As one file, which loads in half the time of its modules: every start waits for it. */
const { open } = createRequire(import.meta.url)('lmdb') as typeof Lmdb

type Table = Database<Uint8Array, Uint8Array>

export interface LmdbStoreOptions {
  /** Opens for reading only, beside the process that writes. */
  readonly readOnly?: boolean
}

export class LmdbStore implements Store {
  readonly #root: RootDatabase<Uint8Array, Uint8Array>
  readonly #tables: Readonly<Record<StoreTable, Table>>
  readonly #writer: StoreWriter
  readonly #folder: string
  readonly #views = new Set<LmdbView>()

  /** @throws StateError when the folder cannot be opened as a store. */
  constructor(folder: string, options: LmdbStoreOptions = {}) {
    const readOnly = options.readOnly ?? false
    this.#folder = folder
    const damage = damageOf(join(folder, 'data.mdb'))
    if (damage !== undefined) throw damaged(folder, damage)
    try {
      if (!readOnly) mkdirSync(folder, { recursive: true })
      this.#root = open({
        path: folder,
        noSubdir: false,
        maxDbs: STORE_TABLES.length + 1,
        overlappingSync: false,
        // A batch is one transaction without it; with it a failed commit rejects a promise of lmdb's
        // own that nobody can handle, and the process dies of a full disk.
        eventTurnBatching: false,
        readOnly,
        keyEncoding: 'binary',
        encoding: 'binary',
      })
      const tables = STORE_TABLES.map((name): [StoreTable, Table] => [
        name,
        this.#root.openDB<Uint8Array, Uint8Array>({
          name,
          keyEncoding: 'binary',
          encoding: 'binary',
        }),
      ])
      this.#tables = Object.fromEntries(tables) as Record<StoreTable, Table>
    } catch (error) {
      throw new StateError(`the store in ${folder} cannot be opened: ${reasonOf(error)}`, {
        cause: error,
      })
    }
    const table = this.#tables
    this.#writer = {
      put: (name, key, value) => this.#watch(table[name].put(key, value)),
      remove: (name, key) => this.#watch(table[name].remove(key)),
    }
  }

  /** What went wrong with a write since the store was opened. */
  #failure: unknown
  #watched: unknown

  /** All writes of one transaction share one promise: it is watched once. */
  #watch(written: Promise<unknown>): void {
    if (written === this.#watched) return
    this.#watched = written
    written.catch((error: unknown) => {
      this.#failure ??= error
    })
  }

  get(table: StoreTable, key: Uint8Array): Uint8Array | undefined {
    try {
      return this.#tables[table].getBinary(key)
    } catch (error) {
      throw this.#readFailure(error)
    }
  }

  range(table: StoreTable, { start, end, limit }: StoreRange): StoreRow[] {
    const options = limit === undefined ? { start, end } : { start, end, limit }
    try {
      return [...this.#tables[table].getRange(options)].map(({ key, value }) => ({ key, value }))
    } catch (error) {
      throw this.#readFailure(error)
    }
  }

  #readFailure(error: unknown): unknown {
    return isDamage(error) ? damaged(this.#folder, reasonOf(error), error) : error
  }

  count(table: StoreTable): number {
    return (this.#tables[table].getStats() as { entryCount: number }).entryCount
  }

  async commit(write: (writer: StoreWriter) => void): Promise<void> {
    try {
      await this.#root.batch(() => write(this.#writer))
    } catch (error) {
      throw await failed(this.#folder, error)
    }
    if (this.#failure !== undefined) throw await failed(this.#folder, this.#failure)
    // A read transaction that is still open would go on showing the store as it was before (S3).
    this.#root.resetReadTxn()
  }

  async flushed(): Promise<void> {
    try {
      await this.#root.flushed
    } catch (error) {
      throw await failed(this.#folder, error)
    }
  }

  view(): StoreView {
    // What this turn has read so far may be older than the newest commit.
    this.#root.resetReadTxn()
    const view: LmdbView = new LmdbView({
      root: this.#root,
      tables: this.#tables,
      file: join(this.#folder, 'data.mdb'),
      onClose: () => this.#views.delete(view),
    })
    this.#views.add(view)
    return view
  }

  async close(): Promise<void> {
    // LMDB does not survive a read behind its end.
    for (const view of this.#views) view.close()
    await this.#root.close()
  }
}

const damaged = (folder: string, why: string, cause?: unknown): StateError =>
  new StateError(
    `the store in ${folder} is damaged: ${why}. Nothing was changed. Put the state folder aside, and start again from a snapshot (--restore latest) or afresh.`,
    { cause },
  )

async function failed(folder: string, error: unknown): Promise<UnavailableError | StateError> {
  // lmdb gives the reason of a failed commit as another promise, which rejects with it.
  let cause = error
  try {
    await (error as { readonly commitError?: Promise<unknown> }).commitError
  } catch (reason) {
    cause = reason
  }
  if (isDamage(cause) || isDamage(error)) return damaged(folder, reasonOf(cause), cause)
  return new UnavailableError(
    `the store could not write a commit: ${reasonOf(cause)}. The task starts again from its last durable commit; check the disk's space and health.`,
    { cause },
  )
}
