/** Everything around a job in a test: what outlives its processes, and the process that lives now. */
import type { Key } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import { ConfigError, StateError, UnavailableError } from '../errors.ts'
import { explain } from '../explain/explain.ts'
import type { Explanation } from '../explain/explanation.ts'
import { readFacts } from '../explain/read-facts.ts'
import { nodesOf } from '../pipeline/graph.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import { readState } from '../state/state-entry.ts'
import type { Store } from '../state/store.ts'
import { readEpochRow, readJobRow } from '../task/meta.ts'
import { DEAD_LETTER } from '../task/open-task.ts'
import type { Moment } from '../task/task-parts.ts'
import { systemClock } from '../time/clock.ts'
import { MemoryDestination, MemorySink } from './memory-sink.ts'
import { MemorySource } from './memory-source.ts'
import { MemoryDisk, MemoryStore } from './memory-store.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedProcess } from './simulated-process.ts'
import {
  cacheOf,
  commitOf,
  eventTimeOf,
  namesOf,
  policyOf,
  type TestChanges,
  type TestOptions,
} from './test-options.ts'

/** How a process ends: a crash loses what was not flushed, a kill nothing that was committed. */
export type Death =
  { readonly kind: 'crash'; readonly keptCommits: number } | { readonly kind: 'kill' }

const OUTBOX_BYTES_MAX = 64 * 1024 * 1024

export class SimulatedWorld {
  readonly #definition: JobDefinition
  #options: TestOptions
  readonly clock: SimulatedClock
  readonly #sources = new Map<string, MemorySource>()
  readonly #destinations = new Map<string, MemoryDestination>()
  #disk = new MemoryDisk()
  #process: SimulatedProcess
  /** A death that waits for its moment. */
  #armed: { readonly death: Death; readonly at: Moment } | undefined
  #runs = 0

  constructor(definition: JobDefinition, options: TestOptions) {
    this.#definition = definition
    this.#options = options
    this.clock = new SimulatedClock(options.now)
    for (const name of namesOf(definition.graph, 'source')) {
      const isBounded = options.bounded?.includes(name) ?? false
      this.#sources.set(name, new MemorySource({ name, isBounded }))
    }
    for (const name of [...this.#sinkNames, DEAD_LETTER]) {
      this.#destinations.set(name, new MemoryDestination())
    }
    this.#process = this.#startProcess()
  }

  get #sinkNames(): string[] {
    const tables = this.#options.tables ?? {}
    return namesOf(this.#definition.graph, 'sink').filter((name) => !Object.hasOwn(tables, name))
  }

  // ── the process ────────────────────────────────────────────────────────────────────────────────

  #startProcess(): SimulatedProcess {
    const { graph } = this.#definition
    const options = this.#options
    for (const source of this.#sources.values()) {
      if (options.batchRecordsMax !== undefined) source.batchRecordsMax = options.batchRecordsMax
    }
    const process = new SimulatedProcess({
      graph,
      store: new MemoryStore(this.#disk),
      clock: this.clock,
      newRun: () => `run-${++this.#runs}`,
      sources: new Map(
        nodesOf(graph, 'source').map(({ name, time, watermarks }) => [
          name,
          {
            source: this.#source(name),
            eventTime: eventTimeOf(options.eventTime?.[name] ?? {}, time, watermarks),
          },
        ]),
      ),
      sinks: new Map(this.#sinkNames.map((name) => [name, this.#sink(name)])),
      tables: new Map(Object.entries(options.tables ?? {})),
      deadLetter: this.#sink(DEAD_LETTER),
      policyOf: policyOf(graph, options),
      cache: cacheOf(options),
      commit: commitOf(options),
      outboxBytesMax: OUTBOX_BYTES_MAX,
      onMoment: (moment) => this.#atMoment(moment),
    })
    process.start()
    return process
  }

  #atMoment(moment: Moment): void {
    if (this.#armed?.at !== moment) return
    const { death } = this.#armed
    this.#armed = undefined
    this.#end(death)
  }

  #end(death: Death): void {
    this.#process.die()
    this.#disk = this.#disk.copy()
    if (death.kind === 'crash') this.#disk.losePower(death.keptCommits)
  }

  /** The process dies now, and the next one starts. */
  die(death: Death): void {
    this.#end(death)
    this.#process = this.#startProcess()
  }

  /** The process dies at the next such moment, and a new one starts. One death waits at a time: the last. */
  dieAt(death: Death, at: Moment): void {
    this.#armed = { death, at }
  }

  async reopen(changes: TestChanges): Promise<void> {
    this.releaseFlushes()
    await this.settle()
    this.#process.task?.stop()
    await this.settle()
    await this.#process.task?.close()
    this.#process.die()
    this.#options = { ...this.#options, ...changes }
    this.#process = this.#startProcess()
  }

  /**
   * Waits until nothing is left to do but what time or a push will bring.
   * @throws what ended the job, once.
   */
  async settle(): Promise<void> {
    do {
      if (!this.#process.isAlive) this.#process = this.#startProcess()
      // All work in this world is microtasks: when the event loop comes round, they are done.
      await systemClock.breathe()
    } while (this.clock.isBreathing || !this.#process.isAlive)
    const { failure } = this.#process
    if (failure === undefined) return
    this.#process.failure = undefined
    throw failure
  }

  holdFlushes(): void {
    this.#process.holdFlushes()
  }

  releaseFlushes(): void {
    this.#process.releaseFlushes()
  }

  failFlush(): void {
    this.#disk.flushFailure = new UnavailableError('the disk failed to flush; it was told to')
  }

  async close(): Promise<void> {
    await this.#process.task?.close()
    this.#process.die()
  }

  /** The death that waits for its moment, in words. */
  get waitingDeath(): string | undefined {
    return (
      this.#armed && `a ${this.#armed.death.kind} was to come at the moment '${this.#armed.at}'`
    )
  }

  // ── inputs and time ────────────────────────────────────────────────────────────────────────────

  push(source: string, values: readonly unknown[]): void {
    this.#source(source).push(values, this.clock.now())
  }

  advanceWatermark(source: string, time: Timestamp): void {
    this.#source(source).pushWatermark(time)
  }

  endInput(source: string): void {
    this.#source(source).end()
  }

  /** Goes from one due time to the next, so that each is handled at its own. */
  async advanceClock(delayMs: number): Promise<void> {
    const until = this.clock.now() + delayMs
    while (this.clock.nextAt <= until) {
      this.clock.advanceTo(Math.max(this.clock.now(), this.clock.nextAt))
      await this.settle()
    }
    this.clock.advanceTo(until)
  }

  // ── outputs and state ──────────────────────────────────────────────────────────────────────────

  output(sink: string): readonly string[] {
    return this.#destination(sink).messages
  }

  deadLetters(): readonly string[] {
    return this.#destination(DEAD_LETTER).messages
  }

  /** The store as the newest commit left it. */
  store(): Store {
    return new MemoryStore(this.#disk)
  }

  /** Why a window has not fired, as of the newest commit. */
  explainWindow(operator: string, key: Key, time: Timestamp): Explanation {
    const store = this.store()
    const [job, last] = [readJobRow(store), readEpochRow(store)]
    if (job === undefined || last === undefined) throw new StateError('nothing was committed yet')
    const { graph } = this.#definition
    const eventTimes = new Map(
      nodesOf(graph, 'source').map(({ name, time: of, watermarks }) => [
        name,
        eventTimeOf(this.#options.eventTime?.[name] ?? {}, of, watermarks),
      ]),
    )
    const now = this.clock.now()
    const facts = { graph, store, job, last, eventTimes, now, isRunning: true }
    return explain(readFacts(facts, { operator, keys: [key], time }))
  }

  state(operator: string, key: Key): Record<string, unknown> | undefined {
    const store = this.store()
    const operators = readJobRow(store)?.operators ?? {}
    const row = operators[operator]
    if (row === undefined) {
      throw new ConfigError(
        `the job has no operator or table '${operator}'; it has ${Object.keys(operators).join(', ') || 'none'}`,
      )
    }
    const state = readState(store, operator, row, key)
    if (state === undefined) return undefined
    const cells = state.cells.map(({ name, kind, content }) => [
      name,
      kind === 'map' ? new Map(content as [Key, unknown][]) : content,
    ])
    return Object.fromEntries(cells) as Record<string, unknown>
  }

  #source(name: string): MemorySource {
    const source = this.#sources.get(name)
    if (source === undefined) throw new ConfigError(`the job has no source '${name}'`)
    return source
  }

  #destination(name: string): MemoryDestination {
    const destination = this.#destinations.get(name)
    if (destination === undefined) throw new ConfigError(`the job has no sink '${name}'`)
    return destination
  }

  #sink(name: string): MemorySink {
    return new MemorySink(this.#destination(name))
  }
}
