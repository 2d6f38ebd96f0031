/** Puts a task together from a job's graph, a store, sources and sinks. Real and simulated runs do it here. */
import type { Key } from '../../operators/operator.ts'
import { type Graph, nodesOf } from '../pipeline/graph.ts'
import { broadcastSources, exchangeName, type Routing } from '../pipeline/stages.ts'
import type { Source } from '../source/source.ts'
import type { Sink } from '../sink/sink.ts'
import type { Store } from '../state/store.ts'
import type { Clock } from '../time/clock.ts'
import type { EventTimeOptions } from '../time/event-time.ts'
import { Horizon } from '../time/horizon.ts'
import { slowestOf, type WatermarkHolder } from '../time/watermark.ts'
import type { CacheLimits } from './actor-cache.ts'
import { buildChain, keyedOperators, operatorShapes, type TableKind } from './chain.ts'
import { type DeadLetter, originalOf } from './dead-letter.ts'
import { Delivery, type Handover } from './delivery.ts'
import type { ReadingEnd, SendingEnd } from './exchange-link.ts'
import { ExchangeOutput, frames } from './exchange-output.ts'
import { type ErrorPolicy, FailureDesk } from './failure-desk.ts'
import { FrameDelivery } from './frame-delivery.ts'
import { FrameIngest } from './frame-ingest.ts'
import { Ingest } from './ingest.ts'
import {
  type EpochRow,
  type JobRow,
  NO_COUNTERS,
  type PlaceRow,
  readEpochRow,
  readJobRow,
} from './meta.ts'
import { Outbox } from './outbox.ts'
import { reconcile, type Shape } from './shape.ts'
import { Task } from './task.ts'
import type { CommitLimits, CommitTiming, Moment, MutableCounters } from './task-parts.ts'
import type { TaskInput } from './task-input.ts'
import { travelling } from './travelling.ts'

export interface TaskSource {
  readonly source: Source
  readonly eventTime: EventTimeOptions
}

/** What the task reads from another. */
export interface InboundExchange {
  /** A source of the graph. */
  readonly name: string
  /** The task that sends. */
  readonly from: string
  readonly link: ReadingEnd
  /** Whether all of it is read before what is not so, if it ends. */
  readonly comesFirst: boolean
}

/** What the task hands to others. */
export interface OutboundExchange {
  /** A sink of the graph. */
  readonly name: string
  readonly routing: Routing
  /** The tasks that read, by number within their stage. */
  readonly readers: readonly { readonly task: string; readonly link: SendingEnd }[]
}

/** A task's place among the others of its job. */
export interface TaskPlace {
  readonly task: string
  readonly row: PlaceRow
  readonly inbound: readonly InboundExchange[]
  readonly outbound: readonly OutboundExchange[]
  /** Sources whose records are read before all others', if they end. */
  readonly firstSources: ReadonlySet<string>
}

export interface TaskSetup {
  readonly graph: Graph
  readonly store: Store
  readonly clock: Clock
  /** Drawn for a fresh state. */
  readonly newRun: () => string
  readonly sources: ReadonlyMap<string, TaskSource>
  /** Sinks outside the store, by name. */
  readonly sinks: ReadonlyMap<string, Sink>
  readonly tables: ReadonlyMap<string, TableKind>
  /** Undefined when what is set aside goes to another task. */
  readonly deadLetter: Sink | undefined
  /** Where several tasks run a job. */
  readonly place?: TaskPlace
  readonly policyOf: (operator: string) => ErrorPolicy
  readonly cache: CacheLimits
  readonly commit: CommitLimits
  readonly outboxBytesMax: number
  /** Told when something outside is away and will be tried again. */
  readonly onRetry: (message: string) => void
  /** Ends the waiting of the opening for sinks that are away. */
  readonly stop?: AbortSignal
  /** Told at each moment of the commit protocol. */
  readonly onMoment?: (moment: Moment) => void
  /** Operators, sources and sinks of which the state has a part that is no longer wanted. */
  readonly dropped?: readonly string[]
  /** Told of each commit that has become durable. */
  readonly onCommit?: (timing: CommitTiming) => void
}

/** The destination of what is set aside. A name that no sink can have. */
export const DEAD_LETTER = '(dead-letter)'

/** The only task of a job; sinks know every task by it that writes to them: each has one writer, whichever that is. */
const TASK = '0'

/**
 * The task, opened: its store is brought to a durable state, its inputs stand where they were, its
 * sinks agree with the store.
 * @throws StateError when the state is of another job or shape; ConfigError, DataLossError of inputs and sinks.
 */
export async function openTask(setup: TaskSetup): Promise<Task> {
  let task: Task | undefined
  try {
    task = await new TaskBuilder(setup).build()
    await task.open()
    return task
  } catch (error) {
    await (task ?? setup.store).close()
    throw error
  }
}

/** What a job asks of its state. */
export function shapeOf(
  graph: Graph,
  named: {
    readonly tables: ReadonlyMap<string, TableKind>
    /** Names of the sinks outside the store. */
    readonly sinks: readonly string[]
    readonly sources: readonly string[]
    /** Parts of the state that are no longer wanted. */
    readonly dropped?: readonly string[]
    /** Names of what leads elsewhere. */
    readonly others?: readonly string[]
  },
): Shape {
  return {
    job: graph.job,
    operators: operatorShapes(graph, keyedOperators(graph, named.tables)),
    destinations: [...named.sinks, ...(named.others ?? [DEAD_LETTER])],
    sources: named.sources,
    ...(named.dropped !== undefined && { dropped: named.dropped }),
  }
}

/** A source that was dropped begins afresh, should there be one of its name again. */
function withoutSources(
  last: EpochRow | undefined,
  dropped: readonly string[],
): EpochRow | undefined {
  if (last === undefined || dropped.length === 0) return last
  // An input's id is its source's name and the number of the partition.
  const inputs = Object.entries(last.inputs).filter(
    ([id]) => !dropped.includes(id.slice(0, id.lastIndexOf('/'))),
  )
  return { ...last, inputs: Object.fromEntries(inputs) }
}

class TaskBuilder {
  readonly #setup: TaskSetup
  readonly #counters: MutableCounters
  readonly #ingests: TaskInput[] = []
  readonly #job: JobRow
  readonly #last
  readonly #operators
  readonly #outboxes = new Map<string, Outbox>()
  readonly #exchanges = new Map<string, ExchangeOutput>()
  readonly #frameDeliveries: FrameDelivery[] = []
  #task: Task | undefined
  readonly #horizon = new Horizon()
  #isFiring = false

  constructor(setup: TaskSetup) {
    const { store, graph, sources, sinks, tables, newRun, clock, dropped } = setup
    this.#setup = setup
    this.#operators = keyedOperators(graph, tables)
    const shape = shapeOf(graph, {
      tables,
      sinks: [...sinks.keys()],
      sources: [...sources.keys()],
      others: [
        ...(setup.deadLetter === undefined ? [] : [DEAD_LETTER]),
        ...this.#outbound.flatMap(({ name, readers }) =>
          readers.map(({ task }) => outboxName(name, task)),
        ),
      ],
      ...(dropped !== undefined && { dropped }),
    })
    const gone = (dropped ?? []).filter((name) => !sources.has(name))
    this.#last = withoutSources(readEpochRow(store), gone)
    const fresh = {
      run: newRun(),
      task: this.#name,
      createdAt: clock.now(),
      ...(setup.place !== undefined && { place: setup.place.row }),
    }
    this.#job = reconcile(readJobRow(store), shape, fresh, this.#last?.epoch ?? 0)
    this.#counters = { ...(this.#last?.counters ?? NO_COUNTERS) }
  }

  get #name(): string {
    return this.#setup.place?.task ?? TASK
  }

  get #outbound(): readonly OutboundExchange[] {
    return this.#setup.place?.outbound ?? []
  }

  async build(): Promise<Task> {
    const { store, clock, commit, outboxBytesMax, cache, onMoment = () => undefined } = this.#setup
    this.#makeOutboxes()
    this.#makeExchanges()
    const inputs = await this.#inputs()
    const watermarks = new Map<string, WatermarkHolder>()
    const first =
      this.#setup.place?.firstSources ?? broadcastSources(this.#setup.graph, this.#operators)
    const ingests: Ingest[] = []
    for (const { name, schema, input, eventTime } of inputs) {
      ingests.push(
        new Ingest({
          source: name,
          input,
          schema,
          eventTime,
          horizon: this.#horizon,
          first: first.has(name),
          reject: (reason) => this.#setAside(reason, {}),
          onWatermark: () => this.#fire(),
          onReady: () => this.#task?.notify(),
          onRead: () => onMoment('read'),
        }),
      )
    }
    this.#ingests.push(...this.#frameIngests(() => onMoment('read')), ...ingests)
    for (const { name } of nodesOf(this.#setup.graph, 'source')) {
      const holders = this.#ingests.filter((ingest) => ingest.source === name)
      watermarks.set(name, slowestOf(holders.map((ingest) => ingest.watermark.holder)))
    }
    const chain = buildChain({
      graph: this.#setup.graph,
      operators: this.#operators,
      job: this.#job,
      store,
      lastEpoch: this.#last?.epoch ?? 0,
      outboxes: this.#outboxes,
      exchanges: this.#exchanges,
      sourceWatermarks: watermarks,
      horizon: this.#horizon,
      cache,
      now: () => clock.now(),
      failures: this.#failureDesk(),
      reject: (reason, operator, key) =>
        this.#setAside(reason, { operator, key: key as Key | undefined }),
      late: (operator) => (_value, time, key) => this.#late(operator, time, key),
    })
    for (const ingest of this.#ingests)
      ingest.connect(chain.entries.get(ingest.source) ?? (() => undefined))
    const outboxes = [...this.#outboxes.values()]
    const deliveries: Handover[] = outboxes.map((outbox) => this.#delivery(outbox, onMoment))
    this.#task = new Task({
      store,
      clock,
      job: this.#job,
      last: this.#last,
      ingests: this.#ingests,
      hosts: chain.hosts,
      times: chain.times,
      horizon: this.#horizon,
      outboxes: [...outboxes, ...this.#frameDeliveries.map(({ outbox }) => outbox)],
      deliveries: [...deliveries, ...this.#frameDeliveries],
      exchanges: [...this.#exchanges.values()],
      commit,
      outboxBytesMax,
      counters: this.#counters,
      onMoment,
      onCommit: this.#setup.onCommit ?? (() => undefined),
    })
    return this.#task
  }

  #makeOutboxes(): void {
    const { sinks, deadLetter } = this.#setup
    for (const [name, sink] of sinks) this.#outboxes.set(name, this.#outbox(name, sink))
    if (deadLetter !== undefined)
      this.#outboxes.set(DEAD_LETTER, this.#outbox(DEAD_LETTER, deadLetter))
  }

  #outbox(name: string, sink: Sink): Outbox {
    const outbox = new Outbox({ name, destination: this.#job.destinations[name] as number, sink })
    outbox.restore(this.#setup.store, this.#last?.sinks[name], this.#last?.epoch ?? 0)
    return outbox
  }

  #makeExchanges(): void {
    for (const { name, routing, readers } of this.#outbound) {
      const deliveries = readers.map(
        ({ task, link }) =>
          new FrameDelivery(this.#outbox(outboxName(name, task), frames), link, () =>
            this.#task?.notify(),
          ),
      )
      this.#frameDeliveries.push(...deliveries)
      const output = new ExchangeOutput({
        name,
        routing,
        partition: this.#setup.place?.row.partition ?? 0,
        outboxes: deliveries.map(({ outbox }) => outbox),
        isBounded: () => this.#ingests.every(({ isBounded }) => isBounded),
      })
      this.#exchanges.set(name, output)
    }
  }

  #frameIngests(onRead: () => void): FrameIngest[] {
    return (this.#setup.place?.inbound ?? []).map(
      ({ name, from, link, comesFirst }) =>
        new FrameIngest({
          source: name,
          from,
          link,
          horizon: this.#horizon,
          first: comesFirst,
          onWatermark: () => this.#fire(),
          onReady: () => this.#task?.notify(),
          onRead,
        }),
    )
  }

  async #inputs() {
    const inputs = []
    for (const node of nodesOf(this.#setup.graph, 'source')) {
      const source = this.#setup.sources.get(node.name)
      if (source === undefined) continue
      const { eventTime } = source
      for (const input of await source.source.inputs()) {
        inputs.push({ name: node.name, schema: node.schema, input, eventTime })
      }
    }
    return inputs
  }

  #delivery(outbox: Outbox, onMoment: (moment: Moment) => void): Delivery {
    const { clock, onRetry, graph, stop } = this.#setup
    return new Delivery({
      ...(stop !== undefined && { stop }),
      outbox,
      owner: { run: this.#job.run, job: graph.job, task: TASK, destination: outbox.name },
      clock,
      onRetry,
      onMoment,
      onProgress: () => this.#task?.notify(),
    })
  }

  #failureDesk(): FailureDesk {
    return new FailureDesk({
      policyOf: this.#setup.policyOf,
      setAside: (reason, operator, { key, value }) =>
        this.#setAside(reason, { operator, key, value }),
      place: () => this.#place(),
    })
  }

  /** Timers fire between records: what fails in their turns is no fault of the record before them. */
  #fire(): boolean {
    this.#isFiring = true
    const isAll = this.#task?.onWatermark() ?? true
    this.#isFiring = false
    return isAll
  }

  /** The record being worked on. A chain is synchronous: at most one input is inside a batch's loop. */
  #current(): TaskInput | undefined {
    return this.#isFiring ? undefined : this.#ingests.find((ingest) => ingest.isRunning)
  }

  #place(): string {
    const at = this.#current()?.current
    return at === undefined ? 'a timer' : at.batch.placeOf(at.index)
  }

  #setAside(
    reason: string,
    at: { readonly operator?: string; readonly key?: Key | undefined; readonly value?: unknown },
  ): void {
    const { operator, key, value } = at
    this.#counters.deadLettered += 1
    this.#keep({
      reason,
      ...(operator !== undefined && { operator }),
      ...(key !== undefined && { key }),
      // The value of a timer's turn has no record in the input: it is kept itself.
      ...(value !== undefined && this.#current() === undefined && { value }),
    })
  }

  /** Late records are counted by their operator; unread, they are kept (I6). */
  #late(operator: string, time: number, key: Key): void {
    this.#keep({ reason: 'late: its window had fired', operator, key, time })
  }

  #keep(letter: Omit<DeadLetter, 'place'>): void {
    const ingest = this.#current()
    const at = ingest?.current
    const original = at === undefined ? {} : originalOf(at)
    const source = ingest?.from === 'sources' ? { source: ingest.source } : {}
    const kept = { ...letter, ...source, place: this.#place(), ...original }
    this.#outboxes.get(DEAD_LETTER)?.push(kept, 0, undefined)
    this.#exchanges.get(exchangeName(DEAD_LETTER))?.push(travelling(kept), 0, undefined)
  }
}

/** What the outbox to a task that reads an exchange is called. */
export const outboxName = (exchange: string, task: string): string => `${exchange}/${task}`
