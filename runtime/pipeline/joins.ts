/**
 * What a keyed stream can be joined with: each function here is a method of KeyedStream. Both sides
 * have keys of one type, and a value meets those of its own key.
 */
import type { AsOfKind, AsOfOptions } from '../../operators/join/as-of-join.ts'
import type { AnyBroadcast, BroadcastDefinition } from '../../operators/join/broadcast.ts'
import type { ConnectDefinition } from '../../operators/join/connect.ts'
import type { IntervalOptions } from '../../operators/join/interval-join.ts'
import type { JoinFunction, JoinKind, LeftOf, RightOf } from '../../operators/join/join-kind.ts'
import type { LookupKind } from '../../operators/join/table-join.ts'
import type { Key } from '../../operators/operator.ts'
import type { CellSpec } from '../../operators/state.ts'
import type { WindowSpec } from '../../operators/window/window-spec.ts'
import type { WindowResult } from '../../operators/window/window.ts'
import type { GraphBuilder } from './graph-builder.ts'
import type { NodeId, OnError } from './graph.ts'
import * as nodes from './join-nodes.ts'
import type { JoinResults, KeyedStream, ProcessedStream, Stream, WindowOf } from './stream.ts'

interface ErrorOptions {
  /** What happens when the function throws: fail the job (default), or set the record aside after n attempts. */
  readonly onError?: OnError
}

export interface JoinOptions<Kind extends string = JoinKind> extends ErrorOptions {
  /** Which values leave without a partner; default 'inner': none. */
  readonly kind?: Kind
}

type Cells = Readonly<Record<string, CellSpec>>
type None = Readonly<Record<never, never>>
type Window<K> = WindowOf<WindowResult<K, unknown>>

/** An interval join of one kind. */
export type IntervalJoinOf<Left, K extends Key, Kind extends JoinKind> = <Right, Out>(
  name: string,
  right: KeyedStream<Right, K>,
  options: IntervalOptions & ErrorOptions,
  join: (left: LeftOf<Left, Kind>, right: RightOf<Right, Kind>) => Out,
) => JoinResults<Out, Left, Right, K>

export interface Joins<Left, K extends Key> {
  /**
   * Joins each value with the other stream's values whose time is within an interval around its own.
   * Values wait for as long as a partner may still come, and leave alone, if the kind says so, as soon
   * as none can. A value whose time is not behind the watermark is late. Where results may be older than
   * the watermark (by `time` and `kind`), time behind the join is held back as far as they need.
   * @throws RangeError when the interval is empty.
   */
  intervalJoin<Right, Out, Kind extends JoinKind = 'inner'>(
    this: void,
    name: string,
    right: KeyedStream<Right, K>,
    options: IntervalOptions & JoinOptions<Kind>,
    join: (left: LeftOf<Left, Kind>, right: RightOf<Right, Kind>) => Out,
  ): JoinResults<Out, Left, Right, K>
  /**
   * Calls a function with the values of both streams in each window that has any. Windows are those of
   * `window`: with their triggers, evictors, lateness and panes, over both sides together.
   */
  coGroup<Right, Out>(
    this: void,
    name: string,
    right: KeyedStream<Right, K>,
    windows: WindowSpec<Left | Right>,
    group: (lefts: readonly Left[], rights: readonly Right[], of: Window<K>) => Iterable<Out>,
    options?: ErrorOptions,
  ): JoinResults<Out, Left, Right, K>
  /**
   * Joins each value with every value of the other stream in the same window, when the window fires: by
   * the order of the left values and then of the right ones. A result has the time of its window.
   */
  windowJoin<Right, Out, Kind extends JoinKind = 'inner'>(
    this: void,
    name: string,
    right: KeyedStream<Right, K>,
    windows: WindowSpec<Left | Right>,
    options: JoinOptions<Kind>,
    join: (left: LeftOf<Left, Kind>, right: RightOf<Right, Kind>, of: Window<K>) => Out,
  ): JoinResults<Out, Left, Right, K>
  /**
   * Joins each value with the newest value of the other stream that is not newer than itself, once the
   * watermark has come to its time; of values of one time, with the later in the order of input. The
   * result has the left value's time, and is the same however the streams are interleaved. Without a
   * tolerance each key keeps one right value for ever.
   */
  asOfJoin<Right, Out, Kind extends AsOfKind = 'inner'>(
    this: void,
    name: string,
    right: KeyedStream<Right, K>,
    options: AsOfOptions & JoinOptions<Kind>,
    join: (left: Left, right: RightOf<Right, Kind>) => Out,
  ): JoinResults<Out, Left, Right, K>
  /**
   * Looks each value's key up in a table: a stream of rows, each of which replaces its key's last one,
   * in the order of input; null takes it away. A value finds what the table has when it is processed,
   * so results depend on how the two are interleaved; `asOfJoin` goes by time instead.
   */
  joinTable<Row, Out, Kind extends LookupKind = 'inner'>(
    this: void,
    name: string,
    table: KeyedStream<Row, K>,
    options: JoinOptions<Kind>,
    join: (value: Left, row: RightOf<NonNullable<Row>, Kind>) => Out,
  ): KeyedStream<Out, K>
  /**
   * Joins this table with another one (see `joinTable` for what a table is) into a table: whenever
   * either has a new row for a key, so has the result; null when its row is gone. A row has the later
   * time of the two it is made of.
   */
  joinTables<Right, Out, Kind extends JoinKind = 'inner'>(
    this: void,
    name: string,
    right: KeyedStream<Right, K>,
    options: JoinOptions<Kind>,
    join: (left: LeftOf<NonNullable<Left>, Kind>, right: RightOf<NonNullable<Right>, Kind>) => Out,
  ): KeyedStream<Out | null, K>
  /** Runs a key actor of two inputs: this stream's and another one's. */
  connect<State extends Cells, Right, Out, Sides = None>(
    this: void,
    name: string,
    right: KeyedStream<Right, K>,
    definition: ConnectDefinition<State, Left, Right, Out, Sides, K>,
    options?: ErrorOptions,
  ): ProcessedStream<Out, K, Sides>
  /**
   * Runs a key actor that reads what all keys share, and that the other stream's records change. From
   * inputs that end (files; in batch, logs up to where they stood at the start) they are all taken
   * before any other record of the job; from others as they come.
   */
  withBroadcast<Shared extends Cells, Broadcast, Out, State extends Cells = None, Sides = None>(
    this: void,
    name: string,
    broadcast: Stream<Broadcast>,
    definition: BroadcastDefinition<Shared, Broadcast, State, Left, Out, Sides, K>,
    options?: ErrorOptions,
  ): ProcessedStream<Out, K, Sides>
}

/** Where joins put their nodes, and how the streams behind these are made. */
export interface JoinPlace<Left, K extends Key> {
  readonly builder: GraphBuilder
  /** @throws ConfigError when the other one is no stream of the same job. */
  inputsWith(other: unknown, operator: string): readonly NodeId[]
  keyed<Out>(node: NodeId): KeyedStream<Out, K>
  joined<Out, Right>(node: NodeId, operator?: NodeId): JoinResults<Out, Left, Right, K>
  processed<Out, Sides>(node: NodeId): ProcessedStream<Out, K, Sides>
}

/** The joins of the keyed stream at a place. */
export function joinsOf<Left, K extends Key>(at: JoinPlace<Left, K>): Joins<Left, K> {
  const add = (
    name: string,
    other: unknown,
    node: nodes.OperatorNode,
    options: ErrorOptions = {},
  ): NodeId => {
    const { label, make, ...settings } = node
    const inputs = at.inputsWith(other, name)
    return at.builder.keyed(inputs, name, label, make, { ...options, ...settings })
  }
  return {
    intervalJoin: (name, right, options, join) =>
      at.joined(
        add(name, right, nodes.intervalJoinNode(name, options, join as JoinFunction), options),
      ),
    coGroup(name, right, windows, group, options = {}) {
      const operator = add(name, right, nodes.coGroupNode(windows), options)
      const step = nodes.groupStep(group as nodes.AnyGroup)
      const named = { ...options, name: `${name}.group` }
      return at.joined(at.builder.step(operator, 'flatMap', step, named), operator)
    },
    windowJoin(name, right, windows, options, join) {
      const { onError, kind = 'inner' } = options
      const policy = onError === undefined ? {} : { onError }
      const operator = add(name, right, nodes.windowJoinNode(name, windows, kind), policy)
      const step = nodes.pairsStep(kind, join as nodes.AnyPairFunction)
      const named = { ...policy, name: `${name}.pairs` }
      return at.joined(at.builder.step(operator, 'flatMap', step, named), operator)
    },
    asOfJoin: (name, right, options, join) =>
      at.joined(add(name, right, nodes.asOfJoinNode(name, options, join as JoinFunction), options)),
    joinTable: (name, table, options, join) =>
      at.keyed(
        add(name, table, nodes.lookupNode(name, options.kind, join as JoinFunction), options),
      ),
    joinTables: (name, right, options, join) =>
      at.keyed(
        add(name, right, nodes.tablesNode(name, options.kind, join as JoinFunction), options),
      ),
    connect: (name, right, definition, options) =>
      at.processed(add(name, right, nodes.connectNode(name, definition as never), options)),
    withBroadcast: (name, broadcast, definition, options) =>
      at.processed(
        add(
          name,
          broadcast,
          nodes.broadcastNode(name, definition as unknown as AnyBroadcast),
          options,
        ),
      ),
  }
}

/** An interval join whose kind is set. */
export const intervalJoinOf =
  <Left, K extends Key, Kind extends JoinKind>(
    { intervalJoin }: Joins<Left, K>,
    kind: Kind,
  ): IntervalJoinOf<Left, K, Kind> =>
  (name, right, options, join) =>
    intervalJoin(name, right, { ...options, kind }, join)
