/**
 * Reads the state of a job beside the process that writes it, or when none does. What it answers is
 * durable: the data file is synced before anything that was read from it is told.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Key } from '../../operators/operator.ts'
import { StateError } from '../errors.ts'
import { type EpochRow, readEpochRow, readJobRow, type JobRow } from '../task/meta.ts'
import { boundsOf, type SourceBounds } from '../time/bounds.ts'
import { LmdbStore } from './lmdb-store.ts'
import { readState } from './state-entry.ts'
import type { Store } from './store.ts'
import { storedKeys } from './stored-keys.ts'
import { syncPath } from './sync-path.ts'

export interface StateEntry {
  readonly key: Key
  /** The cells by name: a value, or the entries of a collection. */
  readonly cells: Readonly<Record<string, unknown>>
  /** The epoch that last changed the key. */
  readonly epoch: number
}

export interface StateReader {
  /** The newest epoch of what is read; durable. */
  readonly epoch: number
  /** The job whose state it is. */
  readonly job: string
  /** By source: which bounds would have kept its records in time. */
  readonly bounds: readonly SourceBounds[]
  operators(): readonly string[]
  /** @throws StateError when there is no such operator. */
  get(operator: string, key: Key): Promise<StateEntry | undefined>
  /** Keys in the order of the store: by key group. */
  scan(operator: string, options: { readonly limit: number }): AsyncIterable<StateEntry>
  close(): Promise<void>
}

/** A store that is read, and what it says of itself. */
export interface CommittedState {
  readonly store: Store
  readonly job: JobRow
  readonly last: EpochRow
  /** Makes durable what was read since; before it is told. */
  readonly sync: () => Promise<void>
}

/** @param stateDir the job's state folder. @throws StateError when it holds no state. */
export async function openStateReader(stateDir: string): Promise<StateReader> {
  const { store, job, last, sync } = await openCommitted(stateDir)
  return new LmdbStateReader(store, job, last, sync)
}

/**
 * The store of a job, to be read only and closed by who asked.
 * @throws StateError when the folder holds no state.
 */
export async function openCommitted(stateDir: string): Promise<CommittedState> {
  const folder = join(stateDir, 'task-0')
  const file = join(folder, 'data.mdb')
  if (!existsSync(file)) {
    throw new StateError(
      `${stateDir} holds no state of a job. Run the job first, or name another folder with --state.`,
    )
  }
  const store = new LmdbStore(folder, { readOnly: true })
  const job = readJobRow(store)
  const last = readEpochRow(store)
  if (job === undefined || last === undefined) {
    await store.close()
    throw new StateError(`${stateDir} holds a state that was never committed. Run the job first.`)
  }
  // Committed is not durable (a commit may be on its way to the disk): this makes it so.
  const sync = (): Promise<void> => syncPath(file)
  await sync()
  return { store, job, last, sync }
}

class LmdbStateReader implements StateReader {
  readonly epoch: number
  readonly job: string
  readonly bounds: readonly SourceBounds[]
  readonly #store: Store
  readonly #row: JobRow
  readonly #sync: () => Promise<void>

  constructor(store: Store, row: JobRow, last: EpochRow, sync: () => Promise<void>) {
    this.#store = store
    this.#row = row
    this.job = row.job
    this.epoch = last.epoch
    this.bounds = boundsOf(
      Object.entries(last.inputs).map(([id, { records, lateness }]) => ({
        // An input's id is its source's name and the number of the partition.
        source: id.slice(0, id.lastIndexOf('/')),
        lateness: { records, row: lateness },
      })),
    )
    this.#sync = sync
  }

  operators(): readonly string[] {
    return Object.keys(this.#row.operators)
  }

  async get(operator: string, key: Key): Promise<StateEntry | undefined> {
    const entry = this.#entry(operator, key)
    await this.#sync()
    return entry
  }

  async *scan(operator: string, { limit }: { readonly limit: number }): AsyncIterable<StateEntry> {
    let left = limit
    for (const key of storedKeys(this.#store, this.#operator(operator))) {
      if (left === 0) return
      const entry = this.#entry(operator, key)
      if (entry === undefined) continue
      left -= 1
      await this.#sync()
      yield entry
    }
  }

  #operator(name: string): JobRow['operators'][string] {
    const row = this.#row.operators[name]
    if (row !== undefined) return row
    throw new StateError(
      `the state of '${this.job}' has no operator or table '${name}'; it has ${this.operators().join(', ') || 'none'}`,
    )
  }

  #entry(operator: string, key: Key): StateEntry | undefined {
    const state = readState(this.#store, operator, this.#operator(operator), key)
    if (state === undefined) return undefined
    const cells = Object.fromEntries(state.cells.map(({ name, content }) => [name, content]))
    return { key, cells, epoch: state.epoch }
  }

  async close(): Promise<void> {
    await this.#store.close()
  }
}
