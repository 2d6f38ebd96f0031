/** The composition root: the one place that picks real implementations for a job and runs it. */
import type { ResolvedManifest } from '../../config/manifest.ts'
import { ConfigError, reasonOf } from '../errors.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import { nodesOf } from '../pipeline/graph.ts'
import { type JobReport, knownTime } from '../metrics/job-report.ts'
import type { MetricsServer } from '../metrics/metrics-server.ts'
import { tasksIn } from '../state/read-state.ts'
import { boundsOf, type SourceBounds } from '../time/bounds.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import type { Layout } from '../task/layout.ts'
import type { LifeState } from '../task/lifecycle.ts'
import { DEAD_LETTER, shapeOf } from '../task/open-task.ts'
import type { Moment } from '../task/task-parts.ts'
import { ControlSocket } from './control-socket.ts'
import { JobSnapshots } from './job-snapshots.ts'
import { deadLetterOf } from './dead-letter-sink.ts'
import { layoutOf, tablesOf } from './job-layout.ts'
import { begunTasks, refuseOtherTasks } from './begun-tasks.ts'
import { checkMode } from './check-mode.ts'
import type { JobTasks } from './job-tasks.ts'
import { LocalTasks } from './local-tasks.ts'
import { placeOfSink } from './make-sink.ts'
import { paceOf } from './phase.ts'
import { ProcessTasks } from './process-tasks.ts'
import { type RestoreChoice, restoreState } from './restore-state.ts'
import type { RunContext } from './run-context.ts'
import { refuseLostState } from './lost-state.ts'
import { finishRescale, rescaleState } from './rescale-state.ts'
import { lockState } from './state-lock.ts'
import { commitsOf, progressOf, reportOf, stateOf } from './task-facts.ts'

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
  /** How much of the inputs is read, from 0 to 1; undefined when that is not known. */
  readonly share: number | undefined
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
  readonly #tasks: JobTasks
  readonly #layout: Layout
  readonly #snapshots: JobSnapshots

  constructor(options: RunOptions) {
    const { mode, overwrite, log, clock = systemClock, manifest, stateDir, definition } = options
    this.#options = options
    this.#context = { mode, overwrite, log, clock, stop: this.#stop.signal }
    this.#layout = layoutOf(definition.graph, manifest)
    this.#tasks = this.#makeTasks()
    this.#snapshots = new JobSnapshots({
      manifest,
      job: this.#job,
      stateDir,
      context: this.#context,
      cut: () => this.#tasks.cut(),
      isRunning: () => this.#state === 'running',
    })
  }

  #makeTasks(): JobTasks {
    const { manifest, definition, stateDir, dropState, onMoment } = this.#options
    const { processes } = manifest
    const options = { manifest, stateDir, context: this.#context }
    if (processes > 1) return new ProcessTasks(this.#layout, options, processes)
    return new LocalTasks(this.#layout, {
      ...options,
      definition,
      pace: paceOf(manifest.speed, this.#context.clock),
      dropState,
      logged: (task, store) => this.#snapshots.logged(task, store),
      ...(onMoment !== undefined && { onMoment }),
    })
  }

  async run(): Promise<JobSummary> {
    const { manifest, mode, stateDir } = this.#options
    const { clock } = this.#context
    checkMode(manifest, mode)
    const startedAt = clock.monotonic()
    const unlock = lockState(stateDir)
    let control: ControlSocket | undefined
    let metrics: MetricsServer | undefined
    try {
      // First what can be refused at once: an address that is taken.
      metrics = await this.#openMetrics()
      await finishRescale(stateDir)
      await this.#restore()
      refuseLostState(stateDir)
      await this.#rescale()
      this.#refuseDrops()
      control = await this.#openControl()
      this.#snapshots.start()
      const ends = await this.#tasks.run()
      const tasks = this.#tasks.facts
      return {
        ...progressOf(tasks),
        elapsedMs: clock.monotonic() - startedAt,
        outputs: this.#outputs(),
        deadLetterWhere: this.#deadLetterWhere(),
        stateDir,
        finished: ends.every((end) => end === 'finished'),
        alreadyFinished: tasks.every(({ wasFinished }) => wasFinished),
        bounds: boundsOf(tasks.flatMap(({ lateness }) => lateness)),
      }
    } finally {
      await this.#snapshots.stop()
      await control?.close()
      await metrics?.close()
      unlock()
    }
  }

  stop(): void {
    this.#stop.abort()
    this.#tasks.stop()
  }

  /** Stops once nothing is on its way. */
  async #drain(): Promise<void> {
    this.#context.log.info({}, 'the job is drained: its sources are read no further')
    await this.#tasks.drain(this.#stop.signal)
    this.stop()
  }

  get #state(): LifeState {
    return stateOf(this.#tasks.facts.map(({ state }) => state))
  }

  /** The name the job goes by. */
  get #job(): string {
    const { manifest, definition } = this.#options
    return manifest.name ?? definition.name
  }

  async #restore(): Promise<void> {
    const { manifest, definition, stateDir, restore = {} } = this.#options
    const { graph } = definition
    const tables = tablesOf(graph, manifest)
    const sinks = nodesOf(graph, 'sink').map(({ name }) => name)
    await restoreState({
      choice: restore,
      manifest,
      job: this.#job,
      shape: shapeOf(graph, {
        tables,
        sinks: sinks.filter((name) => !tables.has(name)),
        sources: nodesOf(graph, 'source').map(({ name }) => name),
        ...(this.#options.dropState !== undefined && { dropped: this.#options.dropState }),
      }),
      store: await this.#snapshots.open(),
      stateDir,
      context: this.#context,
    })
  }

  /**
   * Brings a state of another parallelism to this one.
   * @throws StateError when it is of other stages, or cannot be moved; what ends the old tasks.
   */
  async #rescale(): Promise<void> {
    const { manifest, definition, stateDir } = this.#options
    const { graph } = definition
    if (tasksIn(stateDir).length === this.#layout.tasks.length) return
    const begun = await begunTasks(stateDir)
    const [first] = begun
    if (first === undefined) return
    const stored = first.job.place?.parallelism ?? 1
    const from = layoutOf(graph, { ...manifest, parallelism: stored })
    refuseOtherTasks(stateDir, begun, from)
    // Those that have not begun yet begin now, in the same places.
    if (from.tasks.length === this.#layout.tasks.length) return
    const { parallelism } = manifest
    this.#context.log.info(
      { from: stored, to: parallelism },
      'the state is moved to another parallelism',
    )
    const old = new LocalTasks(from, {
      manifest,
      definition,
      stateDir,
      context: this.#context,
      pace: undefined,
      dropState: undefined,
      logged: (task, store) => this.#snapshots.logged(task, store),
    })
    const running = old.run()
    await Promise.race([running, old.drain(this.#stop.signal)])
    old.stop()
    await running
    if (this.#stop.signal.aborted) return
    await rescaleState({ stateDir, from, to: this.#layout, tables: tablesOf(graph, manifest) })
  }

  /** @throws ConfigError when several tasks would have to agree on what is dropped. */
  #refuseDrops(): void {
    if (this.#options.dropState === undefined || this.#layout.tasks.length === 1) return
    throw new ConfigError(
      `--drop-state works with parallelism 1. Nothing was changed. Run the job as it was once with --set parallelism=1 --set processes=1, stop it, and run the changed one in the same way with --drop-state, behind that with as many tasks as you like.`,
    )
  }

  /** A job that cannot be asked runs all the same. */
  async #openControl(): Promise<ControlSocket | undefined> {
    const { stateDir } = this.#options
    try {
      return await ControlSocket.open(stateDir, {
        status: () => this.#report(),
        stop: () => this.stop(),
        drain: () => this.#drain(),
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
    const state = (): LifeState => this.#state
    const server = await Server.open({ ...metrics, page, state })
    this.#tasks.observeCommits(page.observe)
    log.info({ port: server.port }, `metrics on http://${metrics.host}:${server.port}/metrics`)
    return server
  }

  #report(): JobReport {
    const tasks = this.#tasks.facts
    const { records, results, late, deadLettered, windows, epoch, watermark, state, restarts } =
      progressOf(tasks)
    return {
      job: this.#job,
      mode: tasks.some(({ phase }) => phase === 'batch') ? 'batch' : 'live',
      state,
      epoch,
      watermark: knownTime(watermark),
      records,
      results,
      late,
      deadLettered,
      windows,
      restarts,
      commits: commitsOf(tasks),
      ...reportOf(tasks),
      snapshots: this.#snapshots.status,
    }
  }

  progress(): JobProgress {
    return progressOf(this.#tasks.facts)
  }

  /** Results made by sink. */
  #made(name: string): number {
    const outputs = reportOf(this.#tasks.facts).outputs.filter(({ sink }) => sink === name)
    return outputs.reduce((sum, { results }) => sum + results, 0)
  }

  #outputs(): JobSummary['outputs'] {
    const { manifest, stateDir } = this.#options
    return [...manifest.sinks].map(([sink, section]) => ({
      sink,
      where: placeOfSink(section, stateDir),
      records: this.#made(sink),
    }))
  }

  #deadLetterWhere(): string | undefined {
    const { manifest, stateDir } = this.#options
    return this.#made(DEAD_LETTER) === 0
      ? undefined
      : placeOfSink(deadLetterOf(manifest, stateDir), stateDir)
  }
}
