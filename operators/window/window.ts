/** Windows of time: half-open intervals [start, end), aligned to the epoch plus an offset. */
import { type Duration, milliseconds, type Milliseconds, type Timestamp } from '../time.ts'
import type { TimerClock } from '../operator.ts'

export interface Window {
  /** First time inside. */
  readonly start: Timestamp
  /** First time behind. */
  readonly end: Timestamp
}

/** What a window operator hands on: the result of one window of one key. Its time is `end - 1`. */
export interface WindowResult<K, Value> {
  readonly key: K
  readonly value: Value
  readonly window: Window
}

/** Tumbling windows: each time is in exactly one. */
export interface TumblingWindows {
  readonly kind: 'tumbling'
  readonly sizeMs: Milliseconds
  readonly offsetMs: Milliseconds
  readonly clock: TimerClock
}

export interface TumblingOptions {
  /** Shifts every window; may be negative; smaller than the size. */
  readonly offset?: Duration
  /** 'event' (default) decides by the records' times, 'processing' by the clock at their turn. */
  readonly clock?: TimerClock
}

/**
 * Windows of one size, one behind the other.
 * @throws RangeError when the size is not positive or the offset not smaller than the size.
 */
export function tumbling(size: Duration, options: TumblingOptions = {}): TumblingWindows {
  const sizeMs = milliseconds(size, 'tumbling window size')
  const offsetMs = milliseconds(options.offset ?? 0, 'tumbling window offset')
  if (sizeMs <= 0) throw new RangeError(`tumbling window size: ${String(size)} is not positive`)
  if (Math.abs(offsetMs) >= sizeMs) {
    throw new RangeError(
      `tumbling window offset: ${String(options.offset)} must be smaller than the size ${String(size)}`,
    )
  }
  return { kind: 'tumbling', sizeMs, offsetMs, clock: options.clock ?? 'event' }
}

/** Start of the window of this size and offset that holds a time; right for negative times too. */
export function windowStart(
  time: Timestamp,
  sizeMs: Milliseconds,
  offsetMs: Milliseconds,
): Timestamp {
  const remainder = (time - offsetMs) % sizeMs
  return remainder < 0 ? time - (remainder + sizeMs) : time - remainder
}
