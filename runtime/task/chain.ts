/**
 * Turns a job's graph into the chain of functions through which its records run: built from the sinks
 * backwards, because each step is made with the step behind it.
 */
import type { KeyedOperator, Push, StepContext } from '../../operators/operator.ts'
import { TableOperator, WindowTableOperator } from '../../operators/table.ts'
import { ConfigError, invariant } from '../errors.ts'
import {
  type Graph,
  type GraphNode,
  inputsOf,
  type NodeId,
  type NodeOf,
  nodesOf,
} from '../pipeline/graph.ts'
import type { Store } from '../state/store.ts'
import { TimerQueue } from '../time/timer-queue.ts'
import { slowestOf, WatermarkHolder } from '../time/watermark.ts'
import { ActorCache, type CacheLimits } from './actor-cache.ts'
import type { FailureDesk } from './failure-desk.ts'
import type { JobRow, OperatorRow } from './meta.ts'
import type { Host } from './host.ts'
import { type HostOutputs, OperatorHost } from './operator-host.ts'
import type { Outbox } from './outbox.ts'

/** How a table of the manifest keeps its rows. */
export type TableKind = 'key' | 'window'

/** The keyed operators of a graph by name: those of the pipeline, and one for each table. */
export function keyedOperators(
  graph: Graph,
  tables: ReadonlyMap<string, TableKind>,
): Map<string, KeyedOperator> {
  const operators = new Map<string, KeyedOperator>()
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
export function operatorRows(
  operators: ReadonlyMap<string, KeyedOperator>,
): Record<string, Omit<OperatorRow, 'number'>> {
  const rows = [...operators].map(([name, { state }]) => {
    const cells = Object.entries(state.cells).map(([cell, { kind }]) => `${cell}:${kind}`)
    return [name, { version: state.version, cells }] as const
  })
  return Object.fromEntries(rows)
}

export interface ChainOptions {
  readonly graph: Graph
  readonly operators: ReadonlyMap<string, KeyedOperator>
  readonly job: JobRow
  readonly store: Store
  /** The newest epoch in the store; 0 in a fresh state. */
  readonly lastEpoch: number
  readonly outboxes: ReadonlyMap<string, Outbox>
  readonly sourceWatermarks: ReadonlyMap<string, WatermarkHolder>
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
}

export function buildChain(options: ChainOptions): Chain {
  return new ChainBuilder(options).build()
}

class ChainBuilder {
  readonly #options: ChainOptions
  readonly #watermarks = new Map<NodeId, WatermarkHolder>()
  /** Where values enter a node, by the place of their input among the node's inputs. */
  readonly #pushes = new Map<NodeId, (place: number) => Push>()
  readonly #hosts: Host[] = []

  constructor(options: ChainOptions) {
    this.#options = options
  }

  build(): Chain {
    const { nodes } = this.#options.graph
    for (const node of nodes) this.#watermarks.set(node.id, this.#watermarkBehind(node))
    for (const node of nodes.toReversed()) this.#pushes.set(node.id, this.#pushOf(node))
    const sources = nodesOf(this.#options.graph, 'source')
    return {
      entries: new Map(sources.map((node) => [node.name, this.#outputOf(node.id)])),
      hosts: this.#hosts.toReversed(),
    }
  }

  /** How far time has come behind a node. A keyed operator's own time goes on when its timers have fired. */
  #watermarkBehind(node: GraphNode): WatermarkHolder {
    if (node.kind === 'keyed') return new WatermarkHolder()
    return this.#watermarkBefore(node)
  }

  #watermarkBefore(node: GraphNode): WatermarkHolder {
    if (node.kind === 'source') {
      const holder = this.#options.sourceWatermarks.get(node.name)
      invariant(holder !== undefined, `source '${node.name}' has a watermark`)
      return holder
    }
    const inputs = inputsOf(node).map((input) => this.#watermarks.get(input))
    return slowestOf([...new Set(inputs)].filter((holder) => holder !== undefined))
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
    const timers = (clock: 'event' | 'processing'): TimerQueue =>
      new TimerQueue({ store, operator: number, clock }, lastEpoch)
    const host = new OperatorHost({
      name,
      operator,
      actors: new ActorCache({
        store,
        name,
        operator: number,
        cells: Object.values(operator.state.cells),
        limits: cache,
        mayHaveStored: lastEpoch > 0,
      }),
      eventTimers: timers('event'),
      processingTimers: timers('processing'),
      watermark: this.#watermarkBefore(node),
      output: this.#watermarks.get(node.id) ?? new WatermarkHolder(),
      now,
      outputs,
      failures,
    })
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
