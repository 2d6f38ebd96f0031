/** What is kept of a window of a key while it is open. */
import type { MapCell } from '../state.ts'
import type { Milliseconds, Timestamp } from '../time.ts'
import type { Slots } from './trigger/trigger.ts'
import type { Pane } from './window.ts'

/** A tuple and no object: there may be millions, and each is written with every change. */
export type OpenWindow = [
  start: Timestamp,
  /** Its end follows from it: a length grows in place, where each new time would be an object. */
  lengthMs: Milliseconds,
  /** An accumulator, or the elements; means nothing while the count is 0. */
  contents: unknown,
  /** How many records the contents are of. */
  count: number,
  /** How many results there were. */
  fired: number,
  /** The time at which a window without a trigger of its own waits to be woken; null: it does not. */
  wakeAt: Timestamp | null,
  /** What only some windows need. */
  more: More | null,
]

export const START = 0
export const LENGTH_MS = 1
export const CONTENTS = 2
export const COUNT = 3
export const FIRED = 4
export const WAKE_AT = 5
export const MORE = 6

/** Replaced as a whole when something changes. */
export interface More {
  readonly slots?: Slots
  /** Results that the next one takes back. */
  readonly emitted?: readonly Emitted[]
  /** The newest time of a record, in windows without end. */
  readonly newest?: Timestamp
  /** The trigger is over: no record is taken any more. */
  readonly isDone?: true
}

/** A result as it was handed on. */
export interface Emitted {
  readonly start: Timestamp
  readonly end: Timestamp
  readonly value: unknown
  readonly pane: Pane
  readonly revision: number
}

/** The open windows of a key by number. */
export type OpenWindows = MapCell<number, OpenWindow>

/** The first time behind a window. */
export function endOf(window: OpenWindow): Timestamp {
  const lengthMs = window[LENGTH_MS]
  // A window without end has no start either: -∞ plus ∞ is nothing.
  return lengthMs === Infinity ? Infinity : window[START] + lengthMs
}

export const opened = (start: Timestamp, end: Timestamp): OpenWindow => [
  start,
  end - start,
  null,
  0,
  0,
  null,
  null,
]
