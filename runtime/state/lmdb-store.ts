/**
 * The store of a task as one LMDB environment. Sync is not overlapped, so that a transaction is fsynced
 * before the next begins, and after kill -9 the newest readable transaction is one whose pages were
 * synced; `flushed` is awaited all the same, for that is the promise made.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { isFinal, reasonOf, StateError, UnavailableError } from '../errors.ts'
import type { Steps, Turns } from '../time/turns.ts'
import { LmdbCommit } from './lmdb-commit.ts'
import { openEnvironment, type StoreEnvironment } from './lmdb-environment.ts'
import { damageOf, isDamage } from './lmdb-file.ts'
import { LmdbView } from './lmdb-view.ts'
import { LmdbWriter } from './lmdb-writer.ts'
import {
  type Store,
  type StoreRange,
  type StoreRow,
  type StoreTable,
  type StoreView,
  type StoreWriter,
} from './store.ts'

export interface LmdbStoreOptions {
  /** Opens for reading only, beside the process that writes. */
  readonly readOnly?: boolean
}

export class LmdbStore implements Store {
  readonly #environment: StoreEnvironment
  readonly #root: StoreEnvironment['root']
  readonly #tables: StoreEnvironment['tables']
  readonly #folder: string
  /** Writes large commits; undefined before the first. */
  #writer: LmdbWriter | undefined
  readonly #views = new Set<LmdbView>()

  /** @throws StateError when the folder cannot be opened as a store. */
  constructor(folder: string, options: LmdbStoreOptions = {}) {
    const readOnly = options.readOnly ?? false
    this.#folder = folder
    const damage = damageOf(join(folder, 'data.mdb'))
    if (damage !== undefined) throw damaged(folder, damage)
    try {
      if (!readOnly) mkdirSync(folder, { recursive: true })
      this.#environment = openEnvironment(folder, readOnly)
    } catch (error) {
      throw new StateError(`the store in ${folder} cannot be opened: ${reasonOf(error)}`, {
        cause: error,
      })
    }
    this.#root = this.#environment.root
    this.#tables = this.#environment.tables
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

  async commit(write: (writer: StoreWriter) => Steps | void, turns?: Turns): Promise<void> {
    const commit = new LmdbCommit({
      environment: this.#environment,
      writer: () => (this.#writer ??= new LmdbWriter(this.#folder)),
      turns,
    })
    try {
      await commit.run(write)
    } catch (error) {
      throw await failed(this.#folder, error)
    }
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

  /** From here on reads see what another process has committed until now. */
  refresh(): void {
    this.#root.resetReadTxn()
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
    await this.#writer?.close()
    await this.#root.close()
  }
}

const damaged = (folder: string, why: string, cause?: unknown): StateError =>
  new StateError(
    `the store in ${folder} is damaged: ${why}. Nothing was changed. Put the state folder aside, and start again from a snapshot (--restore latest) or afresh.`,
    { cause },
  )

async function failed(folder: string, error: unknown): Promise<unknown> {
  // What a step of a commit has thrown is no fault of the disk.
  if (isFinal(error)) return error
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
