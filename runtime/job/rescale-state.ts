/**
 * Moves the state of a job to another number of tasks. The old tasks run until nothing is on its way, with
 * their sources paused; then every row of state and every timer goes by its key group to the task that has
 * it now, and positions go to the tasks that read on.
 *
 * The new stores are built aside and made durable; from one rename on they are the state, and a move that is
 * cut short is finished by the next start. Before that rename the old stores are as they were.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Key } from '../../operators/operator.ts'
import { invariant, StateError } from '../errors.ts'
import { type Graph, sharedName } from '../pipeline/graph.ts'
import { readLineage, writeLineage } from '../snapshot/lineage.ts'
import { KEY_GROUPS, partitionOf } from '../state/key-codec.ts'
import { LmdbStore } from '../state/lmdb-store.ts'
import { decodeRow, encodeRow } from '../state/row-codec.ts'
import type { StoreRow, StoreTable } from '../state/store.ts'
import { syncPath } from '../state/sync-path.ts'
import { keyedOperators, operatorShapes, type TableKind } from '../task/chain.ts'
import { type LaidTask, type Layout, placeRowOf } from '../task/layout.ts'
import {
  type EpochRow,
  type JobRow,
  type OperatorRow,
  readEpochRow,
  readJobRow,
  writeEpochRow,
  writeJobRow,
} from '../task/meta.ts'
import { nodesOf } from '../pipeline/graph.ts'
import { sinksOf, sourcesOf } from './job-layout.ts'
import { taskFolder } from './task-run.ts'

/** Where new stores are built, and where they are once they are the state. */
const BUILT_IN = 'rescaling'
const BUILT = 'rescaled'
const ROWS_A_COMMIT = 10_000

export interface RescaleOptions {
  readonly stateDir: string
  readonly from: Layout
  readonly to: Layout
  readonly tables: ReadonlyMap<string, TableKind>
}

interface OldTask {
  readonly store: LmdbStore
  readonly job: JobRow
  readonly last: EpochRow
}

interface NewTask {
  readonly laid: LaidTask
  readonly store: LmdbStore
  /** Names of the operators whose state it keeps. */
  readonly operators: ReadonlySet<string>
}

/** Nothing of the old tasks may be on its way. @throws StateError when rows cannot be moved; nothing was changed then. */
export async function rescaleState(options: RescaleOptions): Promise<void> {
  const { stateDir, from } = options
  rmSync(join(stateDir, BUILT_IN), { recursive: true, force: true })
  const old = from.tasks.map(({ task }) => openOld(taskFolder(stateDir, task)))
  try {
    for (const { job } of old) refuseEarlierShapes(job)
    await new Rescaling(old, options).run()
  } finally {
    for (const { store } of old) await store.close()
  }
  await syncPath(join(stateDir, BUILT_IN))
  renameSync(join(stateDir, BUILT_IN), join(stateDir, BUILT))
  await syncPath(stateDir)
  await finishRescale(stateDir)
}

/** Puts new stores into their places, if some were built: a start that was cut short is finished. */
export async function finishRescale(stateDir: string): Promise<void> {
  const built = join(stateDir, BUILT)
  if (!existsSync(built)) return
  // Those that were moved already left their marks.
  const names = readdirSync(built).filter((name) => /^(task|moved)-\d+$/.test(name))
  const isNew = (name: string): boolean => names.includes(name.replace('task-', 'moved-'))
  for (const name of readdirSync(stateDir).filter((at) => /^task-\d+$/.test(at))) {
    if (!isNew(name)) rmSync(join(stateDir, name), { recursive: true, force: true })
  }
  for (const name of names.filter((at) => at.startsWith('task-'))) {
    mkdirSync(join(built, name.replace('task-', 'moved-')), { recursive: true })
    await syncPath(built)
    rmSync(join(stateDir, name), { recursive: true, force: true })
    renameSync(join(built, name), join(stateDir, name))
    await syncPath(stateDir)
  }
  // At once: with some of its marks gone, new stores would be taken for old ones.
  renameSync(built, join(stateDir, BUILT_IN))
  await syncPath(stateDir)
  rmSync(join(stateDir, BUILT_IN), { recursive: true, force: true })
}

function openOld(folder: string): OldTask {
  const store = new LmdbStore(folder)
  const [job, last] = [readJobRow(store), readEpochRow(store)]
  invariant(job !== undefined && last !== undefined, `${folder} was opened before it is moved`)
  return { store, job, last }
}

/** Until which epoch rows have an earlier shape is told by epochs of their own task. */
function refuseEarlierShapes({ operators }: JobRow): void {
  const earlier = Object.entries(operators).filter(([, row]) => row.earlier !== undefined)
  if (earlier.length === 0) return
  throw new StateError(
    `the state has keys of earlier versions of ${earlier.map(([name]) => `'${name}'`).join(', ')}, and cannot be moved to another parallelism. Nothing was changed. Run 'millrace migrate', which brings all keys to today's version.`,
  )
}

class Rescaling {
  readonly #old: readonly OldTask[]
  readonly #options: RescaleOptions
  readonly #new: readonly NewTask[]
  /** Of each operator by name, in all new stores. */
  readonly #operators = new Map<string, OperatorRow>()
  /** Later than anything of the old tasks. */
  readonly #epoch: number
  readonly #parts = new Map<string, number>()

  constructor(old: readonly OldTask[], options: RescaleOptions) {
    const { stateDir, to, tables } = options
    this.#old = old
    this.#options = options
    this.#epoch = old.reduce((sum, { last }) => sum + last.epoch, 0)
    for (const { job } of old) {
      for (const [name, row] of Object.entries(job.operators)) {
        if (!this.#operators.has(name))
          this.#operators.set(name, { ...row, number: this.#operators.size })
      }
    }
    this.#new = to.tasks.map((laid) => ({
      laid,
      store: new LmdbStore(join(stateDir, BUILT_IN, `task-${laid.task}`)),
      operators: operatorsOf(laid.stage.graph, tables),
    }))
  }

  async run(): Promise<void> {
    try {
      for (const task of this.#old) {
        await this.#move(task, 'state', (row) => this.#stateRow(task, row))
        await this.#move(task, 'timers', (row) => this.#timerRows(task, row))
      }
      for (const task of this.#new) await this.#finish(task)
    } finally {
      for (const { store } of this.#new) await store.close()
    }
    for (const { laid } of this.#new) {
      const folder = join(this.#options.stateDir, BUILT_IN, `task-${laid.task}`)
      await syncPath(join(folder, 'data.mdb'))
      await syncPath(folder)
    }
  }

  async #move(
    { store }: OldTask,
    table: StoreTable,
    rowsOf: (row: StoreRow) => readonly MovedRow[],
  ): Promise<void> {
    let start: Uint8Array = Buffer.alloc(0)
    const end = Buffer.alloc(64, 0xff)
    for (;;) {
      const rows = store.range(table, { start, end, limit: ROWS_A_COMMIT })
      const moved = rows.flatMap(rowsOf)
      for (const task of this.#new) {
        const own = moved.filter(({ to }) => to === task)
        if (own.length === 0) continue
        await task.store.commit((writer) => {
          for (const { key, value } of own) writer.put(table, key, value)
        })
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < ROWS_A_COMMIT) return
      start = Buffer.concat([last.key, Buffer.from([0])])
    }
  }

  /** The operator of a row by its number in the old store; undefined for rows that are being dropped. */
  #nameOf({ job }: OldTask, number: number): string | undefined {
    return Object.keys(job.operators).find((name) => job.operators[name]?.number === number)
  }

  #stateRow(task: OldTask, { key, value }: StoreRow): MovedRow[] {
    const moved = Buffer.from(key)
    const name = this.#nameOf(task, moved.readUInt16BE(1))
    if (name === undefined) return []
    moved.writeUInt16BE(this.#numberOf(name), 1)
    const readers = this.#new.filter(({ operators }) => operators.has(name))
    // What all keys share is the same in every task.
    if (this.#isShared(name)) {
      const isFirst = this.#old.find(({ job }) => Object.hasOwn(job.operators, name)) === task
      return isFirst ? readers.map((to) => ({ to, key: moved, value })) : []
    }
    const group = moved[0] as number
    const to = readers.find(
      ({ laid: { partition, stage } }) =>
        Math.floor((group * stage.tasks) / KEY_GROUPS) === partition,
    )
    invariant(to !== undefined, `key group ${group} of '${name}' has a task`)
    return [{ to, key: moved, value }]
  }

  #isShared(name: string): boolean {
    return [...this.#operators.keys()].some((operator) => sharedName(operator) === name)
  }

  #timerRows(task: OldTask, row: StoreRow): MovedRow[] {
    const key = Buffer.from(row.key)
    const name = this.#nameOf(task, key.readUInt16BE(0))
    if (name === undefined) return []
    const { value, epoch } = decodeRow(row.value, `a timer row of '${name}'`)
    const readers = this.#new.filter(({ operators }) => operators.has(name))
    return readers.flatMap((to) => {
      const { partition, stage } = to.laid
      const own = (value as [time: number, keys: Key[]][])
        .map(([time, keys]) => [
          time,
          keys.filter((of) => partitionOf(of, stage.tasks) === partition),
        ])
        .filter(([, keys]) => (keys as Key[]).length > 0)
      if (own.length === 0) return []
      return [{ to, key: this.#timerKey(to, key, name), value: encodeRow(own, epoch) }]
    })
  }

  /** Rows of several tasks come together under one second and epoch: each gets a part of its own. */
  #timerKey({ laid }: NewTask, key: Buffer, name: string): Uint8Array {
    const moved = Buffer.from(key)
    moved.writeUInt16BE(this.#numberOf(name), 0)
    const place = `${laid.task} ${moved.toString('latin1', 0, moved.length - 2)}`
    const part = this.#parts.get(place) ?? 0
    this.#parts.set(place, part + 1)
    moved.writeUInt16BE(part, moved.length - 2)
    return moved
  }

  #numberOf(name: string): number {
    const row = this.#operators.get(name)
    invariant(row !== undefined, `operator '${name}' is in the state`)
    return row.number
  }

  /** What a task knows about itself, in the new store. */
  async #finish({ laid, store, operators }: NewTask): Promise<void> {
    const { to, tables } = this.#options
    const [first] = this.#old
    invariant(first !== undefined, 'a state has a task')
    const { job, run, createdAt } = first.job
    const sources = sourcesOf(laid.stage.graph, to)
    const sinks = sinksOf(laid.stage.graph, to, tables)
    const row: JobRow = {
      job,
      task: laid.task,
      run,
      createdAt,
      operators: Object.fromEntries([...this.#operators].filter(([name]) => operators.has(name))),
      destinations: Object.fromEntries(sinks.map((name, number) => [name, number])),
      sources,
      ...(to.tasks.length > 1 && { place: placeRowOf(to, laid) }),
    }
    await store.commit((writer) => {
      writeJobRow(writer, row, this.#epoch)
      writeEpochRow(writer, this.#epochRow(laid, sources, sinks))
      writeLineage(writer, readLineage(first.store), this.#epoch)
    })
    await store.flushed()
  }

  #epochRow(laid: LaidTask, sources: readonly string[], sinks: readonly string[]): EpochRow {
    const rows = this.#old.map(({ last }) => last)
    const times = new Map<string, number>()
    for (const [name, time] of rows.flatMap((row) => Object.entries(row.times ?? {}))) {
      times.set(name, Math.min(time, times.get(name) ?? Number.POSITIVE_INFINITY))
    }
    const inputs = rows.flatMap((row) => Object.entries(row.inputs))
    const taken = rows.flatMap((row) => Object.entries(row.sinks))
    const sum = (count: keyof EpochRow['counters']): number =>
      // Of all tasks together; one of the new ones goes on counting from there.
      laid.task === '0' ? rows.reduce((total, { counters }) => total + counters[count], 0) : 0
    return {
      epoch: this.#epoch,
      openings: Math.max(...rows.map(({ openings }) => openings)),
      inputs: Object.fromEntries(inputs.filter(([id]) => isInputOf(id, sources, laid))),
      sinks: Object.fromEntries(taken.filter(([name]) => sinks.includes(name))),
      times: Object.fromEntries(times),
      clock: Math.max(...rows.map(({ clock }) => clock)),
      finished: rows.every(({ finished }) => finished),
      ...(rows.some(({ live }) => live) && { live: true as const }),
      counters: {
        records: sum('records'),
        late: sum('late'),
        deadLettered: sum('deadLettered'),
        windows: sum('windows'),
      },
    }
  }
}

interface MovedRow extends StoreRow {
  readonly to: NewTask
}

function operatorsOf(graph: Graph, tables: ReadonlyMap<string, TableKind>): Set<string> {
  const sinks = new Set(nodesOf(graph, 'sink').map(({ name }) => name))
  const own = new Map([...tables].filter(([name]) => sinks.has(name)))
  return new Set(Object.keys(operatorShapes(graph, keyedOperators(graph, own))))
}

/** Input i of a source belongs to task i modulo the tasks of its stage. */
function isInputOf(
  id: string,
  sources: readonly string[],
  { stage, partition }: LaidTask,
): boolean {
  const slash = id.lastIndexOf('/')
  if (!sources.includes(id.slice(0, slash))) return false
  return Number(id.slice(slash + 1)) % stage.tasks === partition
}
