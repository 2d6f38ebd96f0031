/** The fluent API: each call adds a node to the job's graph and gives the stream behind it. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type Actor, ActorOperator } from '../../operators/actor.ts'
import {
  type Aggregate,
  type AnyAggregate,
  type ResultsOf,
  together,
} from '../../operators/aggregate/aggregate.ts'
import { collect } from '../../operators/aggregate/collect.ts'
import { reduction } from '../../operators/aggregate/reduce.ts'
import type { Key, KeyedOperator } from '../../operators/operator.ts'
import type { CellSpec } from '../../operators/state.ts'
import { filter, flatMap, keyBy, map } from '../../operators/step.ts'
import { WindowOperator } from '../../operators/window/window-operator.ts'
import type { TumblingWindows, Window, WindowResult } from '../../operators/window/window.ts'
import { keyProblem } from '../state/key-codec.ts'
import type { GraphBuilder } from './graph-builder.ts'
import type { NodeId, OnError } from './graph.ts'

/** Options of any operator that runs user code. */
export interface OperatorOptions {
  /** Name of a stateless operator, for messages and the manifest; default: its kind and number. */
  readonly name?: string
  /** What happens when the function throws: fail the job (default), or set the record aside after n attempts. */
  readonly onError?: OnError
}

/** A sink of the manifest, by name. */
export interface SinkRef {
  readonly sink: string
}

type AnyFn = (value: unknown) => unknown
type AnyOperatorAggregate = Aggregate<unknown, unknown, unknown>

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

  /** All values of this stream and the others; event time comes as far as the slowest of them. */
  union(...others: readonly Stream<Value>[]): Stream<Value> {
    const inputs = [this.node, ...others.map((other) => other.node)]
    return new Stream(this.builder, this.builder.union(inputs))
  }

  /** Hands every value to a sink of the manifest. */
  to(sink: SinkRef): void {
    this.builder.sink(this.node, sink.sink, false)
  }
}

/** A stream whose values have keys; stateless operators keep them. */
export class KeyedStream<Value, K extends Key> extends Stream<Value> {
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
  window(windows: TumblingWindows): WindowedStream<Value, K> {
    return new WindowedStream(this.builder, this.node, windows)
  }

  /** Runs a key actor: the general form, with its own state and timers. */
  process<State extends Readonly<Record<string, CellSpec>>, Out, Sides>(
    actor: Actor<State, Value, Out, Sides, K> | Actor<State, Value, Out, Sides>,
    options: Omit<OperatorOptions, 'name'> = {},
  ): ProcessedStream<Out, K, Sides> {
    const definition = actor.definition as unknown as ConstructorParameters<typeof ActorOperator>[0]
    const make = (): KeyedOperator => new ActorOperator(definition)
    return new ProcessedStream(
      this.builder,
      this.builder.keyed([this.node], actor.name, 'process', make, options),
    )
  }

  override to(sink: SinkRef): void {
    this.builder.sink(this.node, sink.sink, true)
  }
}

/** The results of a key actor, and its side outputs. */
export class ProcessedStream<Out, K extends Key, Sides> extends KeyedStream<Out, K> {
  /** A side output by its name. */
  side<Name extends keyof Sides & string>(name: Name): KeyedStream<Sides[Name], K> {
    return new KeyedStream(this.builder, this.builder.side(this.node, name))
  }
}

/** The results of windows, and the records that came too late for theirs. */
export class WindowResults<Result, Value, K extends Key> extends KeyedStream<Result, K> {
  /** Records too late for their window, as they came. Unread, they go to the dead letter. */
  get late(): KeyedStream<Value, K> {
    return new KeyedStream(this.builder, this.builder.side(this.node, 'late'))
  }
}

/** A keyed stream cut into windows; choose what to make of each. */
export class WindowedStream<Value, K extends Key> {
  readonly #builder: GraphBuilder
  readonly #node: NodeId
  readonly #windows: TumblingWindows

  constructor(builder: GraphBuilder, node: NodeId, windows: TumblingWindows) {
    this.#builder = builder
    this.#node = node
    this.#windows = windows
  }

  /** Folds the values of a window into one of their own type, as they come. */
  reduce(
    name: string,
    reduce: (left: Value, right: Value) => Value,
    options: Omit<OperatorOptions, 'name'> = {},
  ): WindowResults<WindowResult<K, Value>, Value, K> {
    return this.#results(
      name,
      'reduce',
      reduction(reduce) as unknown as AnyOperatorAggregate,
      options,
    )
  }

  /** Aggregates of the values of a window by name, in one pass. */
  aggregate<Aggregates extends Readonly<Record<string, AnyAggregate<Value>>>>(
    name: string,
    aggregates: Aggregates,
    options: Omit<OperatorOptions, 'name'> = {},
  ): WindowResults<WindowResult<K, ResultsOf<Aggregates>>, Value, K> {
    return this.#results(name, 'aggregate', together(aggregates), options)
  }

  /** Calls a function with all values of a window; the state grows with the window. */
  apply<Out>(
    name: string,
    apply: (
      values: readonly Value[],
      at: { readonly key: K; readonly window: Window },
    ) => Iterable<Out>,
    options: Omit<OperatorOptions, 'name'> = {},
  ): KeyedStream<Out, K> {
    const collected: WindowResults<WindowResult<K, readonly Value[]>, Value, K> = this.#results(
      name,
      'apply',
      collect<Value>() as unknown as AnyOperatorAggregate,
      options,
    )
    return collected.flatMap(({ value, key, window }) => apply(value, { key, window }), {
      ...options,
      name: `${name}.apply`,
    })
  }

  #results<Result>(
    name: string,
    label: string,
    aggregate: AnyOperatorAggregate,
    options: Omit<OperatorOptions, 'name'>,
  ): WindowResults<Result, Value, K> {
    const windows = this.#windows
    const make = (): KeyedOperator => new WindowOperator(windows, aggregate)
    const described = `tumbling ${windows.sizeMs} ms · ${label}`
    return new WindowResults(
      this.#builder,
      this.#builder.keyed([this.#node], name, described, make, options),
    )
  }
}

/** Declares a source of the manifest, by name, with the schema of its values. */
export interface SourceFunction {
  <Schema extends StandardSchemaV1>(
    name: string,
    schema: Schema,
    options?: {
      /** Event time of a value in milliseconds; default: the field that the manifest names. */
      readonly time?: (value: StandardSchemaV1.InferOutput<Schema>) => number
    },
  ): Stream<StandardSchemaV1.InferOutput<Schema>>
}
