/** The fluent API: each call adds a node to the job's graph and gives the stream behind it. */
import type { Actor } from '../../operators/actor.ts'
import { ActorOperator } from '../../operators/actor-operator.ts'
import { DeduplicateOperator, type DeduplicateOptions } from '../../operators/deduplicate.ts'
import type { AnyAggregate, ResultsOf } from '../../operators/aggregate/aggregate.ts'
import type { LateRecord } from '../../operators/join/join-kind.ts'
import type { Key, KeyedOperator } from '../../operators/operator.ts'
import type { CellSpec } from '../../operators/state.ts'
import { filter, flatMap, keyBy, map } from '../../operators/step.ts'
import type { WindowSpec } from '../../operators/window/window-spec.ts'
import type { AllWindowResult, WindowResult } from '../../operators/window/window.ts'
import { ConfigError } from '../errors.ts'
import { keyProblem } from '../state/key-codec.ts'
import type { GraphBuilder } from './graph-builder.ts'
import type { NodeId, OnError } from './graph.ts'
import { intervalJoinOf, type Joins, joinsOf } from './joins.ts'
import { type AnyWindows, windowNode, type WindowUse } from './window-nodes.ts'

/** Options of any operator that runs user code. */
export interface OperatorOptions {
  /** Name of a stateless operator, for messages and the manifest; default: its kind and number. */
  readonly name?: string
  /** What happens when the function throws: fail the job (default), or set the record aside after n attempts. */
  readonly onError?: OnError
}

/** Options of an operator that has its name as an argument. */
export type ErrorOptions = Omit<OperatorOptions, 'name'>

/** A sink of the manifest, by name. */
export interface SinkRef {
  readonly sink: string
}

type AnyFn = (value: unknown) => unknown
type Reduce<Value> = (left: Value, right: Value) => Value
type AnyReduce = (left: unknown, right: unknown) => unknown

/** A stream of values of one type. */
export class Stream<Value> {
  protected readonly builder: GraphBuilder
  protected readonly node: NodeId

  constructor(builder: GraphBuilder, node: NodeId) {
    this.builder = builder
    this.node = node
  }

  protected step(
    label: string,
    step: Parameters<GraphBuilder['step']>[2],
    options: OperatorOptions,
  ): NodeId {
    return this.builder.step(this.node, label, step, options)
  }

  /** One value for each value. */
  map<Out>(fn: (value: Value) => Out, options: OperatorOptions = {}): Stream<Out> {
    return new Stream(this.builder, this.step('map', map(fn as AnyFn), options))
  }

  /** Keeps the values for which the predicate is true. */
  filter(predicate: (value: Value) => boolean, options: OperatorOptions = {}): Stream<Value> {
    const step = filter(predicate as (value: unknown) => boolean)
    return new Stream(this.builder, this.step('filter', step, options))
  }

  /** Any number of values for each value. */
  flatMap<Out>(fn: (value: Value) => Iterable<Out>, options: OperatorOptions = {}): Stream<Out> {
    const step = flatMap(fn as (value: unknown) => Iterable<unknown>)
    return new Stream(this.builder, this.step('flatMap', step, options))
  }

  /**
   * Gives each value its key: finite numbers, or text of at most 1 kB. Records whose key is something
   * else go to the dead letter.
   */
  keyBy<K extends Key>(
    fn: (value: Value) => K,
    options: OperatorOptions = {},
  ): KeyedStream<Value, K> {
    const step = keyBy(fn as (value: unknown) => Key, keyProblem)
    return new KeyedStream(this.builder, this.step('keyBy', step, options))
  }

  /** Groups all values into windows, whatever their keys: one key actor takes them all. */
  windowAll(windows: WindowSpec<Value>): AllWindowedStream<Value> {
    const all = this.step(
      'windowAll',
      keyBy(() => ALL, keyProblem),
      {},
    )
    return new AllWindowedStream(this.builder, all, windows)
  }

  /**
   * All values of this stream and the others, each stream in its own order, and sources among each
   * other in turn: one batch of each that has one, in the order in which they are declared. Event time
   * comes as far as the slowest of them.
   */
  union(...others: readonly Stream<Value>[]): Stream<Value> {
    const inputs = [this.node, ...others.map((other) => other.node)]
    return new Stream(this.builder, this.builder.union(inputs))
  }

  /** The inputs of an operator that reads this stream and another one. */
  protected inputsWith(other: unknown, operator: string): readonly NodeId[] {
    if (!(other instanceof Stream) || other.builder !== this.builder) {
      throw new ConfigError(
        `operator '${operator}' is given something that is no stream of this job; give it a stream that this job's source made`,
      )
    }
    return [this.node, other.node]
  }

  /** Hands every value to a sink of the manifest. */
  to(sink: SinkRef): void {
    this.builder.sink(this.node, sink.sink, false)
  }
}

/** A stream whose values have keys; stateless operators keep them. */
export class KeyedStream<Value, K extends Key> extends Stream<Value> {
  readonly #joins = joinsOf<Value, K>({
    builder: this.builder,
    inputsWith: (other, operator) => this.inputsWith(other, operator),
    keyed: (node) => new KeyedStream(this.builder, node),
    joined: (node, operator) => new JoinResults(this.builder, node, operator),
    processed: (node) => new ProcessedStream(this.builder, node),
  })

  // Their rules are in joins.ts.
  /** Joins with values whose time is within an interval around each value's own. */
  readonly intervalJoin: Joins<Value, K>['intervalJoin'] = this.#joins.intervalJoin
  /** An interval join of pairs only. */
  readonly innerJoin = intervalJoinOf<Value, K, 'inner'>(this.#joins, 'inner')
  /** An interval join in which left values without a partner leave alone. */
  readonly leftJoin = intervalJoinOf<Value, K, 'left'>(this.#joins, 'left')
  /** An interval join in which right values without a partner leave alone. */
  readonly rightJoin = intervalJoinOf<Value, K, 'right'>(this.#joins, 'right')
  /** An interval join in which values of both sides leave alone when they found no partner. */
  readonly outerJoin = intervalJoinOf<Value, K, 'outer'>(this.#joins, 'outer')
  /** Calls a function with the values of both streams in each window. */
  readonly coGroup: Joins<Value, K>['coGroup'] = this.#joins.coGroup
  /** Joins with every value in the same window. */
  readonly windowJoin: Joins<Value, K>['windowJoin'] = this.#joins.windowJoin
  /** Joins with the newest value that is not newer, by event time. */
  readonly asOfJoin: Joins<Value, K>['asOfJoin'] = this.#joins.asOfJoin
  /** Joins with the row that a table has when a value is processed. */
  readonly joinTable: Joins<Value, K>['joinTable'] = this.#joins.joinTable
  /** Joins two tables into one, which changes when either does. */
  readonly joinTables: Joins<Value, K>['joinTables'] = this.#joins.joinTables
  /** Runs a key actor of two inputs. */
  readonly connect: Joins<Value, K>['connect'] = this.#joins.connect
  /** Runs a key actor that reads what all keys share and another stream changes. */
  readonly withBroadcast: Joins<Value, K>['withBroadcast'] = this.#joins.withBroadcast

  override map<Out>(fn: (value: Value) => Out, options: OperatorOptions = {}): KeyedStream<Out, K> {
    return new KeyedStream(this.builder, this.step('map', map(fn as AnyFn), options))
  }

  override filter(
    predicate: (value: Value) => boolean,
    options: OperatorOptions = {},
  ): KeyedStream<Value, K> {
    const step = filter(predicate as (value: unknown) => boolean)
    return new KeyedStream(this.builder, this.step('filter', step, options))
  }

  override flatMap<Out>(
    fn: (value: Value) => Iterable<Out>,
    options: OperatorOptions = {},
  ): KeyedStream<Out, K> {
    const step = flatMap(fn as (value: unknown) => Iterable<unknown>)
    return new KeyedStream(this.builder, this.step('flatMap', step, options))
  }

  /** Groups each key's values into windows. */
  window(windows: WindowSpec<Value>): WindowedStream<Value, K> {
    return new WindowedStream(this.builder, this.node, windows)
  }

  /** Runs a key actor: the general form, with its own state and timers. */
  process<State extends Readonly<Record<string, CellSpec>>, Out, Sides>(
    actor: Actor<State, Value, Out, Sides, K> | Actor<State, Value, Out, Sides>,
    options: Omit<OperatorOptions, 'name'> = {},
  ): ProcessedStream<Out, K, Sides> {
    const definition = actor.definition as unknown as ConstructorParameters<typeof ActorOperator>[0]
    const make = (): KeyedOperator => new ActorOperator(definition, actor.name)
    return new ProcessedStream(
      this.builder,
      this.builder.keyed([this.node], actor.name, 'process', make, options),
    )
  }

  /**
   * Keeps the first value of each key, and sets aside those less than `within` away from it in event
   * time. First is what comes first; values too late to tell are late.
   */
  deduplicate(name: string, options: DeduplicateOptions): DeduplicatedStream<Value, K> {
    const operator = new DeduplicateOperator(name, options)
    return new DeduplicatedStream(
      this.builder,
      this.builder.keyed([this.node], name, 'deduplicate', () => operator, {}),
    )
  }

  override to(sink: SinkRef): void {
    this.builder.sink(this.node, sink.sink, true)
  }
}

/** The first values of each key, and what was set aside. */
export class DeduplicatedStream<Value, K extends Key> extends KeyedStream<Value, K> {
  /** Values of which an equal one was kept before. Unread, they are dropped. */
  get duplicates(): KeyedStream<Value, K> {
    return new KeyedStream(this.builder, this.builder.side(this.node, 'duplicates'))
  }

  /** Values too late to tell. Unread, they go to the dead letter. */
  get late(): KeyedStream<Value, K> {
    return new KeyedStream(this.builder, this.builder.side(this.node, 'late'))
  }
}

/** The results of a join, and the values that came too late for it. */
export class JoinResults<Result, Left, Right, K extends Key> extends KeyedStream<Result, K> {
  readonly #operator: NodeId

  constructor(builder: GraphBuilder, node: NodeId, operator: NodeId = node) {
    super(builder, node)
    this.#operator = operator
  }

  /** Values too late for the join, and the side they came from. Unread, they go to the dead letter. */
  get late(): KeyedStream<LateRecord<Left, Right>, K> {
    return new KeyedStream(this.builder, this.builder.side(this.#operator, 'late'))
  }
}

/** The results of a key actor, and its side outputs. */
export class ProcessedStream<Out, K extends Key, Sides> extends KeyedStream<Out, K> {
  /** A side output by its name. */
  side<Name extends keyof Sides & string>(name: Name): KeyedStream<Sides[Name], K> {
    return new KeyedStream(this.builder, this.builder.side(this.node, name))
  }
}

/** The key of what has none. */
const ALL = ''

/** What a function of a window is told beside its values. */
export type WindowOf<Result> = Omit<Result, 'value'>

/** The results of windows, and the records that came too late for theirs. */
export class WindowResults<Result, Value, K extends Key> extends KeyedStream<Result, K> {
  readonly #operator: NodeId

  constructor(builder: GraphBuilder, node: NodeId, operator: NodeId = node) {
    super(builder, node)
    this.#operator = operator
  }

  /** Records too late for their window, as they came. Unread, they go to the dead letter. */
  get late(): KeyedStream<Value, K> {
    return new KeyedStream(this.builder, this.builder.side(this.#operator, 'late'))
  }
}

/** The results of windows over all keys, and the records that came too late for theirs. */
export class AllWindowResults<Result, Value> extends Stream<Result> {
  readonly #operator: NodeId

  constructor(builder: GraphBuilder, node: NodeId, operator: NodeId = node) {
    super(builder, node)
    this.#operator = operator
  }

  /** Records too late for their window, as they came. Unread, they go to the dead letter. */
  get late(): Stream<Value> {
    return new Stream(this.builder, this.builder.side(this.#operator, 'late'))
  }
}

/** A stream cut into windows: adds the nodes of what is made of them. */
class WindowNodes {
  readonly #builder: GraphBuilder
  readonly #node: NodeId
  readonly #windows: AnyWindows
  readonly #keyed: boolean

  constructor(builder: GraphBuilder, node: NodeId, windows: AnyWindows, keyed: boolean) {
    this.#builder = builder
    this.#node = node
    this.#windows = windows
    this.#keyed = keyed
  }

  /** @returns the node of the results, and that whose side output has the late records. */
  operator(name: string, use: WindowUse, options: ErrorOptions): readonly [NodeId, NodeId] {
    const node = windowNode(this.#windows, use, this.#keyed)
    const { label, layout, warnings, make, makeSlices } = node
    const all = { ...options, warnings, layout, windows: this.#windows }
    if (makeSlices === undefined) {
      const only = this.#builder.keyed([this.#node], name, label, make, all)
      return [only, only]
    }
    const slices = this.#builder.keyed([this.#node], `${name}.slices`, 'slices', makeSlices, {
      ...options,
      layout,
    })
    return [this.#builder.keyed([slices], name, label, make, all), slices]
  }

  /** @returns as operator(). */
  apply(name: string, apply: AnyApply, options: ErrorOptions): readonly [NodeId, NodeId] {
    const [operator, late] = this.operator(name, { kind: 'apply' }, options)
    const step = flatMap((result) => {
      const { value, ...of } = result as AllWindowResult<readonly unknown[]>
      return apply(value, of)
    })
    const named = { ...options, name: `${name}.apply` }
    return [this.#builder.step(operator, 'flatMap', step, named), late]
  }
}

type AnyApply = (
  values: readonly unknown[],
  of: WindowOf<AllWindowResult<unknown>>,
) => Iterable<unknown>

/** A keyed stream cut into windows; choose what to make of each. */
export class WindowedStream<Value, K extends Key> {
  readonly #builder: GraphBuilder
  readonly #nodes: WindowNodes

  constructor(builder: GraphBuilder, node: NodeId, windows: AnyWindows) {
    this.#builder = builder
    this.#nodes = new WindowNodes(builder, node, windows, true)
  }

  /** Folds the values of a window into one of their own type, as they come. */
  reduce(
    name: string,
    reduce: Reduce<Value>,
    options: ErrorOptions = {},
  ): WindowResults<WindowResult<K, Value>, Value, K> {
    const use: WindowUse = { kind: 'reduce', reduce: reduce as AnyReduce }
    return new WindowResults(this.#builder, ...this.#nodes.operator(name, use, options))
  }

  /** Aggregates of the values of a window by name, in one pass. */
  aggregate<Aggregates extends Readonly<Record<string, AnyAggregate<Value>>>>(
    name: string,
    aggregates: Aggregates,
    options: ErrorOptions = {},
  ): WindowResults<WindowResult<K, ResultsOf<Aggregates>>, Value, K> {
    const use: WindowUse = { kind: 'aggregate', aggregates }
    return new WindowResults(this.#builder, ...this.#nodes.operator(name, use, options))
  }

  /** Calls a function with all values of a window; the state grows with the window. */
  apply<Out>(
    name: string,
    apply: (values: readonly Value[], of: WindowOf<WindowResult<K, unknown>>) => Iterable<Out>,
    options: ErrorOptions = {},
  ): WindowResults<Out, Value, K> {
    return new WindowResults(this.#builder, ...this.#nodes.apply(name, apply as AnyApply, options))
  }
}

/** A stream cut into windows over all its keys; choose what to make of each. */
export class AllWindowedStream<Value> {
  readonly #builder: GraphBuilder
  readonly #nodes: WindowNodes

  constructor(builder: GraphBuilder, node: NodeId, windows: AnyWindows) {
    this.#builder = builder
    this.#nodes = new WindowNodes(builder, node, windows, false)
  }

  /** Folds the values of a window into one of their own type, as they come. */
  reduce(
    name: string,
    reduce: Reduce<Value>,
    options: ErrorOptions = {},
  ): AllWindowResults<AllWindowResult<Value>, Value> {
    const use: WindowUse = { kind: 'reduce', reduce: reduce as AnyReduce }
    return new AllWindowResults(this.#builder, ...this.#nodes.operator(name, use, options))
  }

  /** Aggregates of the values of a window by name, in one pass. */
  aggregate<Aggregates extends Readonly<Record<string, AnyAggregate<Value>>>>(
    name: string,
    aggregates: Aggregates,
    options: ErrorOptions = {},
  ): AllWindowResults<AllWindowResult<ResultsOf<Aggregates>>, Value> {
    const use: WindowUse = { kind: 'aggregate', aggregates }
    return new AllWindowResults(this.#builder, ...this.#nodes.operator(name, use, options))
  }

  /** Calls a function with all values of a window; the state grows with the window. */
  apply<Out>(
    name: string,
    apply: (values: readonly Value[], of: WindowOf<AllWindowResult<unknown>>) => Iterable<Out>,
    options: ErrorOptions = {},
  ): AllWindowResults<Out, Value> {
    return new AllWindowResults(
      this.#builder,
      ...this.#nodes.apply(name, apply as AnyApply, options),
    )
  }
}
