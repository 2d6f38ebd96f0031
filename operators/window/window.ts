/** Windows of time: half-open intervals [start, end), and what a window operator hands on. */
import type { Key } from '../operator.ts'
import type { Milliseconds, Timestamp } from '../time.ts'

/** An interval of time. That of a global or count window is [-∞, +∞), which JSON writes as null. */
export interface Window {
  /** First time inside. */
  readonly start: Timestamp
  /** First time behind. */
  readonly end: Timestamp
}

/**
 * One of the results of a window, by when it was made: `early`, before time had come to the window's
 * end; `onTime`, when it came there; `late`, after that, for records within the allowed lateness.
 */
export interface Pane {
  readonly timing: 'early' | 'onTime' | 'late'
  /** How many panes of this window came before. */
  readonly index: number
  /** Whether no other can follow: time has come as far as the allowed lateness. */
  readonly isLast: boolean
}

/** The pane of a window that fires once, at its end: one object for all of them. */
export const ONLY_PANE: Pane = Object.freeze({ timing: 'onTime', index: 0, isLast: true })

/** What a window operator hands on of a stream without keys. */
export interface AllWindowResult<Value> {
  readonly value: Value
  readonly window: Window
  readonly pane: Pane
  /** Which result of this window it is, from 0; a later one replaces (or, discarding, adds to) it. */
  readonly revision: number
  /** Of retracting windows: takes the result with the same window and revision back. */
  readonly retract?: true
}

/**
 * What a window operator hands on: the result of one window of one key. Its time is `end - 1`; that
 * of a window without end is the newest time of its records.
 */
export interface WindowResult<K, Value> extends AllWindowResult<Value> {
  readonly key: K
}

/** The result of a window that fires once. */
export const onlyResult = (
  key: Key,
  value: unknown,
  window: Window,
  keyed: boolean,
): AllWindowResult<unknown> =>
  keyed
    ? ({ key, value, window, pane: ONLY_PANE, revision: 0 } as WindowResult<Key, unknown>)
    : { value, window, pane: ONLY_PANE, revision: 0 }

/** Start of the window of this size and offset that holds a time; right for negative times too. */
export function windowStart(
  time: Timestamp,
  sizeMs: Milliseconds,
  offsetMs: Milliseconds,
): Timestamp {
  const remainder = (time - offsetMs) % sizeMs
  return remainder < 0 ? time - (remainder + sizeMs) : time - remainder
}
