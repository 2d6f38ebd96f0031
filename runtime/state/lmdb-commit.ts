/**
 * One commit of an LMDB store. Few rows are handed as one batch to lmdb's own writer thread: a single
 * synchronous run of puts is a single transaction. With many rows that run would block the event loop,
 * so they go to a thread of the store's (LmdbWriter), which needs no such run. Both begin when rows are
 * there, and neither commits anything of what a step that threw has left half.
 */
import type { Steps, Turns } from '../time/turns.ts'
import type { StoreEnvironment } from './lmdb-environment.ts'
import type { LmdbWriter } from './lmdb-writer.ts'
import type { StoreTable, StoreWriter } from './store.ts'

/** Handing over so many rows at once takes about ten milliseconds. */
const BATCH_ROWS_MAX = 8_192

interface Change {
  readonly table: StoreTable
  readonly key: Uint8Array
  /** Undefined: the row is removed. */
  readonly value: Uint8Array | undefined
}

export interface LmdbCommitOptions {
  readonly environment: StoreEnvironment
  /** The store's thread, which is started when it is first asked for. */
  readonly writer: () => LmdbWriter
  readonly turns: Turns | undefined
}

export class LmdbCommit implements StoreWriter {
  readonly #options: LmdbCommitOptions
  /** What was put before there was more than a batch. */
  #changes: Change[] = []
  #writer: LmdbWriter | undefined

  constructor(options: LmdbCommitOptions) {
    this.#options = options
  }

  put(table: StoreTable, key: Uint8Array, value: Uint8Array): void {
    if (this.#writer === undefined) this.#changes.push({ table, key, value })
    else this.#writer.put(table, key, value)
  }

  remove(table: StoreTable, key: Uint8Array): void {
    if (this.#writer === undefined) this.#changes.push({ table, key, value: undefined })
    else this.#writer.remove(table, key)
  }

  /** @throws what a step throws, or lmdb: then nothing is committed. */
  async run(write: (writer: StoreWriter) => Steps | void): Promise<void> {
    const steps = (write(this) ?? [])[Symbol.iterator]()
    const { turns } = this.#options
    while (steps.next().done !== true && this.#changes.length < BATCH_ROWS_MAX) {
      if (turns?.isOver === true) await turns.next()
    }
    if (this.#changes.length < BATCH_ROWS_MAX) await this.#commitBatch()
    else await this.#commitByThread(steps, this.#options.writer())
  }

  async #commitBatch(): Promise<void> {
    const { root, tables } = this.#options.environment
    await root.batch(() => {
      for (const { table, key, value } of this.#changes) {
        // The promise of a write in a batch says nothing: that of the batch does.
        if (value === undefined) void tables[table].remove(key)
        else void tables[table].put(key, value)
      }
    })
  }

  async #commitByThread(steps: Iterator<void>, writer: LmdbWriter): Promise<void> {
    const { turns } = this.#options
    this.#writer = writer
    try {
      for (const { table, key, value } of this.#changes) {
        if (value === undefined) writer.remove(table, key)
        else writer.put(table, key, value)
      }
      this.#changes = []
      while (steps.next().done !== true) {
        if (!writer.hasRoom) await writer.room()
        if (turns?.isOver === true) await turns.next()
      }
    } catch (error) {
      await writer.abort()
      throw error
    }
    await writer.commit()
  }
}
