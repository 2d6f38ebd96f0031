/**
 * Brings all keys of a state to the versions of a job's operators, or only tries to. A job brings each key over
 * when it is next worked on, so this is for who wants to know before, or to have it behind.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ResolvedManifest } from '../../config/manifest.ts'
import type { Key } from '../../operators/operator.ts'
import type { StateSpec } from '../../operators/state.ts'
import { reasonOf, StateError } from '../errors.ts'
import { nodesOf, sharedName } from '../pipeline/graph.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import { taskFolderName } from '../snapshot/restore-snapshot.ts'
import { LmdbStore } from '../state/lmdb-store.ts'
import { tasksIn } from '../state/read-state.ts'
import type { Store } from '../state/store.ts'
import { storedKeys } from '../state/stored-keys.ts'
import { ActorCache } from '../task/actor-cache.ts'
import { keyedOperators, type TableKind } from '../task/chain.ts'
import {
  type EpochRow,
  type JobRow,
  type OperatorRow,
  readEpochRow,
  readJobRow,
  writeEpochRow,
  writeJobRow,
} from '../task/meta.ts'
import { shapeOf } from '../task/open-task.ts'
import { reconcile } from '../task/shape.ts'
import { lockState } from './state-lock.ts'

export interface MigrateOptions {
  readonly manifest: ResolvedManifest
  readonly definition: JobDefinition
  readonly stateDir: string
  /** Changes nothing. */
  readonly dryRun: boolean
}

export interface MigratedOperator {
  readonly operator: string
  /** The versions that its keys may have had. */
  readonly from: readonly number[]
  readonly to: number
  /** Keys that were brought over, or would be. */
  readonly keys: number
  readonly failures: readonly { readonly key: Key; readonly reason: string }[]
}

/** Keys in memory, and in a commit. */
const KEYS_A_COMMIT = 1_000

/**
 * @returns each operator of which the state has earlier versions; what cannot be brought over is in its failures,
 *   and then nothing was changed.
 * @throws StateError when the state is in use, of another job, or of a shape to which no upcasters lead.
 */
export async function migrateState(options: MigrateOptions): Promise<readonly MigratedOperator[]> {
  const { stateDir, dryRun } = options
  const folder = join(stateDir, taskFolderName('0'))
  if (!existsSync(join(folder, 'data.mdb'))) {
    throw new StateError(
      `${stateDir} holds no state of a job. Run the job first, or name another folder with --state.`,
    )
  }
  if (tasksIn(stateDir).length > 1) {
    throw new StateError(
      `${stateDir} is the state of several tasks; bring it together first: run the job once with --set parallelism=1. Nothing was changed.`,
    )
  }
  // Another process would write meanwhile; one that only looks is in nobody's way.
  const unlock = dryRun ? (): void => undefined : lockState(stateDir)
  try {
    const store = new LmdbStore(folder, { readOnly: dryRun })
    try {
      return await new Migration(store, options).run()
    } finally {
      await store.close()
    }
  } finally {
    unlock()
  }
}

interface Part {
  readonly name: string
  readonly row: OperatorRow
  readonly state: StateSpec
}

class Migration {
  readonly #store: Store
  readonly #dryRun: boolean
  readonly #job: JobRow
  readonly #parts: readonly Part[]
  #last: EpochRow

  constructor(store: Store, { manifest, definition, dryRun, stateDir }: MigrateOptions) {
    const { graph } = definition
    const [stored, last] = [readJobRow(store), readEpochRow(store)]
    if (stored === undefined || last === undefined) {
      throw new StateError(`${stateDir} holds a state that was never committed. Run the job first.`)
    }
    const tables = new Map<string, TableKind>()
    const sinks: string[] = []
    for (const { name } of nodesOf(graph, 'sink')) {
      const section = manifest.sinks.get(name)
      if (section?.kind === 'table') tables.set(name, section.per)
      else sinks.push(name)
    }
    const sources = nodesOf(graph, 'source').map(({ name }) => name)
    this.#store = store
    this.#dryRun = dryRun
    this.#last = last
    this.#job = reconcile(stored, shapeOf(graph, { tables, sinks, sources }), stored, last.epoch)
    this.#parts = [...keyedOperators(graph, tables)].flatMap(([name, operator]) => {
      if ('kind' in operator) return []
      const { state, shared } = operator
      return [
        this.#part(name, state),
        ...(shared === undefined ? [] : [this.#part(sharedName(name), shared.state)]),
      ].filter((part) => part !== undefined)
    })
  }

  /** Undefined when all its rows are of its version. */
  #part(name: string, state: StateSpec): Part | undefined {
    const row = this.#job.operators[name]
    return row?.earlier === undefined ? undefined : { name, row, state }
  }

  async run(): Promise<readonly MigratedOperator[]> {
    const tried: MigratedOperator[] = []
    for (const part of this.#parts) tried.push(await this.#walk(part, false))
    if (this.#dryRun || tried.some(({ failures }) => failures.length > 0)) return tried
    for (const part of this.#parts) await this.#walk(part, true)
    await this.#commit(undefined, { ...this.#job, operators: allOfToday(this.#job) })
    return tried
  }

  async #walk(part: Part, writes: boolean): Promise<MigratedOperator> {
    const { name, row, state } = part
    const failures: { readonly key: Key; readonly reason: string }[] = []
    let keys = 0
    let cache = this.#cacheOf(part)
    for (const key of storedKeys(this.#store, row)) {
      try {
        cache.activate(key)
      } catch (error) {
        failures.push({ key, reason: reasonOf(error) })
      }
      if (cache.size < KEYS_A_COMMIT) continue
      keys += cache.dirtyCount
      if (writes) await this.#commit(cache, this.#job)
      cache = this.#cacheOf(part)
    }
    keys += cache.dirtyCount
    if (writes) await this.#commit(cache, this.#job)
    const from = [...new Set(row.earlier?.map(({ version }) => version))]
    return { operator: name, from, to: state.version, keys, failures }
  }

  #cacheOf({ name, row, state }: Part): ActorCache {
    return new ActorCache({
      store: this.#store,
      name,
      operator: row.number,
      state,
      earlier: row.earlier ?? [],
      limits: { entriesMax: KEYS_A_COMMIT, bytesMax: Number.POSITIVE_INFINITY },
      mayHaveStored: true,
    })
  }

  /** An epoch like any other (I2): rows in the shape of today, and the row that says until when others were written. */
  async #commit(cache: ActorCache | undefined, job: JobRow): Promise<void> {
    const epoch = this.#last.epoch + 1
    this.#last = { ...this.#last, epoch }
    const last = this.#last
    await this.#store.commit(function* (writer) {
      if (cache !== undefined) yield* cache.write(writer, epoch)
      writeJobRow(writer, job, epoch)
      writeEpochRow(writer, last)
    })
    await this.#store.flushed()
  }
}

/** The operators of a state in which no row of an earlier version is left. */
const allOfToday = ({ operators }: JobRow): JobRow['operators'] =>
  Object.fromEntries(
    Object.entries(operators).map(([name, { number, version, cells, layout }]) => [
      name,
      { number, version, cells, ...(layout !== undefined && { layout }) },
    ]),
  )
