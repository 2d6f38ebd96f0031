/** The composition root: the one place that picks real implementations for a job and runs it. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { commitLimits, type ResolvedManifest } from '../../config/manifest.ts'
import { ConfigError, reasonOf, UnavailableError } from '../errors.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import { nodesOf } from '../pipeline/graph.ts'
import { LmdbStore } from '../state/lmdb-store.ts'
import { FileInput } from '../source/file-source.ts'
import { SortedFileInput } from '../source/sorted-file-source.ts'
import type { SourceInput } from '../source/source.ts'
import type { Sink } from '../sink/sink.ts'
import { CommitTimes } from '../metrics/commit-times.ts'
import { type JobReport, knownTime, NO_TASK, reportOfTask } from '../metrics/job-report.ts'
import type { MetricsServer } from '../metrics/metrics-server.ts'
import { boundsOf, type SourceBounds } from '../time/bounds.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import type { TableKind } from '../task/chain.ts'
import { Lifecycle, type LifeState } from '../task/lifecycle.ts'
import { NO_COUNTERS } from '../task/meta.ts'
import { DEAD_LETTER, openTask, shapeOf, type TaskSource } from '../task/open-task.ts'
import type { Task } from '../task/task.ts'
import type { Moment } from '../task/task-parts.ts'
import { Connections } from './connections.ts'
import { ControlSocket } from './control-socket.ts'
import { JobSnapshots, snapshotStoreOf } from './job-snapshots.ts'
import { eventTimeOf, makeSource } from './make-source.ts'
import { makeSink, placeOfSink } from './make-sink.ts'
import { type RestoreChoice, restoreState } from './restore-state.ts'
import { deadLetterPath } from './restored-sinks.ts'
import type { RunContext } from './run-context.ts'
import { lockState } from './state-lock.ts'

export interface RunOptions {
  readonly manifest: ResolvedManifest
  readonly definition: JobDefinition
  /** Folder of the job's state. */
  readonly stateDir: string
  readonly mode: 'live' | 'batch'
  /** Lets a fresh state empty output files that are not empty. */
  readonly overwrite: boolean
  /** Which snapshot a folder without a state starts from. */
  readonly restore?: RestoreChoice
  /** Operators, sources and sinks of which the state has a part that is no longer wanted. */
  readonly dropState?: readonly string[]
  readonly log: RunContext['log']
  readonly clock?: Clock
  /** Told at each moment of the commit protocol; tests end the process at one. */
  readonly onMoment?: (moment: Moment) => void
}

export interface JobProgress {
  /** Counts since the state was created. */
  readonly records: number
  /** Of them, those that this run has read. */
  readonly recordsRead: number
  readonly results: number
  readonly late: number
  readonly deadLettered: number
  readonly windows: number
  /** The newest durable epoch. */
  readonly epoch: number
  readonly watermark: number
  readonly bytesRead: number
  /** Undefined when it is not known. */
  readonly bytesTotal: number | undefined
  readonly state: LifeState
  readonly restarts: number
}

export interface JobSummary extends JobProgress {
  readonly elapsedMs: number
  readonly outputs: readonly {
    readonly sink: string
    readonly where: string
    readonly records: number
  }[]
  readonly deadLetterWhere: string | undefined
  readonly stateDir: string
  /** A bounded input's end was reached. */
  readonly finished: boolean
  /** … by an earlier run: this one had nothing to do. */
  readonly alreadyFinished: boolean
  /** By source: which bounds would have kept its records in time. */
  readonly bounds: readonly SourceBounds[]
}

export interface RunningJob {
  /** Resolves when the job has ended; rejects with what ended it. */
  readonly done: Promise<JobSummary>
  progress(): JobProgress
  /** Finishes the epoch, then stops. */
  stop(): void
  /** Stops at once: nothing more is committed by the caller's process, which is about to end. */
  kill(): void
}

/** The folder of a task's store inside the state folder. */
export const taskFolder = (stateDir: string): string => join(stateDir, 'task-0')

export function startJob(options: RunOptions): RunningJob {
  const run = new JobRun(options)
  return {
    done: run.run(),
    progress: () => run.progress(),
    stop: () => run.stop(),
    // The process ends; what was committed is found again, what was not is read again.
    kill: () => undefined,
  }
}

class JobRun {
  readonly #options: RunOptions
  readonly #context: RunContext
  readonly #stop = new AbortController()
  readonly #lifecycle: Lifecycle
  readonly #snapshots: JobSnapshots
  readonly #commits = new CommitTimes()
  /** What is still to be dropped from the state: by the first opening, for the next finds nothing left. */
  #toDrop: readonly string[] | undefined
  #connections: Connections | undefined
  #inputs: readonly SourceInput[] = []
  /** Records of earlier runs on this state; undefined until the task is open for the first time. */
  #recordsBefore: number | undefined

  constructor(options: RunOptions) {
    const { mode, overwrite, log, clock = systemClock, manifest, stateDir } = options
    this.#options = options
    this.#toDrop = options.dropState
    this.#context = { mode, overwrite, log, clock, stop: this.#stop.signal }
    this.#lifecycle = new Lifecycle({
      open: () => this.#openTask(),
      restart: manifest.restart,
      clock,
      onRestart: (error, delayMs, attempt) =>
        log.warn(
          { attempt, delayMs },
          `the job failed and starts again from its last durable epoch: ${reasonOf(error)}`,
        ),
    })
    this.#snapshots = new JobSnapshots({
      manifest,
      job: this.#job,
      stateDir,
      context: this.#context,
      cut: async () => [{ task: '0', ...(await this.#running().cut()) }],
      isRunning: () => this.#lifecycle.state === 'running',
    })
  }

  async run(): Promise<JobSummary> {
    const { stateDir } = this.#options
    const { clock } = this.#context
    const startedAt = clock.monotonic()
    const unlock = lockState(stateDir)
    let control: ControlSocket | undefined
    let metrics: MetricsServer | undefined
    try {
      // First what can be refused at once: an address that is taken.
      metrics = await this.#openMetrics()
      await this.#restore()
      control = await this.#openControl()
      this.#snapshots.start()
      const end = await this.#lifecycle.run()
      return {
        ...this.progress(),
        elapsedMs: clock.monotonic() - startedAt,
        outputs: this.#outputs(),
        deadLetterWhere: this.#deadLetterWhere(),
        stateDir,
        finished: end === 'finished',
        alreadyFinished: this.#lifecycle.task?.wasFinished ?? false,
        bounds: boundsOf(this.#lifecycle.task?.ingests ?? []),
      }
    } finally {
      await this.#snapshots.stop()
      await control?.close()
      await metrics?.close()
      await this.#connections?.close()
      unlock()
    }
  }

  stop(): void {
    this.#stop.abort()
    this.#lifecycle.stop()
  }

  /** The name the job goes by. */
  get #job(): string {
    const { manifest, definition } = this.#options
    return manifest.name ?? definition.name
  }

  /** @throws UnavailableError while it is opened, backs off or ends. */
  #running(): Task {
    const { task, state } = this.#lifecycle
    if (task !== undefined && state === 'running') return task
    throw new UnavailableError(`the job is not running now but ${state}; try again`)
  }

  async #restore(): Promise<void> {
    const { manifest, definition, stateDir, restore = {} } = this.#options
    const { graph } = definition
    const sinks = nodesOf(graph, 'sink').map(({ name }) => ({
      name,
      section: manifest.sinks.get(name),
    }))
    const tables = new Map<string, TableKind>()
    for (const { name, section } of sinks) {
      if (section?.kind === 'table') tables.set(name, section.per)
    }
    await restoreState({
      choice: restore,
      manifest,
      job: this.#job,
      shape: shapeOf(graph, {
        tables,
        sinks: sinks.map(({ name }) => name).filter((name) => !tables.has(name)),
        sources: nodesOf(graph, 'source').map(({ name }) => name),
        ...(this.#toDrop !== undefined && { dropped: this.#toDrop }),
      }),
      store: snapshotStoreOf(manifest),
      stateDir,
      context: this.#context,
    })
  }

  /** A job that cannot be asked runs all the same. */
  async #openControl(): Promise<ControlSocket | undefined> {
    const { stateDir } = this.#options
    try {
      return await ControlSocket.open(stateDir, {
        status: () => this.#report(),
        stop: () => this.stop(),
        snapshot: () => this.#snapshots.take(),
      })
    } catch (error) {
      this.#context.log.warn({}, `the job cannot be asked while it runs: ${reasonOf(error)}`)
      return undefined
    }
  }

  /** Code that only a watched job needs is loaded only for it: every start waits for what is loaded. */
  async #openMetrics(): Promise<MetricsServer | undefined> {
    const { metrics } = this.#options.manifest
    if (metrics === undefined) return undefined
    const [{ MetricsServer: Server }, { prometheusPage }] = await Promise.all([
      import('../metrics/metrics-server.ts'),
      import('../metrics/prometheus.ts'),
    ])
    const { clock, log } = this.#context
    const page = await prometheusPage(
      () => this.#report(),
      () => clock.now(),
    )
    const state = (): LifeState => this.#lifecycle.state
    const server = await Server.open({ ...metrics, page, state })
    this.#commits.observer = page.observe
    log.info({ port: server.port }, `metrics on http://${metrics.host}:${server.port}/metrics`)
    return server
  }

  #report(): JobReport {
    const { records, results, late, deadLettered, windows, epoch, watermark, state, restarts } =
      this.progress()
    const task = this.#lifecycle.task
    const parts = task === undefined ? NO_TASK : reportOfTask(task, this.#context.clock.now())
    return {
      job: this.#job,
      mode: this.#options.mode,
      state,
      epoch,
      watermark: knownTime(watermark),
      records,
      results,
      late,
      deadLettered,
      windows,
      restarts,
      commits: this.#commits.summary,
      ...parts,
      snapshots: this.#snapshots.status,
    }
  }

  progress(): JobProgress {
    const task = this.#lifecycle.task
    const counters = task?.countersNow() ?? NO_COUNTERS
    const files = this.#inputs.filter(
      (input) => input instanceof FileInput || input instanceof SortedFileInput,
    )
    const totals = files.map((file) => file.bytesTotal)
    const isKnown =
      files.length > 0 && files.length === this.#inputs.length && !totals.includes(undefined)
    return {
      ...counters,
      recordsRead: counters.records - (this.#recordsBefore ?? 0),
      results:
        task === undefined
          ? 0
          : sum(task.outboxes.filter(({ name }) => name !== DEAD_LETTER).map(({ count }) => count)),
      epoch: task?.epoch ?? 0,
      watermark: task?.watermark ?? Number.NEGATIVE_INFINITY,
      bytesRead: sum(files.map((file) => file.bytesRead)),
      bytesTotal: isKnown ? sum(totals.map((total) => total ?? 0)) : undefined,
      state: this.#lifecycle.state,
      restarts: this.#lifecycle.restarts,
    }
  }

  async #openTask(): Promise<Task> {
    const { manifest, definition, stateDir, overwrite, onMoment } = this.#options
    const { clock, log, stop } = this.#context
    await this.#connections?.close()
    const connections = new Connections(clock, (message) => log.warn({}, message), stop)
    this.#connections = connections
    const { limits, cache, operators } = manifest
    const onErrors = new Map(
      [...nodesOf(definition.graph, 'step'), ...nodesOf(definition.graph, 'keyed')].map((node) => [
        node.name,
        node.onError,
      ]),
    )
    const sources = await this.#makeSources(connections)
    const { sinks, tables } = await this.#makeSinks(connections)
    const task = await openTask({
      graph: definition.graph,
      store: this.#snapshots.logged('0', new LmdbStore(taskFolder(stateDir))),
      clock,
      newRun: randomUUID,
      sources,
      sinks,
      tables,
      deadLetter: await makeSink(this.#deadLetter, connections, {
        ...this.#context,
        // The default file lies in the state folder and belongs to the state; one that a user named does not.
        overwrite: overwrite || manifest.deadLetter === undefined,
      }),
      policyOf: (operator) => operators.get(operator)?.onError ?? onErrors.get(operator) ?? 'fail',
      cache,
      commit: commitLimits(manifest, this.#context.mode),
      outboxBytesMax: limits.outboxBytesMax,
      onRetry: (message) => log.warn({}, message),
      stop,
      ...(this.#toDrop !== undefined && { dropped: this.#toDrop }),
      onCommit: (timing) => this.#commits.note(timing),
      ...(onMoment !== undefined && { onMoment }),
    })
    if (this.#toDrop !== undefined) {
      log.warn({ dropped: this.#toDrop, rows: task.droppedRows }, 'parts of the state were dropped')
      this.#toDrop = undefined
    }
    this.#recordsBefore ??= task.countersNow().records
    return task
  }

  async #makeSources(connections: Connections): Promise<Map<string, TaskSource>> {
    const { manifest, definition } = this.#options
    const sources = new Map<string, TaskSource>()
    const all: SourceInput[] = []
    for (const { name, schema, time, watermarks } of nodesOf(definition.graph, 'source')) {
      const section = manifest.sources.get(name)
      if (section === undefined) throw missing('source', name)
      const eventTime = eventTimeOf(section, { time, watermarks, mode: this.#context.mode })
      const source = await makeSource({
        name,
        source: section,
        manifest,
        connections,
        context: this.#context,
        schema,
        eventTime,
        stateDir: this.#options.stateDir,
      })
      const remembering = {
        inputs: async () => {
          const inputs = await source.inputs()
          all.push(...inputs)
          return inputs
        },
      }
      sources.set(name, { source: remembering, eventTime })
    }
    this.#inputs = all
    return sources
  }

  async #makeSinks(
    connections: Connections,
  ): Promise<{ sinks: Map<string, Sink>; tables: Map<string, TableKind> }> {
    const { manifest, definition } = this.#options
    const sinks = new Map<string, Sink>()
    const tables = new Map<string, TableKind>()
    for (const { name } of nodesOf(definition.graph, 'sink')) {
      const section = manifest.sinks.get(name)
      if (section === undefined) throw missing('sink', name)
      if (section.kind === 'table') tables.set(name, section.per)
      else sinks.set(name, await makeSink(section, connections, this.#context))
    }
    return { sinks, tables }
  }

  get #deadLetter() {
    const path = deadLetterPath(this.#options.stateDir)
    return (
      this.#options.manifest.deadLetter ?? { kind: 'file' as const, path, format: 'jsonl' as const }
    )
  }

  #outputs(): JobSummary['outputs'] {
    const { manifest, stateDir } = this.#options
    const outboxes = this.#lifecycle.task?.outboxes ?? []
    return [...manifest.sinks].map(([sink, section]) => ({
      sink,
      where: placeOfSink(section, stateDir),
      records: outboxes.find(({ name }) => name === sink)?.count ?? 0,
    }))
  }

  #deadLetterWhere(): string | undefined {
    const box = this.#lifecycle.task?.outboxes.find(({ name }) => name === DEAD_LETTER)
    return box === undefined || box.count === 0
      ? undefined
      : placeOfSink(this.#deadLetter, this.#options.stateDir)
  }
}

const sum = (numbers: readonly number[]): number =>
  numbers.reduce((total, number) => total + number, 0)

function missing(what: 'source' | 'sink', name: string): ConfigError {
  return new ConfigError(
    `the job has a ${what} '${name}' and the manifest has none of that name; add ${what}s.${name}`,
  )
}
