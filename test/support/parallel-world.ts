/**
 * A job of several tasks in a simulated world: each task is a process with a disk of its own, that may be
 * killed alone; power fails for all of them at once, and each disk keeps what it likes of what was not flushed.
 */
import type { JobDefinition } from '../../runtime/pipeline/job.ts'
import { nodesOf } from '../../runtime/pipeline/graph.ts'
import { keyedOperators } from '../../runtime/task/chain.ts'
import { LocalLinks } from '../../runtime/task/exchange-link.ts'
import { layOut, type LaidTask, type Layout, placeOf } from '../../runtime/task/layout.ts'
import { readEpochRow } from '../../runtime/task/meta.ts'
import { DEAD_LETTER } from '../../runtime/task/open-task.ts'
import type { Moment } from '../../runtime/task/task-parts.ts'
import { MemoryDestination, MemorySink } from '../../runtime/testing/memory-sink.ts'
import { MemorySource } from '../../runtime/testing/memory-source.ts'
import { MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'
import { SimulatedClock } from '../../runtime/testing/simulated-clock.ts'
import { SimulatedProcess } from '../../runtime/testing/simulated-process.ts'
import { systemClock } from '../../runtime/time/clock.ts'
import type { EventTimeOptions } from '../../runtime/time/event-time.ts'

export interface ParallelOptions {
  readonly parallelism: number
  /** Sources that end, and are read before others where they are broadcast. */
  readonly bounded?: readonly string[]
  readonly commitRecordsMax?: number
  readonly outboxBytesMax?: number
  /** After how long a silent source is idle; default: never. */
  readonly idleAfterMs?: number
  /** Told at each moment of a task; may kill it. */
  readonly onMoment?: (task: string, moment: Moment) => void
}

interface Life {
  readonly laid: LaidTask
  disk: MemoryDisk
  process: SimulatedProcess
}

export class ParallelWorld {
  readonly layout: Layout
  readonly clock = new SimulatedClock()
  readonly #options: ParallelOptions
  readonly #links = new LocalLinks()
  readonly #sources = new Map<string, MemorySource>()
  readonly #destinations = new Map<string, MemoryDestination>()
  readonly #lives: Life[]
  #runs = 0

  constructor(definition: JobDefinition, options: ParallelOptions) {
    const { graph } = definition
    this.#options = options
    this.layout = layOut(graph, {
      parallelism: options.parallelism,
      operators: keyedOperators(graph, new Map()),
      sinksOfEach: new Set(),
      singleInputs: new Set(nodesOf(graph, 'source').map(({ name }) => name)),
      deadLetter: DEAD_LETTER,
    })
    for (const { name } of nodesOf(graph, 'source')) {
      const isBounded = options.bounded?.includes(name) === true
      this.#sources.set(name, new MemorySource({ name, isBounded, batchRecordsMax: 7 }))
    }
    for (const { name } of nodesOf(graph, 'sink')) {
      this.#destinations.set(name, new MemoryDestination())
    }
    this.#destinations.set(DEAD_LETTER, new MemoryDestination())
    this.#lives = this.layout.tasks.map((laid) => {
      const disk = new MemoryDisk()
      return { laid, disk, process: this.#start(laid, disk) }
    })
  }

  get tasks(): readonly string[] {
    return this.#lives.map(({ laid }) => laid.task)
  }

  #start(laid: LaidTask, disk: MemoryDisk): SimulatedProcess {
    const { graph } = laid.stage
    const sinks = nodesOf(graph, 'sink').filter(({ name }) => this.#destinations.has(name))
    const sinkOf = (name: string): MemorySink =>
      new MemorySink(this.#destinations.get(name) as MemoryDestination)
    const place = placeOf(this.layout, laid, this.#links)
    const process = new SimulatedProcess({
      graph,
      store: new MemoryStore(disk),
      clock: this.clock,
      newRun: () => `run-${++this.#runs}`,
      sources: new Map(
        nodesOf(graph, 'source').flatMap(({ name, time }) => {
          const source = this.#sources.get(name)
          return source === undefined
            ? []
            : [[name, { source, eventTime: this.#eventTimeOf(time) }]]
        }),
      ),
      sinks: new Map(
        sinks.filter(({ name }) => name !== DEAD_LETTER).map(({ name }) => [name, sinkOf(name)]),
      ),
      tables: new Map(),
      deadLetter: sinks.some(({ name }) => name === DEAD_LETTER) ? sinkOf(DEAD_LETTER) : undefined,
      policyOf: () => 'fail',
      cache: { entriesMax: 1_000, bytesMax: 1_000_000 },
      commit: {
        everyMs: 100,
        recordsMax: this.#options.commitRecordsMax ?? 1_000,
        bytesMax: 1_000_000,
      },
      outboxBytesMax: this.#options.outboxBytesMax ?? 1_000_000,
      ...(place !== undefined && { place }),
      onMoment: (moment) => this.#options.onMoment?.(laid.task, moment),
    })
    process.start()
    return process
  }

  push(source: string, ...values: readonly unknown[]): void {
    this.#sources.get(source)?.push(values, this.clock.now())
  }

  end(source: string): void {
    this.#sources.get(source)?.end()
  }

  /** The process of a task is killed: what it had committed is still there. It starts with the next settle. */
  kill(task: string): void {
    const life = this.#life(task)
    life.process.die()
    life.disk = life.disk.copy()
  }

  /** Power fails for all. @param kept how many commits a disk has kept that were not flushed. */
  losePower(kept: (unflushed: number) => number): void {
    for (const life of this.#lives) {
      life.process.die()
      life.disk = life.disk.copy()
      life.disk.losePower(kept(life.disk.committed.length))
    }
  }

  /** The next flush of a task fails: it is opened again at what was flushed before. */
  failFlush(task: string): void {
    this.#life(task).disk.flushFailure = new Error('the disk failed to flush; it was told to')
  }

  holdFlushes(task: string): void {
    this.#life(task).process.holdFlushes()
  }

  releaseFlushes(): void {
    for (const { process } of this.#lives) process.releaseFlushes()
  }

  /** Until nothing is left to do but what time or a push will bring. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      for (const life of this.#lives) {
        if (life.process.failure !== undefined) {
          if (!life.process.failure.message.includes('was told to')) throw life.process.failure
          life.process.die()
          life.disk = life.disk.copy()
          life.disk.losePower(0)
        }
        if (life.process.isAlive) continue
        life.process = this.#start(life.laid, life.disk)
        quiet = 0
      }
      await systemClock.breathe()
      if (this.clock.isBreathing) quiet = 0
    }
  }

  /** Lets the time of an epoch pass. */
  async advance(ms: number): Promise<void> {
    await this.settle()
    this.clock.advanceTo(this.clock.now() + ms)
    await this.settle()
  }

  output(sink: string): unknown[] {
    return (this.#destinations.get(sink)?.messages ?? []).map((text) => JSON.parse(text) as unknown)
  }

  /** The store of a task as its newest commit left it. */
  store(task: string): MemoryStore {
    return new MemoryStore(this.#life(task).disk)
  }

  get isFinished(): boolean {
    return this.#lives.every(({ process }) => process.end === 'finished')
  }

  /** What tasks are doing, for who reads a failure. */
  get standing(): string {
    return this.#lives
      .map(({ laid, process }) => {
        const last = readEpochRow(this.store(laid.task))
        const inputs = Object.entries(last?.inputs ?? {}).map(
          ([id, row]) => `${id}@${JSON.stringify(row.position)}`,
        )
        return `${laid.task} (${laid.stage.name}): epoch ${last?.epoch}, ${process.end ?? 'running'}, ${inputs.join(' ')}`
      })
      .join('\n')
  }

  #eventTimeOf(time: ((value: unknown) => number) | undefined): EventTimeOptions {
    return {
      of: time ?? ({ field: 'at', unit: 'ms' } as const),
      progressive: true,
      outOfOrderMs: 0,
      idleAfterMs: this.#options.idleAfterMs ?? Number.POSITIVE_INFINITY,
      maxAheadMs: Number.MAX_SAFE_INTEGER,
      minTime: Number.MIN_SAFE_INTEGER,
    }
  }

  #life(task: string): Life {
    const life = this.#lives.find(({ laid }) => laid.task === task)
    if (life === undefined) throw new Error(`there is no task ${task}`)
    return life
  }
}
