/**
 * The test of a job is a script; a crash is one of its words.
 *
 * Calls that do something (`push`, `advanceWatermark`, `crash` and the like) only note a step and need
 * no await. Calls that read something (`output`, `state`, `counters` and the like) are awaited: they
 * first run all noted steps in order, each until the job has nothing left to do. No time passes but
 * by `advanceClock`.
 *
 * What a crash loses follows from that: steps right before a `crash()` were applied and committed,
 * but their commit is not durable yet. A read, or `settled()`, in between makes them durable.
 */
import type { Key } from '../../operators/operator.ts'
import type { Duration, Timestamp } from '../../operators/time.ts'
import { milliseconds } from '../../operators/time.ts'
import { ConfigError } from '../errors.ts'
import type { Explanation } from '../explain/explanation.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import type { DeadLetter } from '../task/dead-letter.ts'
import { type Counters, NO_COUNTERS, readEpochRow } from '../task/meta.ts'
import type { Moment } from '../task/task-parts.ts'
import { copyOf } from './memory-source.ts'
import { type Death, SimulatedWorld } from './simulated-world.ts'
import { checkOptions, namesOf, type TestChanges, type TestOptions } from './test-options.ts'

export interface CrashOptions {
  /** The moment of the commit protocol at which it comes; default: now. */
  readonly at?: Moment
  /** How many of the commits that were not flushed the disk has kept all the same; default none. */
  readonly keptCommits?: number
}

interface Step {
  /** A process that dies right here, and not at a moment to come, has not flushed what was before. */
  readonly isDeath: boolean
  /** Ends a run of steps during which flushes are held. */
  readonly isStop: boolean
  readonly run: () => Promise<void>
}

/**
 * Puts a job into a simulated world: virtual clock, logs, stores and sinks in memory; and opens it
 * with a fresh state.
 * @throws ConfigError when the options do not fit the job.
 */
export async function testJob(
  definition: JobDefinition,
  options: TestOptions = {},
): Promise<TestJob> {
  checkOptions(definition.graph, options)
  const job = new TestJob(definition, options)
  await job.settled()
  return job
}

export class TestJob {
  readonly #world: SimulatedWorld
  readonly #definition: JobDefinition
  readonly #options: TestOptions
  readonly #steps: Step[] = []
  #running: Promise<void> = Promise.resolve()

  /** Use `testJob`. */
  constructor(definition: JobDefinition, options: TestOptions) {
    this.#definition = definition
    this.#options = options
    this.#world = new SimulatedWorld(definition, options)
  }

  // ── what happens ───────────────────────────────────────────────────────────────────────────────

  /** Appends values to a source. They are logged: after a crash they are read again as far as needed. */
  push(source: string, ...values: readonly unknown[]): void {
    this.#checkSource(source)
    const copies = values.map(copyOf)
    this.#step(async () => this.#world.push(source, copies))
  }

  /** Says that event time of a source has come this far: windows that end by then fire. */
  advanceWatermark(source: string, time: Timestamp): void {
    this.#checkSource(source)
    if (!Number.isFinite(time)) {
      throw new RangeError(
        `advanceWatermark('${source}', ${String(time)}): not a time in milliseconds; for a source's end use endInput('${source}')`,
      )
    }
    this.#step(async () => this.#world.advanceWatermark(source, time))
  }

  /** Lets time pass on the clock; alarms and processing-time windows that come due fire in order. */
  advanceClock(by: Duration): void {
    const delayMs = milliseconds(by, 'advanceClock')
    if (delayMs < 0) throw new RangeError(`advanceClock(${String(by)}): time does not go back`)
    this.#step(() => this.#world.advanceClock(delayMs))
  }

  /** Ends a source: event time has come to its end there. When all have ended, the job finishes. */
  endInput(source: string): void {
    this.#checkSource(source)
    this.#step(async () => this.#world.endInput(source))
  }

  /**
   * The machine loses power: what was not flushed is lost. Then the job starts again.
   * @param when now, or at the next such moment of the commit protocol; of several deaths that wait
   *   for a moment, only the last comes.
   */
  crash(when: Moment | CrashOptions = {}): void {
    const { at, keptCommits = 0 } = typeof when === 'string' ? { at: when } : when
    this.#die({ kind: 'crash', keptCommits }, at)
  }

  /** The process is killed: what was committed is still there, flushed or not. Then it starts again. */
  kill(at?: Moment): void {
    this.#die({ kind: 'kill' }, at)
  }

  /** The next flush fails, as on a broken disk: that ends the job. */
  failFlush(): void {
    this.#step(async () => this.#world.failFlush())
  }

  /** Stops the job in order, and starts it again on its state; with other settings, if given. */
  reopen(changes: TestChanges = {}): void {
    const run = (): Promise<void> => this.#world.reopen(changes)
    this.#steps.push({ isDeath: false, isStop: true, run })
  }

  #die(death: Death, at: Moment | undefined): void {
    const run = async (): Promise<void> =>
      at === undefined ? this.#world.die(death) : this.#world.dieAt(death, at)
    this.#steps.push({ isDeath: at === undefined, isStop: at === undefined, run })
  }

  #step(run: () => Promise<void>): void {
    this.#steps.push({ isDeath: false, isStop: false, run })
  }

  // ── what has come of it ────────────────────────────────────────────────────────────────────────

  /**
   * Runs all steps that were noted so far.
   * @throws what ended the job: a UserCodeError, a StateError and so on; `reopen` may follow.
   */
  async settled(): Promise<void> {
    this.#running = this.#running.catch(() => undefined).then(() => this.#runSteps())
    await this.#running
  }

  async #runSteps(): Promise<void> {
    const steps = this.#steps.splice(0)
    await this.#world.settle()
    for (const [i, step] of steps.entries()) {
      const next = steps.slice(i).find(({ isStop }) => isStop)
      if (next?.isDeath === true && !step.isDeath) this.#world.holdFlushes()
      await step.run()
      await this.#world.settle()
    }
    this.#world.releaseFlushes()
    await this.#world.settle()
  }

  /** The results that a sink has taken, in order, as its JSON reads. */
  async output<Result = Readonly<Record<string, unknown>>>(sink: string): Promise<Result[]> {
    this.#checkSink(sink, false)
    await this.settled()
    return this.#world.output(sink).map((text) => JSON.parse(text) as Result)
  }

  /** What was set aside, in order: late, undecodable, refused or failing records. */
  async deadLetters(): Promise<DeadLetter[]> {
    await this.settled()
    return this.#world.deadLetters().map((text) => JSON.parse(text) as DeadLetter)
  }

  /**
   * The row of a key in a sink that is a table (see the option `tables`); of a table by window, a Map
   * from result time to row. Undefined when there is none.
   */
  async table<Row = unknown>(name: string, key: Key): Promise<Row | undefined> {
    this.#checkSink(name, true)
    const cells = await this.state(name, key)
    const row = cells?.['row'] as { readonly value: unknown } | undefined
    return (row === undefined ? cells?.['rows'] : row.value) as Row | undefined
  }

  /**
   * The committed state of a key of an operator: its cells by name (values as they are, lists as
   * arrays, maps as Maps, cells by time as arrays of [time, value]); undefined when the key has none.
   */
  async state(operator: string, key: Key): Promise<Record<string, unknown> | undefined> {
    await this.settled()
    return this.#world.state(operator, key)
  }

  /**
   * Why a window of a key has not fired, or that it has: as `millrace explain window` says it.
   * @param time any time inside the window.
   * @throws ConfigError when the job has no such operator, or one without windows.
   */
  async explainWindow(operator: string, key: Key, time: Timestamp): Promise<Explanation> {
    await this.settled()
    return this.#world.explainWindow(operator, key, time)
  }

  /** Records taken, late records, dead letters and windows fired, since the state was created. */
  async counters(): Promise<Counters> {
    await this.settled()
    return readEpochRow(this.#world.store())?.counters ?? NO_COUNTERS
  }

  /** Whether all inputs have ended and every result was made. */
  async finished(): Promise<boolean> {
    await this.settled()
    return readEpochRow(this.#world.store())?.finished ?? false
  }

  /** The newest epoch that is durable. */
  async epoch(): Promise<number> {
    await this.settled()
    return readEpochRow(this.#world.store())?.epoch ?? 0
  }

  /**
   * Runs what was noted, and ends the job.
   * @throws what ended the job; Error when a crash or kill waited for a moment that never came.
   */
  async close(): Promise<void> {
    try {
      await this.settled()
    } finally {
      await this.#world.close()
    }
    const waiting = this.#world.waitingDeath
    if (waiting !== undefined) throw new Error(`${waiting}, which never came`)
  }

  #checkSource(name: string): void {
    const known = namesOf(this.#definition.graph, 'source')
    if (known.includes(name)) return
    throw new ConfigError(`the job has no source '${name}'; it has ${known.join(', ')}`)
  }

  #checkSink(name: string, isTable: boolean): void {
    const known = namesOf(this.#definition.graph, 'sink')
    if (!known.includes(name)) {
      throw new ConfigError(`the job has no sink '${name}'; it has ${known.join(', ')}`)
    }
    if (Object.hasOwn(this.#options.tables ?? {}, name) === isTable) return
    throw new ConfigError(
      isTable
        ? `sink '${name}' is not a table in this test; say so: testJob(job, { tables: { ${JSON.stringify(name)}: 'key' } })`
        : `sink '${name}' is a table; read it with table('${name}', key)`,
    )
  }
}
