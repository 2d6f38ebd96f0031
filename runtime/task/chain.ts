/**
 * Turns a job's graph into the chain of functions through which its records run: built from the sinks
 * backwards, because each step is made with the step behind it.
 */
import { IntervalJoinOperator } from '../../operators/join/interval-join.ts'
import type { KeyedOperator, Push, StepContext } from '../../operators/operator.ts'
import type { StateSpec } from '../../operators/state.ts'
import { SlidingOperator } from '../../operators/window/sliding-operator.ts'
import { TableOperator, WindowTableOperator } from '../../operators/table.ts'
import { ConfigError, invariant } from '../errors.ts'
import {
  type AnyOperator,
  type Graph,
  type GraphNode,
  inputsOf,
  type NodeId,
  type NodeOf,
  nodesOf,
  sharedName,
} from '../pipeline/graph.ts'
import type { Store } from '../state/store.ts'
import { type Horizon, TimedOperator } from '../time/horizon.ts'
import { TimerQueue } from '../time/timer-queue.ts'
import { WatermarkHolder } from '../time/watermark.ts'
import { ActorCache, type CacheLimits } from './actor-cache.ts'
import type { ExchangeOutput } from './exchange-output.ts'
import type { FailureDesk } from './failure-desk.ts'
import type { JobRow } from './meta.ts'
import type { Host } from './host.ts'
import { JoinHost } from './join-host.ts'
import { type HostOutputs, OperatorHost } from './operator-host.ts'
import type { Outbox } from './outbox.ts'
import type { OperatorShape } from './shape.ts'
import { TimePlaces } from './time-places.ts'
import { SessionHost } from './session-host.ts'
import { SliceHost } from './slice-host.ts'
import { SlidingHost } from './sliding-host.ts'

/** How a table of the manifest keeps its rows. */
export type TableKind = 'key' | 'window'

/** The keyed operators of a graph by name: those of the pipeline, and one for each table. */
export function keyedOperators(
  graph: Graph,
  tables: ReadonlyMap<string, TableKind>,
): Map<string, AnyOperator> {
  const operators = new Map<string, AnyOperator>()
  for (const node of nodesOf(graph, 'keyed')) operators.set(node.name, node.make())
  for (const [name, kind] of tables) {
    if (operators.has(name)) {
      throw new ConfigError(
        `the table '${name}' has the name of an operator, and state is kept under both; rename one of them`,
      )
    }
    operators.set(name, kind === 'key' ? new TableOperator() : new WindowTableOperator())
  }
  return operators
}

/** What a state has to have for these operators. */
export function operatorShapes(
  graph: Graph,
  operators: ReadonlyMap<string, AnyOperator>,
): Record<string, OperatorShape> {
  const layouts = new Map(nodesOf(graph, 'keyed').map(({ name, layout }) => [name, layout]))
  const shapes: [string, OperatorShape][] = []
  for (const [name, operator] of operators) {
    const layout = layouts.get(name)
    const made = layout === undefined ? {} : { layout }
    if ('kind' in operator) {
      const cells = operator.kind === 'slices' ? ['slices:slices'] : ['sessions:value']
      shapes.push([name, { version: operator.version, cells, ...made }])
      continue
    }
    shapes.push([name, { ...shapeOf(operator.state), ...made }])
    if (operator.shared !== undefined) {
      shapes.push([sharedName(name), shapeOf(operator.shared.state)])
    }
  }
  return Object.fromEntries(shapes)
}

function shapeOf({ version, cells, upcasters }: StateSpec): OperatorShape {
  return {
    version,
    cells: Object.entries(cells).map(([cell, { kind }]) => `${cell}:${kind}`),
    ...(upcasters !== undefined && { upcasts: Object.keys(upcasters).map(Number) }),
  }
}

export interface ChainOptions {
  readonly graph: Graph
  readonly operators: ReadonlyMap<string, AnyOperator>
  readonly job: JobRow
  readonly store: Store
  /** The newest epoch in the store; 0 in a fresh state. */
  readonly lastEpoch: number
  readonly outboxes: ReadonlyMap<string, Outbox>
  /** What leads to other tasks, by the name of its sink in the graph. */
  readonly exchanges: ReadonlyMap<string, ExchangeOutput>
  readonly sourceWatermarks: ReadonlyMap<string, WatermarkHolder>
  readonly horizon: Horizon
  readonly cache: CacheLimits
  readonly now: () => number
  readonly failures: FailureDesk
  readonly reject: (reason: string, operator: string, key: unknown) => void
  readonly late: (operator: string) => HostOutputs['late']
}

export interface Chain {
  /** Where the values of each source enter. */
  readonly entries: ReadonlyMap<string, Push>
  /** Keyed operators, those that feed others first. */
  readonly hosts: readonly Host[]
  readonly times: TimePlaces
}

export function buildChain(options: ChainOptions): Chain {
  return new ChainBuilder(options).build()
}

class ChainBuilder {
  readonly #options: ChainOptions
  readonly #times: TimePlaces
  /** Where values enter a node, by the place of their input among the node's inputs. */
  readonly #pushes = new Map<NodeId, (place: number) => Push>()
  readonly #hosts: Host[] = []
  readonly #timed: TimedOperator[] = []

  constructor(options: ChainOptions) {
    this.#options = options
    this.#times = new TimePlaces(options.graph, options.sourceWatermarks)
  }

  build(): Chain {
    const { nodes } = this.#options.graph
    for (const node of nodes.toReversed()) this.#pushes.set(node.id, this.#pushOf(node))
    this.#options.horizon.watch(this.#timed.toReversed())
    const sources = nodesOf(this.#options.graph, 'source')
    return {
      entries: new Map(sources.map((node) => [node.name, this.#outputOf(node.id)])),
      hosts: this.#hosts.toReversed(),
      times: this.#times,
    }
  }

  /** What a node does with a value of each of its inputs. */
  #pushOf(node: GraphNode): (place: number) => Push {
    if (node.kind === 'keyed') {
      const host = this.#host(node, this.#outputsOf(node))
      return (place) => host.pushOf(place)
    }
    const push = this.#onlyPushOf(node)
    return () => push
  }

  #onlyPushOf(node: Exclude<GraphNode, { kind: 'keyed' }>): Push {
    switch (node.kind) {
      case 'source':
      case 'union':
      case 'side':
        return this.#outputOf(node.id)
      case 'step':
        return node.step(this.#outputOf(node.id), this.#contextOf(node.name))
      case 'sink':
        return this.#sinkOf(node)
    }
  }

  /** Hands a node's values to all nodes that read it. */
  #outputOf(id: NodeId): Push {
    const readers = this.#options.graph.nodes.filter((node) => node.kind !== 'side')
    return fanOut(
      readers.flatMap((reader) =>
        inputsOf(reader).flatMap((input, place) => (input === id ? this.#into(reader, place) : [])),
      ),
    )
  }

  #into(reader: GraphNode, place: number): Push {
    const pushOf = this.#pushes.get(reader.id)
    invariant(pushOf !== undefined, `node ${reader.id} is built before what it reads`)
    return pushOf(place)
  }

  #outputsOf(node: NodeOf<'keyed'>): HostOutputs {
    const sides = nodesOf(this.#options.graph, 'side').filter((side) => side.input === node.id)
    const names = [...new Set(sides.map((side) => side.side))]
    const pushes = names.map((name): [string, Push] => {
      const readers = sides.filter((side) => side.side === name)
      return [name, fanOut(readers.map((side) => this.#into(side, 0)))]
    })
    return {
      main: this.#outputOf(node.id),
      sides: Object.fromEntries(pushes),
      late: this.#options.late(node.name),
    }
  }

  #sinkOf(node: NodeOf<'sink'>): Push {
    const exchange = this.#options.exchanges.get(node.name)
    if (exchange !== undefined) return this.#intoExchange(node, exchange)
    const outbox = this.#options.outboxes.get(node.name)
    if (outbox !== undefined) return this.#intoOutbox(node.name, outbox)
    // A sink without an outbox is a table: an operator of this task.
    const table = this.#host(node, {
      main: () => undefined,
      sides: {},
      late: this.#options.late(node.name),
    })
    return table.pushOf(0)
  }

  /** A result that cannot be encoded (a bigint in JSON) is the job's fault, and named so. */
  #intoOutbox(sink: string, outbox: Outbox): Push {
    const { failures } = this.#options
    return (value, time, key) => {
      try {
        outbox.push(value, time, key)
      } catch (error) {
        throw failures.unwritable(sink, error, key)
      }
    }
  }

  #intoExchange(node: NodeOf<'sink'>, exchange: ExchangeOutput): Push {
    const { failures } = this.#options
    exchange.follow(this.#times.before(node))
    return (value, time, key) => {
      try {
        exchange.push(value, time, key)
      } catch (error) {
        throw failures.untravelled(node.name, error, key)
      }
    }
  }

  #contextOf(name: string): StepContext {
    const { failures, reject } = this.#options
    return {
      recover: (failure, again) => failures.recover(name, failure, again),
      reject: (reason, key) => reject(reason, name, key),
    }
  }

  #host(node: NodeOf<'keyed' | 'sink'>, outputs: HostOutputs): Host {
    const { name } = node
    const { store, operators, job, lastEpoch, cache, now, failures } = this.#options
    const operator = operators.get(name)
    const number = job.operators[name]?.number
    invariant(operator !== undefined && number !== undefined, `operator '${name}' is known`)
    const watermark = this.#times.before(node)
    // Behind a table nobody asks for the time, and its place is that of its input.
    const output = node.kind === 'keyed' ? this.#times.behind(node) : new WatermarkHolder()
    const holdBackMs = 'kind' in operator ? 0 : (operator.holdBackMs ?? 0)
    const places = { before: watermark, behind: output, holdBackMs }
    const timed = new TimedOperator(this.#options.horizon, places)
    this.#timed.push(timed)
    const timers = (clock: 'event' | 'processing'): TimerQueue => {
      if (clock === 'processing')
        return new TimerQueue({ store, operator: number, clock }, lastEpoch)
      const { onAdd } = timed
      const queue = new TimerQueue({ store, operator: number, clock, onAdd }, lastEpoch)
      timed.waitsBy(queue)
      return queue
    }
    const common = { name, watermark, output, now, outputs, failures }
    const earlier = job.operators[name]?.earlier ?? []
    const kept = { store, name, limits: cache, mayHaveStored: lastEpoch > 0 }
    const actorsOf = (state: StateSpec, of: string): ActorCache => {
      const stored = job.operators[of]
      invariant(stored !== undefined, `the state of '${of}' is known`)
      return new ActorCache({
        ...kept,
        operator: stored.number,
        state,
        earlier: stored.earlier ?? [],
      })
    }
    const makeHost = (): Host => {
      const dense = { ...common, ...kept, number }
      if (!('kind' in operator)) {
        const eventTimers = timers('event')
        // Rows of an earlier version are read by key actors.
        if (operator instanceof SlidingOperator && operator.fitsColumn && earlier.length === 0) {
          return new SlidingHost({ ...dense, operator, timers: eventTimers })
        }
        const { state, shared }: KeyedOperator = operator
        const actors = new OperatorHost({
          ...common,
          operator,
          actors: actorsOf(state, name),
          ...(shared !== undefined && { shared: actorsOf(shared.state, sharedName(name)) }),
          eventTimers,
          processingTimers: timers('processing'),
        })
        if (!(operator instanceof IntervalJoinOperator)) return actors
        const join = new JoinHost({
          ...dense,
          operator,
          timers: eventTimers,
          actors,
          onWait: timed.onAdd,
        })
        timed.waitsBy(join)
        return join
      }
      return operator.kind === 'slices'
        ? new SliceHost({ ...dense, operator, timers: timers(operator.clock) })
        : new SessionHost({ ...dense, operator, timers: timers('event') })
    }
    const host = makeHost()
    this.#hosts.push(host)
    return host
  }
}

function fanOut(pushes: readonly Push[]): Push {
  const [first, second] = pushes
  if (first === undefined) return () => undefined
  if (second === undefined) return first
  return (value, time, key) => {
    for (const push of pushes) push(value, time, key)
  }
}
