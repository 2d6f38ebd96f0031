/** One task of a job in this process: its real store, sources and sinks, opened again after failures. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { commitLimits, type ResolvedManifest } from '../../config/manifest.ts'
import { ConfigError, reasonOf, UnavailableError } from '../errors.ts'
import { CommitTimes } from '../metrics/commit-times.ts'
import { NO_TASK, reportOfTask } from '../metrics/job-report.ts'
import { nodesOf } from '../pipeline/graph.ts'
import { broadcastSources } from '../pipeline/stages.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import type { Sink } from '../sink/sink.ts'
import type { Pace } from '../source/paced-source.ts'
import type { Source, SourceInput } from '../source/source.ts'
import { LmdbStore } from '../state/lmdb-store.ts'
import type { Store } from '../state/store.ts'
import { keyedOperators, type TableKind } from '../task/chain.ts'
import type { Cut } from '../task/cut.ts'
import type { LaidTask } from '../task/layout.ts'
import { Lifecycle } from '../task/lifecycle.ts'
import { NO_COUNTERS } from '../task/meta.ts'
import { DEAD_LETTER, openTask, type TaskPlace, type TaskSource } from '../task/open-task.ts'
import type { Task, TaskEnd } from '../task/task.ts'
import type { Moment } from '../task/task-parts.ts'
import { Connections } from './connections.ts'
import { deadLetterOf } from './dead-letter-sink.ts'
import { refuseEmptyState } from './lost-state.ts'
import { makeSink } from './make-sink.ts'
import { eventTimeOf, makeSource } from './make-source.ts'
import { phaseNow } from './phase.ts'
import type { RunContext } from './run-context.ts'
import type { TaskFacts } from './task-facts.ts'
import { untilFree } from './state-lock.ts'
import { viewThatCloses } from './view-that-closes.ts'

export interface TaskRunOptions {
  readonly manifest: ResolvedManifest
  readonly definition: JobDefinition
  readonly stateDir: string
  readonly laid: LaidTask
  /** Its place among the others, when there are others. */
  readonly place: TaskPlace | undefined
  readonly context: RunContext
  /** Of a batch, the same for all tasks; undefined: as fast as it goes. */
  readonly pace: Pace | undefined
  /** The store, with a log of what its commits change where snapshots need one. */
  readonly logged: (task: string, store: Store) => Store
  /** Parts of the state that are no longer wanted. */
  readonly dropState?: readonly string[] | undefined
  readonly onMoment?: (moment: Moment) => void
}

/** The folder of a task's store inside the state folder. */
export const taskFolder = (stateDir: string, task = '0'): string => join(stateDir, `task-${task}`)

export class TaskRun {
  readonly #options: TaskRunOptions
  readonly #lifecycle: Lifecycle
  readonly commits = new CommitTimes()
  /** What is still to be dropped from the state: by the first opening, for the next finds nothing left. */
  #toDrop: readonly string[] | undefined
  #connections: Connections | undefined
  #inputs: readonly SourceInput[] = []
  /** How it reads now: behind a batch it may have gone over to live. */
  #phase: 'live' | 'batch'
  #isPaused = false
  /** Records of earlier runs on this state; undefined until the task is open for the first time. */
  #recordsBefore: number | undefined

  constructor(options: TaskRunOptions) {
    const { manifest, context, place, laid } = options
    const who = place === undefined ? 'the job' : `task ${laid.task} (${laid.stage.name})`
    this.#options = options
    this.#phase = context.mode
    this.#toDrop = options.dropState
    this.#lifecycle = new Lifecycle({
      open: () => this.#open(),
      restart: manifest.restart,
      clock: context.clock,
      onRestart: (error, delayMs, attempt) =>
        context.log.warn(
          { attempt, delayMs },
          `${who} failed and starts again from its last durable epoch: ${reasonOf(error)}`,
        ),
      onStoppedWhileAway: (error) =>
        context.log.warn({}, `${who} was stopped before it had opened: ${reasonOf(error)}`),
    })
  }

  get task(): string {
    return this.#options.laid.task
  }

  async run(): Promise<TaskEnd> {
    try {
      return await this.#lifecycle.run()
    } finally {
      await this.#connections?.close()
    }
  }

  stop(): void {
    this.#lifecycle.stop()
  }

  /** Reads no source any more, also after a failure. */
  pauseSources(): void {
    this.#isPaused = true
    this.#lifecycle.task?.pauseSources()
  }

  /** Whether it has nothing to do, nothing that is not durable, and nothing on its way. */
  get isQuiet(): boolean {
    const { task, state } = this.#lifecycle
    return state === 'finished' || (state === 'running' && task?.isQuiet === true)
  }

  /** @throws UnavailableError while it is opened, backs off or ends. */
  async cut(): Promise<Cut> {
    const { task, state } = this.#lifecycle
    if (task !== undefined && state === 'running') return await task.cut()
    if (task !== undefined && state === 'finished') return this.#cutOfFinished(task.epoch)
    throw new UnavailableError(`the job is not running now but ${state}; try again`)
  }

  /** A task that has finished has closed its store, and changes it no more. */
  #cutOfFinished(epoch: number): Cut {
    return { epoch, view: viewThatCloses(new LmdbStore(this.#folder, { readOnly: true })) }
  }

  get #folder(): string {
    return taskFolder(this.#options.stateDir, this.task)
  }

  get facts(): TaskFacts {
    const { task, state, restarts } = this.#lifecycle
    const counters = task?.countersNow() ?? NO_COUNTERS
    const ingests = task?.sources ?? []
    return {
      task: this.task,
      state,
      restarts,
      counters,
      recordsRead: counters.records - (this.#recordsBefore ?? 0),
      epoch: task?.epoch ?? 0,
      watermarks: ingests.map(({ watermark: { holder } }) => holder.value),
      extents: this.#inputs.map(({ extent = null }) => extent),
      phase: this.#inputs.length === 0 ? undefined : this.#phase,
      wasFinished: task?.wasFinished ?? false,
      isQuiet: this.isQuiet,
      lateness: ingests.map(({ source, lateness }) => ({ source, lateness })),
      report: task === undefined ? NO_TASK : reportOfTask(task, this.#options.context.clock.now()),
      commits: this.commits.summary,
    }
  }

  async #open(): Promise<Task> {
    const { manifest, definition, laid, place, context, onMoment } = this.#options
    const { clock, log, stop } = context
    // A process of an earlier run may be left over for a moment.
    await untilFree(this.#folder, clock)
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
    const dropped = this.#toDrop
    const run = { mode: context.mode, followedBy: manifest.followedBy }
    this.#phase = await phaseNow(this.#folder, run)
    const sources = await this.#makeSources(connections, { ...context, mode: this.#phase })
    const { sinks, tables } = await this.#makeSinks(connections)
    const store = new LmdbStore(this.#folder)
    if (place === undefined) await refuseEmptyState(this.#options.stateDir, store)
    const task = await openTask({
      graph: laid.stage.graph,
      store: this.#options.logged(this.task, store),
      clock,
      newRun: randomUUID,
      sources,
      sinks,
      tables,
      deadLetter: this.#writesDeadLetters ? await this.#deadLetter(connections) : undefined,
      policyOf: (operator) => operators.get(operator)?.onError ?? onErrors.get(operator) ?? 'fail',
      cache,
      commit: commitLimits(manifest, place === undefined ? this.#phase : 'live'),
      outboxBytesMax: limits.outboxBytesMax,
      onRetry: (message) => log.warn({}, message),
      stop,
      ...(dropped !== undefined && { dropped }),
      onCommit: (timing) => this.commits.note(timing),
      ...(place !== undefined && { place }),
      ...(onMoment !== undefined && { onMoment }),
    })
    if (dropped !== undefined) {
      log.warn({ dropped, rows: task.droppedRows }, 'parts of the state were dropped')
      this.#toDrop = undefined
    }
    this.#recordsBefore ??= task.countersNow().records
    if (this.#isPaused) task.pauseSources()
    return task
  }

  /** What is set aside has one writer, as every file has. */
  get #writesDeadLetters(): boolean {
    const { place, laid } = this.#options
    return (
      place === undefined ||
      nodesOf(laid.stage.graph, 'sink').some(({ name }) => name === DEAD_LETTER)
    )
  }

  async #deadLetter(connections: Connections): Promise<Sink> {
    const { manifest, stateDir, context } = this.#options
    return await makeSink(deadLetterOf(manifest, stateDir), connections, {
      ...context,
      // The default file lies in the state folder and belongs to the state; one that a user named does not.
      overwrite: context.overwrite || manifest.deadLetter === undefined,
    })
  }

  async #makeSources(
    connections: Connections,
    context: RunContext,
  ): Promise<Map<string, TaskSource>> {
    const { manifest, definition, stateDir, laid, place } = this.#options
    const pace = context.mode === 'batch' ? this.#options.pace : undefined
    const unpaced = broadcastSources(definition.graph, keyedOperators(definition.graph, new Map()))
    const sources = new Map<string, TaskSource>()
    const all: SourceInput[] = []
    const others = new Set(place?.inbound.map(({ name }) => name))
    for (const { name, schema, time, watermarks } of nodesOf(laid.stage.graph, 'source')) {
      if (others.has(name)) continue
      const section = manifest.sources.get(name)
      if (section === undefined) throw missing('source', name)
      const eventTime = eventTimeOf(section, { name, time, watermarks, mode: context.mode })
      const source = await makeSource({
        name,
        source: section,
        manifest,
        connections,
        context,
        schema,
        eventTime,
        stateDir,
        // What is read before everything else is no part of the replay.
        pace: unpaced.has(name) ? undefined : pace,
      })
      sources.set(name, { source: this.#ownPart(source, all), eventTime })
    }
    this.#inputs = all
    return sources
  }

  /** Input i of a source belongs to task i modulo the tasks of its stage. */
  #ownPart(source: Source, all: SourceInput[]): Source {
    const { stage, partition } = this.#options.laid
    return {
      inputs: async () => {
        const inputs = await source.inputs()
        const own = inputs.filter((_, i) => i % stage.tasks === partition)
        all.push(...own)
        return own
      },
    }
  }

  async #makeSinks(
    connections: Connections,
  ): Promise<{ sinks: Map<string, Sink>; tables: Map<string, TableKind> }> {
    const { manifest, laid, place, context } = this.#options
    const sinks = new Map<string, Sink>()
    const tables = new Map<string, TableKind>()
    const others = new Set(place?.outbound.map(({ name }) => name))
    for (const { name } of nodesOf(laid.stage.graph, 'sink')) {
      if (name === DEAD_LETTER || others.has(name)) continue
      const section = manifest.sinks.get(name)
      if (section === undefined) throw missing('sink', name)
      if (section.kind === 'table') tables.set(name, section.per)
      else sinks.set(name, await makeSink(section, connections, context))
    }
    return { sinks, tables }
  }
}

function missing(what: 'source' | 'sink', name: string): ConfigError {
  return new ConfigError(
    `the job has a ${what} '${name}' and the manifest has none of that name; add ${what}s.${name}`,
  )
}
