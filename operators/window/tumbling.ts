import type { TimerClock } from '../operator.ts'
import { type Duration, milliseconds, type Milliseconds } from '../time.ts'
import { positive } from './size.ts'
import { type WindowOptions, WindowSpec } from './window-spec.ts'

/** Tumbling windows: each time is in exactly one. */
export class TumblingWindows extends WindowSpec {
  readonly kind = 'tumbling'
  readonly sizeMs: Milliseconds
  readonly offsetMs: Milliseconds
  readonly clock: TimerClock

  /** Use `tumbling`. */
  constructor(
    size: Pick<TumblingWindows, 'sizeMs' | 'offsetMs' | 'clock'>,
    options?: WindowOptions,
  ) {
    super(options)
    this.sizeMs = size.sizeMs
    this.offsetMs = size.offsetMs
    this.clock = size.clock
  }

  get label(): string {
    return `tumbling ${this.sizeMs} ms`
  }

  protected withOptions(options: WindowOptions): TumblingWindows {
    return new TumblingWindows(this, options)
  }
}

export interface TumblingOptions {
  /** Shifts every window; may be negative; smaller than the size. */
  readonly offset?: Duration
  /** 'event' (default) decides by the records' times, 'processing' by the clock at their turn. */
  readonly clock?: TimerClock
}

/**
 * Windows of one size, one behind the other, aligned to the epoch plus an offset.
 * @throws RangeError when the size is not positive or the offset not smaller than the size.
 */
export function tumbling(size: Duration, options: TumblingOptions = {}): TumblingWindows {
  const sizeMs = positive(size, 'tumbling window size')
  const offsetMs = milliseconds(options.offset ?? 0, 'tumbling window offset')
  if (Math.abs(offsetMs) >= sizeMs) {
    throw new RangeError(
      `tumbling window offset: ${String(options.offset)} must be smaller than the size ${String(size)}`,
    )
  }
  return new TumblingWindows({ sizeMs, offsetMs, clock: options.clock ?? 'event' })
}
