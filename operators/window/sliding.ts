import type { TimerClock } from '../operator.ts'
import { type Duration, milliseconds, type Milliseconds } from '../time.ts'
import { positive } from './size.ts'
import { type WindowOptions, WindowSpec } from './window-spec.ts'

/** More windows than this a record is a mistake: a size and a slide of different units. */
const WINDOWS_PER_RECORD_MAX = 10_000_000

/** Sliding windows: each time is in size / slide of them; in none, between windows that are further apart. */
export class SlidingWindows extends WindowSpec {
  readonly kind = 'sliding'
  readonly sizeMs: Milliseconds
  readonly slideMs: Milliseconds
  readonly offsetMs: Milliseconds
  readonly clock: TimerClock

  /** Use `sliding`. */
  constructor(
    size: Pick<SlidingWindows, 'sizeMs' | 'slideMs' | 'offsetMs' | 'clock'>,
    options?: WindowOptions,
  ) {
    super(options)
    this.sizeMs = size.sizeMs
    this.slideMs = size.slideMs
    this.offsetMs = size.offsetMs
    this.clock = size.clock
  }

  get label(): string {
    return `sliding ${this.sizeMs} ms by ${this.slideMs} ms`
  }

  protected withOptions(options: WindowOptions): SlidingWindows {
    return new SlidingWindows(this, options)
  }
}

export interface SlidingOptions {
  /** How far apart the windows start. Greater than the size: records between windows are in none. */
  readonly every: Duration
  /** Shifts every window; may be negative; smaller than `every`. */
  readonly offset?: Duration
  /** 'event' (default) decides by the records' times, 'processing' by the clock at their turn. */
  readonly clock?: TimerClock
}

/**
 * Windows of one size that start every so often.
 * @throws RangeError when size or slide is not positive, a record would be in more than 10,000,000
 *   windows, or the offset is not smaller than the slide.
 */
export function sliding(size: Duration, options: SlidingOptions): SlidingWindows {
  const sizeMs = positive(size, 'sliding window size')
  const slideMs = positive(options.every, 'sliding window slide')
  const offsetMs = milliseconds(options.offset ?? 0, 'sliding window offset')
  if (sizeMs / slideMs > WINDOWS_PER_RECORD_MAX) {
    throw new RangeError(
      `sliding window size: ${String(size)} by ${String(options.every)} puts each record into ${Math.floor(sizeMs / slideMs)} windows; at most ${WINDOWS_PER_RECORD_MAX} are possible`,
    )
  }
  if (Math.abs(offsetMs) >= slideMs) {
    throw new RangeError(
      `sliding window offset: ${String(options.offset)} must be smaller than the slide ${String(options.every)}`,
    )
  }
  return new SlidingWindows({ sizeMs, slideMs, offsetMs, clock: options.clock ?? 'event' })
}
