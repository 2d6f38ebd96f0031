/**
 * One LMDB environment a folder, shared by everything in this process that opens the folder, for
 * LMDB must not be opened twice by a process. Other processes may use the same folder.
 *
 * E1 Writes are functions that run inside the write transaction, one process at a time: what they
 *    read is the newest there is.
 * E2 A write that throws before it changes anything fails alone; after that it takes all writes of
 *    its transaction with it, so that no half of one is ever kept.
 * E3 A write resolves when it is durable. Sync is not overlapped: LMDB syncs the pages of a
 *    transaction, writes its meta page through a descriptor opened with O_DSYNC, and only then shows
 *    it to readers. So nothing that is read, here or in another process, can be taken back by a
 *    power loss, and readers need no sync of their own.
 * E4 What fails to be written is rolled back and may be tried again: the pages of a failed transaction
 *    are referred to by no later one, and LMDB itself refuses to go on after a failed meta page.
 */
import { fdatasyncSync, mkdirSync, openSync, closeSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type * as Lmdb from 'lmdb'
import type { RootDatabase } from 'lmdb'
import { DataLossError, InvariantError, reasonOf, StateError, UnavailableError } from '../errors.ts'
import type { KeyRange } from './embedded-keys.ts'

/** As one file, as for the store. */
const { open } = createRequire(import.meta.url)('lmdb') as typeof Lmdb

export interface EnvironmentRow {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** What is stored, as a read or a write sees it. Bytes belong to the caller. */
export interface Rows {
  get(key: Uint8Array): Uint8Array | undefined
  /** In the order of the keys; at most `limit`. */
  range(range: KeyRange, limit?: number): Iterable<EnvironmentRow>
}

export interface WritableRows extends Rows {
  put(key: Uint8Array, value: Uint8Array): void
  remove(key: Uint8Array): void
}

interface Write {
  readonly change: (rows: WritableRows) => unknown
  readonly bytes: number
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

/** Bounds of the writes that share a transaction. */
const GROUP_WRITES_MAX = 1_024
const GROUP_BYTES_MAX = 32 * 1024 * 1024

const environments = new Map<string, LmdbEnvironment>()

export class LmdbEnvironment implements Rows {
  readonly folder: string
  readonly #root: RootDatabase<Uint8Array, Uint8Array>
  readonly #listeners = new Set<() => void>()
  #writes: Write[] = []
  #writing: Promise<void> | undefined
  #users = 0

  private constructor(folder: string) {
    this.folder = folder
    this.#root = open({
      path: folder,
      noSubdir: false,
      keyEncoding: 'binary',
      encoding: 'binary',
      overlappingSync: false,
      eventTurnBatching: false,
    })
    // A killed process may have left its last meta page in memory only.
    const file = openSync(join(folder, 'data.mdb'), 'r+')
    try {
      fdatasyncSync(file)
    } finally {
      closeSync(file)
    }
  }

  /** Every open needs its close. @throws StateError when the folder cannot be used. */
  static open(folder: string): LmdbEnvironment {
    try {
      mkdirSync(folder, { recursive: true })
      const path = realpathSync(folder)
      const environment = environments.get(path) ?? new LmdbEnvironment(path)
      environments.set(path, environment)
      environment.#users++
      return environment
    } catch (error) {
      throw new StateError(
        `the log folder ${folder} cannot be opened: ${reasonOf(error)}. Name a folder on a local disk that this user may write.`,
        { cause: error },
      )
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#root.getBinary(key)
  }

  range(range: KeyRange, limit?: number): Iterable<EnvironmentRow> {
    return this.#root.getRange(limit === undefined ? range : { ...range, limit })
  }

  /** Lets reads from here on see what other processes have committed. */
  refresh(): void {
    this.#root.resetReadTxn()
  }

  /** Calls back after every transaction of this process; the returned function ends it. */
  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Changes rows in a write transaction (E1, E2); resolves to the function's result when it is durable.
   * @param bytes about how much it writes; bounds what shares a transaction.
   * @throws UnavailableError when it could not be written.
   */
  async write<Result>(change: (rows: WritableRows) => Result, bytes = 0): Promise<Result> {
    const done = new Promise<unknown>((resolve, reject) => {
      this.#writes.push({ change, bytes, resolve, reject })
    })
    this.#writing ??= this.#writeAll()
    return (await done) as Result
  }

  async #writeAll(): Promise<void> {
    // Writes that are asked for in the same turn share a transaction, and its sync.
    await Promise.resolve()
    while (this.#writes.length > 0) await this.#writeGroup(this.#nextGroup())
    this.#writing = undefined
  }

  #nextGroup(): readonly Write[] {
    let count = 0
    let bytes = 0
    for (const write of this.#writes) {
      if (count >= GROUP_WRITES_MAX || (count > 0 && bytes + write.bytes > GROUP_BYTES_MAX)) break
      count++
      bytes += write.bytes
    }
    const group = this.#writes.slice(0, count)
    this.#writes = this.#writes.slice(count)
    return group
  }

  async #writeGroup(group: readonly Write[]): Promise<void> {
    let settle: (() => void)[] = []
    try {
      // A child transaction, because only that is rolled back when the function throws.
      await this.#root.childTransaction(() => {
        settle = group.map((write) => this.#apply(write))
      })
      await this.#root.flushed
    } catch (error) {
      const problem = await this.#problem(error)
      settle = group.map(
        ({ reject }) =>
          () =>
            reject(problem),
      )
    }
    for (const settled of settle) settled()
    for (const listener of this.#listeners) listener()
  }

  /** @returns what tells the caller, once the transaction is durable. */
  #apply({ change, resolve, reject }: Write): () => void {
    let changed = false
    try {
      const result = change({
        get: (key) => this.get(key),
        range: (range, limit) => this.range(range, limit),
        put: (key, value) => {
          changed = true
          this.#root.putSync(key, value)
        },
        remove: (key) => {
          changed = true
          this.#root.removeSync(key)
        },
      })
      return () => resolve(result)
    } catch (error) {
      if (changed) throw error
      return () => reject(error)
    }
  }

  async #problem(error: unknown): Promise<Error> {
    if (error instanceof DataLossError || error instanceof InvariantError) return error
    // lmdb gives the reason of a failed commit as another promise, which rejects with it.
    let cause = error
    try {
      await (error as { readonly commitError?: Promise<unknown> }).commitError
    } catch (reason) {
      cause = reason
    }
    return new UnavailableError(
      `the log folder ${this.folder} cannot be written: ${reasonOf(cause)}. Make room on the disk and check its health; nothing of this append was kept.`,
      { cause },
    )
  }

  /** Ends one use; the last one waits for the writes and closes the environment. */
  async close(): Promise<void> {
    this.#users--
    if (this.#users > 0) return
    await this.#writing
    if (this.#users > 0) return
    environments.delete(this.folder)
    await this.#root.close()
  }
}
