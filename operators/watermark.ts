/**
 * How a job tells from its records how far event time has come, where a bound behind the largest time
 * will not do. A watermark t says that no record with a time up to t is still to come.
 */
import type { Timestamp } from './time.ts'

/** The watermark that a record carries; undefined when it carries none. */
export type WatermarkFunction<Value> = (value: Value, time: Timestamp) => Timestamp | undefined

/**
 * Makes the watermark of an input as its records come; each partition of a source has its own. What it
 * has to remember is in its state: plain data, which is committed with the input's position and given
 * back after a restart. It must keep nothing elsewhere.
 */
export interface WatermarkGenerator<Value, State extends object> {
  /** The state of an input that has not been read yet. */
  readonly init: () => State
  /** Called with each record, before the record is worked on; changes the state in place. */
  readonly onRecord: (state: State, value: Value, time: Timestamp) => Timestamp | undefined
  /**
   * Called about five times a second, with the clock's time. What follows from it cannot be replayed:
   * the same input may then give other results.
   */
  readonly onPeriod?: (state: State, now: Timestamp) => Timestamp | undefined
}

/** A generator whose state is its own business; see `watermarks`. */
export type Watermarks<Value> = WatermarkGenerator<Value, object>

/**
 * A source's own watermarks: `source('seen', Seen, { watermark: watermarks({ init, onRecord }) })`.
 * A watermark that is smaller than an earlier one changes nothing.
 */
export function watermarks<Value, State extends object>(
  generator: WatermarkGenerator<Value, State>,
): Watermarks<Value> {
  // The only states it is called with are those that its own `init` made.
  return generator as unknown as Watermarks<Value>
}

/** What a source's option `watermark` says, as a generator. */
export function watermarksOf<Value>(
  own: WatermarkFunction<Value> | Watermarks<Value>,
): Watermarks<Value> {
  if (typeof own !== 'function') return own
  return { init: () => ({}), onRecord: (_state, value, time) => own(value, time) }
}
