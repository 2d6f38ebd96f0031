/** Which operator runs windows of a kind. */
import type { Aggregate } from '../aggregate/aggregate.ts'
import type { KeyedOperator } from '../operator.ts'
import type { Timestamp } from '../time.ts'
import { assignerOf } from './assigner.ts'
import { CalendarWindows } from './calendar.ts'
import { type SessionOperator, sessionOperator } from './sessions.ts'
import { type SliceOperator, type SliceShape, slicesOfWindows, windowSlices } from './slices.ts'
import { SlidingOperator } from './sliding-operator.ts'
import { SlidingWindows } from './sliding.ts'
import { TumblingWindows } from './tumbling.ts'
import { AlignedWindowOperator } from './aligned-window-operator.ts'
import { SessionWindowOperator } from './session-window-operator.ts'
import { SessionWindows } from './session.ts'
import type { WindowSpec } from './window-spec.ts'
import type { Window } from './window.ts'
import type { SlicedWindows } from './window-numbers.ts'

export interface WindowOperatorOptions {
  /** Whether results name their key; default true. */
  readonly keyed?: boolean
  /**
   * What functions of the windows (gap, trigger, evictor) see of a record; default the record itself. For
   * operators that aggregate more than the job's values, as joins.
   */
  readonly unwrap?: (record: unknown) => unknown
}

/** Any aggregate, of whatever is pushed. */
export type AnyWindowAggregate = Aggregate<unknown, unknown, unknown>

/** The operator for these windows and this aggregate of the values in each, a key actor for each key. */
export function windowOperator(
  spec: WindowSpec<never>,
  aggregate: AnyWindowAggregate,
  options: WindowOperatorOptions = {},
): KeyedOperator {
  return spec instanceof SessionWindows
    ? new SessionWindowOperator(spec, aggregate, options)
    : new AlignedWindowOperator(spec, aggregate, options)
}

/** The operator for sessions with one gap that fire once, at their end; undefined for all other windows. */
export function plainSessionOperator(
  spec: WindowSpec<never>,
  aggregate: AnyWindowAggregate,
  { keyed = true }: WindowOperatorOptions = {},
): SessionOperator | undefined {
  if (!(spec instanceof SessionWindows) || spec.clock !== 'event') return undefined
  const { trigger, evictor, latenessMs } = spec.options
  if (trigger !== undefined || evictor !== undefined || latenessMs > 0) return undefined
  const { gap, maxLengthMs } = spec
  if (typeof gap !== 'number' || maxLengthMs !== Number.POSITIVE_INFINITY) return undefined
  return sessionOperator(gap, aggregate, keyed)
}

/** Windows as slices, and what puts them together where a window is more than one slice. */
export interface SlicedOperators {
  readonly makeSlices: () => SliceOperator
  readonly makeWindows: (() => KeyedOperator) | undefined
}

/**
 * The operators for windows of which all keys have the same, and which fire at their end: then slices
 * do, which cost a record several times less, and no more for windows that overlap. Undefined for all
 * others.
 */
export function slicedOperators(
  spec: WindowSpec<never>,
  aggregate: AnyWindowAggregate,
  { keyed = true }: WindowOperatorOptions = {},
): SlicedOperators | undefined {
  const { trigger, evictor, latenessMs, results } = spec.options
  if (trigger !== undefined || evictor !== undefined) return undefined
  const isAligned = spec instanceof TumblingWindows || spec instanceof CalendarWindows
  if (isAligned && latenessMs === 0) {
    const makeSlices = (): SliceOperator => windowSlices(shapeOf(spec), aggregate, keyed)
    return { makeSlices, makeWindows: undefined }
  }
  // Each of several results of a window is of all its records so far: for others, records are told apart.
  if (latenessMs > 0 && results !== 'accumulating') return undefined
  const windows = slicedWindowsOf(spec)
  if (windows === undefined) return undefined
  return {
    makeSlices: () => slicesOfWindows(windows, aggregate),
    makeWindows: () => new SlidingOperator(windows, aggregate, keyed),
  }
}

/** How these windows are put together of slices; undefined where they are not. */
export function slicedWindowsOf(spec: WindowSpec<never>): SlicedWindows | undefined {
  if (!(spec instanceof TumblingWindows || spec instanceof SlidingWindows)) return undefined
  const { sizeMs, offsetMs, clock, options } = spec
  const slideMs = spec instanceof SlidingWindows ? spec.slideMs : sizeMs
  // Between windows that are further apart there are records that are in none.
  if (clock !== 'event' || slideMs > sizeMs) return undefined
  const { latenessMs } = options
  return { sliceMs: greatestCommonDivisor(sizeMs, slideMs), slideMs, sizeMs, offsetMs, latenessMs }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}

function shapeOf(spec: WindowSpec<never>): SliceShape {
  const assigner = assignerOf(spec)
  const sliceAt = (time: Timestamp): Window => {
    const number = assigner.windowsOf(time)[0] as number
    return { start: assigner.startOf(number), end: assigner.endOf(number) }
  }
  return { clock: spec.clock, sliceAt }
}
