/**
 * Slices of time: the same for all keys, without overlap, and closed once. An operator of slices keeps
 * one accumulator for each key of each open slice, and the runtime keeps them by slice, in columns.
 * A tumbling or calendar window that fires once is one slice; sliding windows are put together of
 * several.
 */
import type { Aggregate } from '../aggregate/aggregate.ts'
import { type Column, columnOf } from '../aggregate/column.ts'
import type { Key, TimerClock } from '../operator.ts'
import type { Timestamp } from '../time.ts'
import { SlicePart } from './sliding-operator.ts'
import { onlyResult, type Window, windowStart } from './window.ts'
import type { SlicedWindows } from './window-numbers.ts'

/** What the runtime is told of such an operator. */
export interface SliceOperator {
  readonly kind: 'slices'
  readonly clock: TimerClock
  /** Version of the shape of the accumulators. */
  readonly version: number
  /** The slice that holds a time. */
  sliceAt(time: Timestamp): Window
  /** Empty columns for a slice's accumulators. */
  columns(): Column
  /** Until when the slice's records are of use though it has closed; its own end where that is not said. */
  openUntil?(slice: Window): Timestamp
  /** What is handed on at once for a record that comes for a slice which has closed. */
  part?(value: unknown, slice: Window): unknown
  /** What is handed on when a slice closes, for each of its keys; user code may throw in it. */
  close(column: Column, slot: number, key: Key, slice: Window): unknown
}

export interface SliceShape {
  readonly clock: TimerClock
  readonly sliceAt: (time: Timestamp) => Window
}

/** Windows that are one slice each: what closes is the window's result. */
export const windowSlices = (
  { clock, sliceAt }: SliceShape,
  aggregate: Aggregate<unknown, unknown, unknown>,
  keyed: boolean,
): SliceOperator => ({
  kind: 'slices',
  clock,
  version: 1,
  sliceAt,
  columns: () => columnOf(aggregate),
  close: (column, slot, key, window) => onlyResult(key, column.result(slot), window, keyed),
})

/** Slices that windows are put together of: see SlidingOperator. */
export function slicesOfWindows(
  windows: SlicedWindows,
  aggregate: Aggregate<unknown, unknown, unknown>,
): SliceOperator {
  const { sliceMs, slideMs, sizeMs, offsetMs, latenessMs } = windows
  const late = columnOf(aggregate)
  const numberOf = ({ start }: Window): number => (start - offsetMs) / sliceMs
  return {
    kind: 'slices',
    clock: 'event',
    version: 1,
    sliceAt(time) {
      const start = windowStart(time, sliceMs, offsetMs)
      return { start, end: start + sliceMs }
    },
    columns: () => columnOf(aggregate),
    // The last window that holds the slice is the last to want it.
    openUntil: ({ start }) => windowStart(start, slideMs, offsetMs) + sizeMs - 1 + latenessMs,
    part(value, slice) {
      late.init(0)
      late.stage(0, value)
      late.apply(0)
      return new SlicePart(numberOf(slice), late, 0)
    },
    close: (column, slot, _key, slice) => new SlicePart(numberOf(slice), column, slot),
  }
}
