/**
 * One life of a job's process, from its start to its end or its death. What it runs is the task that
 * runs in production; what it touches ends with it: after its death nothing it had in flight is
 * answered, written, delivered or called back.
 */
import type { Sink } from '../sink/sink.ts'
import type { PollResult, Source, SourceInput } from '../source/source.ts'
import type { Store } from '../state/store.ts'
import { openTask, type TaskSetup } from '../task/open-task.ts'
import type { Task, TaskEnd } from '../task/task.ts'
import type { Moment } from '../task/task-parts.ts'
import type { Clock } from '../time/clock.ts'
import type { SimulatedClock } from './simulated-clock.ts'

/** What the process is made of; the setup of its task as it is in production, and its world. */
export interface ProcessSetup extends Omit<TaskSetup, 'clock' | 'onMoment' | 'onRetry'> {
  readonly clock: SimulatedClock
  readonly onMoment: (moment: Moment) => void
}

const NEVER = new Promise<never>(() => undefined)

export class SimulatedProcess {
  readonly #setup: ProcessSetup
  readonly #timers = new Set<() => void>()
  #isAlive = true
  #flushMayPass: Promise<void> | undefined
  #letFlushPass = (): void => undefined
  task: Task | undefined
  end: TaskEnd | undefined
  failure: Error | undefined

  constructor(setup: ProcessSetup) {
    this.#setup = setup
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** Opens the task and runs it; what comes of it is found in `end` or `failure`. */
  start(): void {
    this.#run().catch((error: unknown) => {
      if (this.#isAlive) this.failure = error instanceof Error ? error : new Error(String(error))
    })
  }

  async #run(): Promise<void> {
    const { store, sources, sinks, deadLetter, onMoment } = this.#setup
    const task = await openTask({
      ...this.#setup,
      store: this.#mortalStore(store),
      clock: this.#mortalClock(),
      sources: new Map(
        [...sources].map(([name, { source, eventTime }]) => [
          name,
          { source: this.#mortalSource(source), eventTime },
        ]),
      ),
      sinks: new Map([...sinks].map(([name, sink]) => [name, this.#mortalSink(sink)])),
      deadLetter: deadLetter && this.#mortalSink(deadLetter),
      onMoment: (moment) => {
        if (this.#isAlive) onMoment(moment)
      },
      onRetry: () => undefined,
    })
    this.task = task
    const end = await task.run()
    if (this.#isAlive) this.end = end
  }

  /** From here on nothing that this process does has any effect. */
  die(): void {
    this.#isAlive = false
    for (const cancel of this.#timers) cancel()
  }

  /** Keeps commits from becoming durable until released; nothing leaves the task meanwhile (I3). */
  holdFlushes(): void {
    this.#flushMayPass ??= new Promise((resolve) => {
      this.#letFlushPass = resolve
    })
  }

  releaseFlushes(): void {
    this.#letFlushPass()
    this.#flushMayPass = undefined
  }

  async #mortal<Result>(action: () => Promise<Result>): Promise<Result> {
    if (!this.#isAlive) return await NEVER
    const result = await action()
    return this.#isAlive ? result : await NEVER
  }

  #mortalStore(store: Store): Store {
    return {
      get: (table, key) => store.get(table, key),
      range: (table, range) => store.range(table, range),
      count: (table) => store.count(table),
      view: () => store.view(),
      commit: (write, turns) => this.#mortal(() => store.commit(write, turns)),
      flushed: () =>
        this.#mortal(async () => {
          await this.#flushMayPass
          await this.#mortal(() => store.flushed())
        }),
      close: () => store.close(),
    }
  }

  #mortalSink(sink: Sink): Sink {
    return {
      encode: (out, value, time, key) => sink.encode(out, value, time, key),
      open: (owner, taken) => this.#mortal(() => sink.open(owner, taken)),
      deliver: (rows) => this.#mortal(() => sink.deliver(rows)),
      close: () => sink.close(),
    }
  }

  #mortalSource(source: Source): Source {
    return {
      inputs: async () => (await source.inputs()).map((input) => this.#mortalInput(input)),
    }
  }

  #mortalInput(input: SourceInput): SourceInput {
    return {
      id: input.id,
      open: (position) => this.#mortal(() => input.open(position)),
      poll: (): PollResult => (this.#isAlive ? input.poll() : 'pending'),
      ready: () => this.#mortal(() => input.ready()),
      isBounded: input.isBounded ?? false,
      goesOn: input.goesOn ?? false,
      get hasBacklog() {
        return input.hasBacklog ?? false
      },
      close: () => input.close(),
    }
  }

  #mortalClock(): Clock {
    const { clock } = this.#setup
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      breathe: () => this.#mortal(() => clock.breathe()),
      after: (delayMs, callback) => {
        if (!this.#isAlive) return () => undefined
        const cancel = clock.after(delayMs, () => {
          this.#timers.delete(cancel)
          callback()
        })
        this.#timers.add(cancel)
        return () => {
          this.#timers.delete(cancel)
          cancel()
        }
      },
    }
  }
}
