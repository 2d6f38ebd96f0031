/**
 * Brings all keys of a state to the versions of a job's operators, or only tries to. A job brings each key over
 * when it is next worked on, so this is for who wants to know before, or to have it behind.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ResolvedManifest } from '../../config/manifest.ts'
import type { Key } from '../../operators/operator.ts'
import type { StateSpec } from '../../operators/state.ts'
import { invariant, reasonOf, StateError } from '../errors.ts'
import { nodesOf, sharedName } from '../pipeline/graph.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import { LmdbStore } from '../state/lmdb-store.ts'
import { tasksIn } from '../state/read-state.ts'
import type { Store } from '../state/store.ts'
import { storedKeys } from '../state/stored-keys.ts'
import { ActorCache } from '../task/actor-cache.ts'
import { keyedOperators, type TableKind } from '../task/chain.ts'
import { type LaidTask, type Layout, linksOf, placeRowOf } from '../task/layout.ts'
import {
  type EpochRow,
  type JobRow,
  type OperatorRow,
  readEpochRow,
  readJobRow,
  writeEpochRow,
  writeJobRow,
} from '../task/meta.ts'
import { outboxName, shapeOf } from '../task/open-task.ts'
import { OTHER_STAGES, reconcile } from '../task/shape.ts'
import { systemClock } from '../time/clock.ts'
import { layoutOf, sinksOf, sourcesOf, tablesOf } from './job-layout.ts'
import { finishRescale } from './rescale-state.ts'
import { lockState, untilFree } from './state-lock.ts'
import { taskFolder } from './task-run.ts'

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
  if (!existsSync(join(taskFolder(stateDir, '0'), 'data.mdb'))) {
    throw new StateError(
      `${stateDir} holds no state of a job. Run the job first, or name another folder with --state.`,
    )
  }
  // Another process would write meanwhile; one that only looks is in nobody's way.
  const unlock = dryRun ? (): void => undefined : lockState(stateDir)
  const stores = new Map<string, Store>()
  try {
    if (!dryRun) await finishRescale(stateDir)
    for (const task of tasksIn(stateDir)) {
      const folder = taskFolder(stateDir, task)
      // A process of an earlier run may be left over for a moment.
      if (!dryRun) await untilFree(folder, systemClock)
      stores.set(task, new LmdbStore(folder, { readOnly: dryRun }))
    }
    return await migrateTasks(stores, options)
  } finally {
    for (const store of stores.values()) await store.close()
    unlock()
  }
}

/** All tasks try before one of them writes. One that is cut short is finished by the next. */
async function migrateTasks(
  stores: ReadonlyMap<string, Store>,
  options: MigrateOptions,
): Promise<readonly MigratedOperator[]> {
  const { manifest, definition, stateDir, dryRun } = options
  const stored = [...stores].map(([task, store]) => {
    const [job, last] = [readJobRow(store), readEpochRow(store)]
    if (job === undefined || last === undefined) {
      throw new StateError(`${stateDir} holds a state that was never committed. Run the job first.`)
    }
    return { task, store, job, last }
  })
  // Whatever it is to be run with next.
  const parallelism = stored[0]?.job.place?.parallelism ?? 1
  const layout = layoutOf(definition.graph, { ...manifest, parallelism })
  if (layout.tasks.length !== stored.length) {
    throw new StateError(
      `the state in ${stateDir} is of ${stored.length} tasks, and the job as it is now has ${layout.tasks.length} with parallelism ${parallelism}: its stages are others now. ${OTHER_STAGES}`,
    )
  }
  const tables = tablesOf(definition.graph, manifest)
  const migrations = stored.map((of) => {
    const laid = layout.tasks.find(({ task }) => task === of.task)
    invariant(laid !== undefined, `tasks are numbered, so task ${of.task} has a place`)
    return new Migration(of, { layout, laid, tables })
  })
  const tried: MigratedOperator[] = []
  for (const migration of migrations) tried.push(...(await migration.try()))
  const isPossible = tried.every(({ failures }) => failures.length === 0)
  if (!dryRun && isPossible) for (const migration of migrations) await migration.write()
  // What all keys share is the same in every task.
  const shared = new Set([...keyedOperators(definition.graph, tables).keys()].map(sharedName))
  return [...new Set(tried.map(({ operator }) => operator))].map((name) => {
    const parts = tried.filter(({ operator }) => operator === name)
    return together(shared.has(name) ? parts.slice(0, 1) : parts)
  })
}

/** What the tasks say of one operator. */
function together(parts: readonly MigratedOperator[]): MigratedOperator {
  const [first] = parts
  invariant(first !== undefined, 'an operator was tried by some task')
  return {
    ...first,
    from: [...new Set(parts.flatMap(({ from }) => from))].toSorted((a, b) => a - b),
    keys: parts.reduce((sum, { keys }) => sum + keys, 0),
    failures: parts.flatMap(({ failures }) => failures),
  }
}

interface StoredTask {
  readonly store: Store
  readonly job: JobRow
  readonly last: EpochRow
}

interface Part {
  readonly name: string
  readonly row: OperatorRow
  readonly state: StateSpec
}

/** The migration of one task's store. */
class Migration {
  readonly #store: Store
  readonly #job: JobRow
  readonly #parts: readonly Part[]
  #last: EpochRow

  constructor(
    { store, job, last }: StoredTask,
    {
      layout,
      laid,
      tables,
    }: {
      readonly layout: Layout
      readonly laid: LaidTask
      readonly tables: ReadonlyMap<string, TableKind>
    },
  ) {
    const { graph } = laid.stage
    const sinks = new Set(nodesOf(graph, 'sink').map(({ name }) => name))
    const own = new Map([...tables].filter(([name]) => sinks.has(name)))
    const shape = shapeOf(graph, {
      tables: own,
      sinks: sinksOf(graph, layout, tables),
      sources: sourcesOf(graph, layout),
      others: linksOf(layout)
        .filter(({ from }) => from === laid.task)
        .map(({ exchange, to }) => outboxName(exchange, to)),
    })
    const place = layout.tasks.length > 1 ? { place: placeRowOf(layout, laid) } : {}
    const { task, run, createdAt } = job
    this.#store = store
    this.#last = last
    this.#job = reconcile(job, shape, { task, run, createdAt, ...place }, last.epoch)
    this.#parts = [...keyedOperators(graph, own)].flatMap(([name, operator]) => {
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

  async try(): Promise<readonly MigratedOperator[]> {
    const tried: MigratedOperator[] = []
    for (const part of this.#parts) tried.push(await this.#walk(part, false))
    return tried
  }

  async write(): Promise<void> {
    for (const part of this.#parts) await this.#walk(part, true)
    await this.#commit(undefined, { ...this.#job, operators: allOfToday(this.#job) })
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
