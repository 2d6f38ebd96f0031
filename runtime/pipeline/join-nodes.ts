/** What the graph needs of each operator of two inputs: a label for people, and how it is made. */
import { ActorOperator } from '../../operators/actor-operator.ts'
import {
  asOfJoin,
  AsOfJoinOperator,
  type AsOfKind,
  type AsOfOptions,
} from '../../operators/join/as-of-join.ts'
import { type AnyBroadcast, BroadcastOperator } from '../../operators/join/broadcast.ts'
import { type BothSides, CoGroupOperator, pairsOf } from '../../operators/join/co-group.ts'
import { type AnyConnect, connected } from '../../operators/join/connect.ts'
import {
  intervalJoin,
  IntervalJoinOperator,
  type IntervalOptions,
} from '../../operators/join/interval-join.ts'
import { checkKind, type JoinFunction, type JoinKind } from '../../operators/join/join-kind.ts'
import {
  checkLookupKind,
  type LookupKind,
  LookupOperator,
  TableJoinOperator,
} from '../../operators/join/table-join.ts'
import type { KeyedOperator, Step } from '../../operators/operator.ts'
import { flatMap } from '../../operators/step.ts'
import type { WindowSpec } from '../../operators/window/window-spec.ts'
import { windowWarnings } from '../../operators/window/window-warnings.ts'
import type { WindowResult } from '../../operators/window/window.ts'
import type { Key } from '../../operators/operator.ts'
import { windowLayout } from './window-layout.ts'

export interface OperatorNode {
  readonly label: string
  readonly make: () => KeyedOperator
  readonly warnings?: readonly string[]
  readonly layout?: string
  readonly windows?: WindowSpec<never>
  readonly shares?: boolean
}

/** @throws RangeError when the interval or an option makes no sense. */
export function intervalJoinNode(
  name: string,
  options: IntervalOptions & { readonly kind?: JoinKind },
  join: JoinFunction,
): OperatorNode {
  const interval = intervalJoin(name, options)
  const { kind, lowerMs, upperMs, time } = interval
  return {
    label: `${kind} join within ${lowerMs} to ${upperMs} ms, at ${time} time`,
    make: () => new IntervalJoinOperator(interval, join),
  }
}

/** @throws RangeError when the tolerance or the kind makes no sense. */
export function asOfJoinNode(
  name: string,
  options: AsOfOptions & { readonly kind?: AsOfKind },
  join: JoinFunction,
): OperatorNode {
  const asOf = asOfJoin(name, options)
  const tolerance = Number.isFinite(asOf.toleranceMs) ? `, at most ${asOf.toleranceMs} ms old` : ''
  return {
    label: `${asOf.kind} as-of join${tolerance}`,
    make: () => new AsOfJoinOperator(asOf, join),
  }
}

/** @throws RangeError when the kind is neither inner nor left. */
export function lookupNode(
  name: string,
  kind: LookupKind = 'inner',
  join: JoinFunction,
): OperatorNode {
  checkLookupKind(name, kind)
  return { label: `${kind} join with a table`, make: () => new LookupOperator(kind, join) }
}

/** @throws RangeError when the kind is none of the four. */
export function tablesNode(
  name: string,
  kind: JoinKind = 'inner',
  join: JoinFunction,
): OperatorNode {
  checkKind(name, kind)
  return { label: `${kind} join of tables`, make: () => new TableJoinOperator(kind, join) }
}

export function coGroupNode(windows: WindowSpec<never>): OperatorNode {
  return {
    label: `${windows.label} · coGroup`,
    warnings: windowWarnings(windows, false),
    layout: windowLayout(windows, 'both sides'),
    windows,
    make: () => new CoGroupOperator(windows),
  }
}

/** @throws RangeError when the kind is none of the four. */
export function windowJoinNode(
  name: string,
  windows: WindowSpec<never>,
  kind: JoinKind,
): OperatorNode {
  checkKind(name, kind)
  return { ...coGroupNode(windows), label: `${windows.label} · ${kind} join` }
}

/** @throws RangeError when a time to live does not fit its cell. */
export function connectNode(name: string, definition: AnyConnect): OperatorNode {
  const make = (): KeyedOperator => new ActorOperator(connected(definition), name)
  make()
  return { label: 'connect', make }
}

/** @throws RangeError when a shared cell has a time to live. */
export function broadcastNode(name: string, definition: AnyBroadcast): OperatorNode {
  const make = (): KeyedOperator => new BroadcastOperator(definition, name)
  make()
  return { label: 'process with broadcast', shares: true, make }
}

type Grouped = WindowResult<Key, BothSides>
type Of = Omit<Grouped, 'value'>

export type AnyGroup = (
  lefts: readonly unknown[],
  rights: readonly unknown[],
  of: Of,
) => Iterable<unknown>

export type AnyPairFunction = (left: unknown, right: unknown, of: Of) => unknown

/** What is made of both sides of a window. */
export const groupStep = (group: AnyGroup): Step =>
  flatMap((grouped) => {
    const { value, ...of } = grouped as Grouped
    return group(...value, of)
  })

/** The pairs of both sides of a window. */
export const pairsStep = (kind: JoinKind, join: AnyPairFunction): Step =>
  flatMap((grouped) => {
    const { value, ...of } = grouped as Grouped
    return pairsOf(value, kind, join, of)
  })
