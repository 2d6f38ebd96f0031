/**
 * Reads the state of a job beside the process that writes it, or when none does. What it answers is
 * durable: the data file is synced before anything that was read from it is told.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Key } from '../../operators/operator.ts'
import { invariant, StateError } from '../errors.ts'
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
  return new JobStateReader((await openAllCommitted(stateDir)).map((task) => new TaskReader(task)))
}

/**
 * The stores of all tasks of a job, to be read only and closed by who asked.
 * @throws StateError when the folder holds no state.
 */
export async function openAllCommitted(stateDir: string): Promise<CommittedState[]> {
  const [first = '0', ...others] = tasksIn(stateDir)
  const opened = [await openCommitted(stateDir, first)]
  try {
    for (const task of others) opened.push(await openCommitted(stateDir, task))
  } catch (error) {
    for (const { store } of opened) await store.close()
    throw error
  }
  return opened
}

/** The names of the tasks whose stores a state folder has, in their order. */
export function tasksIn(stateDir: string): string[] {
  if (!existsSync(stateDir)) return []
  return readdirSync(stateDir)
    .filter((name) => /^task-\d+$/.test(name))
    .map((name) => name.slice('task-'.length))
    .toSorted((a, b) => Number(a) - Number(b))
}

async function openCommitted(stateDir: string, task: string): Promise<CommittedState> {
  const folder = join(stateDir, `task-${task}`)
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

/** All tasks of a job together: a key of an operator is in one of them. */
class JobStateReader implements StateReader {
  readonly #tasks: readonly TaskReader[]

  constructor(tasks: readonly TaskReader[]) {
    this.#tasks = tasks
  }

  get epoch(): number {
    return Math.max(...this.#tasks.map(({ last }) => last.epoch))
  }

  get job(): string {
    return this.#tasks[0]?.row.job ?? ''
  }

  get bounds(): readonly SourceBounds[] {
    const inputs = this.#tasks.flatMap(({ row, last }) =>
      Object.entries(last.inputs).map(([id, input]) => ({
        // An input's id is its source's name and the number of the partition.
        source: id.slice(0, id.lastIndexOf('/')),
        sources: row.sources,
        lateness: { records: input.records, row: input.lateness },
      })),
    )
    return boundsOf(inputs.filter(({ source, sources }) => sources.includes(source)))
  }

  operators(): readonly string[] {
    return [...new Set(this.#tasks.flatMap(({ row }) => Object.keys(row.operators)))]
  }

  async get(operator: string, key: Key): Promise<StateEntry | undefined> {
    for (const task of this.#with(operator)) {
      const entry = await task.get(operator, key)
      if (entry !== undefined) return entry
    }
    return undefined
  }

  async *scan(operator: string, { limit }: { readonly limit: number }): AsyncIterable<StateEntry> {
    let left = limit
    for (const task of this.#with(operator)) {
      for await (const entry of task.scan(operator)) {
        if (left-- <= 0) return
        yield entry
      }
    }
  }

  #with(operator: string): readonly TaskReader[] {
    const tasks = this.#tasks.filter(({ row }) => Object.hasOwn(row.operators, operator))
    if (tasks.length > 0) return tasks
    throw new StateError(
      `the state of '${this.job}' has no operator or table '${operator}'; it has ${this.operators().join(', ') || 'none'}`,
    )
  }

  async close(): Promise<void> {
    for (const task of this.#tasks) await task.close()
  }
}

class TaskReader {
  readonly row: JobRow
  readonly last: EpochRow
  readonly #store: Store
  readonly #sync: () => Promise<void>

  constructor({ store, job, last, sync }: CommittedState) {
    this.#store = store
    this.row = job
    this.last = last
    this.#sync = sync
  }

  async get(operator: string, key: Key): Promise<StateEntry | undefined> {
    const entry = this.#entry(operator, key)
    await this.#sync()
    return entry
  }

  async *scan(operator: string): AsyncIterable<StateEntry> {
    for (const key of storedKeys(this.#store, this.#operator(operator))) {
      const entry = this.#entry(operator, key)
      if (entry === undefined) continue
      await this.#sync()
      yield entry
    }
  }

  #operator(name: string): JobRow['operators'][string] {
    const row = this.row.operators[name]
    invariant(row !== undefined, `only tasks that have '${name}' are asked for it`)
    return row
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
