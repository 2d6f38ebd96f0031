/** What the graph needs of each window operator: a label for people, warnings, and how it is made. */
import { type Aggregate, together } from '../../operators/aggregate/aggregate.ts'
import { collect } from '../../operators/aggregate/collect.ts'
import { reduction } from '../../operators/aggregate/reduce.ts'
import {
  plainSessionOperator,
  slicedOperators,
  windowOperator,
} from '../../operators/window/make-window-operator.ts'
import type { WindowSpec } from '../../operators/window/window-spec.ts'
import { windowWarnings } from '../../operators/window/window-warnings.ts'
import type { AnyOperator } from './graph.ts'
import { windowLayout } from './window-layout.ts'

/** Windows of any values: a stream has checked by its types that they are windows of its own. */
export type AnyWindows = WindowSpec<never>

/** What is made of each window. */
export type WindowUse =
  | { readonly kind: 'reduce'; readonly reduce: (left: unknown, right: unknown) => unknown }
  | { readonly kind: 'aggregate'; readonly aggregates: Readonly<Record<string, object>> }
  | { readonly kind: 'apply' }

export interface WindowNode {
  readonly label: string
  /** What a state of it can be used for: windows of this kind, with this aggregate. */
  readonly layout: string
  readonly warnings: readonly string[]
  readonly make: () => AnyOperator
  /** Makes the operator before it, where windows are put together of slices. */
  readonly makeSlices: (() => AnyOperator) | undefined
}

/** @param keyed whether results name their key. */
export function windowNode(windows: AnyWindows, use: WindowUse, keyed: boolean): WindowNode {
  const aggregate = aggregateOf(use)
  const label = `${windows.label} · ${use.kind}`
  const layout = windowLayout(windows, aggregate.kind)
  const warnings = windowWarnings(windows, use.kind !== 'apply')
  const sliced = slicedOperators(windows, aggregate, { keyed })
  if (sliced === undefined) {
    const make = (): AnyOperator =>
      plainSessionOperator(windows, aggregate, { keyed }) ??
      windowOperator(windows, aggregate, { keyed })
    return { label, layout, warnings, make, makeSlices: undefined }
  }
  const { makeSlices, makeWindows } = sliced
  return makeWindows === undefined
    ? { label, layout, warnings, make: makeSlices, makeSlices: undefined }
    : { label, layout, warnings, make: makeWindows, makeSlices }
}

function aggregateOf(use: WindowUse): Aggregate<unknown, unknown, unknown> {
  switch (use.kind) {
    case 'reduce':
      return reduction(use.reduce) as Aggregate<unknown, unknown, unknown>
    case 'aggregate':
      return together(use.aggregates)
    case 'apply':
      return collect() as Aggregate<unknown, unknown, unknown>
  }
}
