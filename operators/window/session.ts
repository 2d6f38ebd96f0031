import type { TimerClock } from '../operator.ts'
import type { Duration, Milliseconds } from '../time.ts'
import { positive } from './size.ts'
import { type WindowOptions, WindowSpec } from './window-spec.ts'

/** Gap after a value in milliseconds: how long a session stays open behind it. */
export type GapOf<In> = (value: In) => Milliseconds

/** Session windows: records with less than a gap between them are together. */
export class SessionWindows<In = unknown> extends WindowSpec<In> {
  readonly kind = 'session'
  /** The same for all records, or by record. */
  readonly gap: Milliseconds | GapOf<In>
  readonly maxLengthMs: Milliseconds
  readonly clock: TimerClock

  /** Use `session`. */
  constructor(
    shape: Pick<SessionWindows<In>, 'gap' | 'maxLengthMs' | 'clock'>,
    options?: WindowOptions,
  ) {
    super(options)
    this.gap = shape.gap
    this.maxLengthMs = shape.maxLengthMs
    this.clock = shape.clock
  }

  get label(): string {
    const gap = typeof this.gap === 'number' ? `gap ${this.gap} ms` : 'gap by record'
    const isBounded = Number.isFinite(this.maxLengthMs)
    return `session ${gap}${isBounded ? ` up to ${this.maxLengthMs} ms` : ''}`
  }

  protected withOptions(options: WindowOptions): SessionWindows<In> {
    return new SessionWindows(this, options)
  }
}

export interface SessionOptions {
  /**
   * The longest a session may be, from its start to its end; default without bound. One that would
   * grow beyond is ended there, and what comes later opens a new one.
   */
  readonly maxLength?: Duration
  /** 'event' (default) decides by the records' times, 'processing' by the clock at their turn. */
  readonly clock?: TimerClock
}

/**
 * Windows that last as long as records keep coming: each is open for a gap behind its last record, and
 * two that touch become one.
 * @param gap a duration, or a function of the value that gives positive whole milliseconds; a record
 *   for which it gives something else fails.
 * @throws RangeError when gap or maximum length is not positive, or the maximum smaller than the gap.
 */
export function session<In = unknown>(
  gap: Duration | GapOf<In>,
  options: SessionOptions = {},
): SessionWindows<In> {
  const fixed = typeof gap === 'function' ? gap : positive(gap, 'session window gap')
  const maxLengthMs =
    options.maxLength === undefined
      ? Number.POSITIVE_INFINITY
      : positive(options.maxLength, 'session window maxLength')
  if (typeof fixed === 'number' && maxLengthMs < fixed) {
    throw new RangeError(
      `session window maxLength: ${String(options.maxLength)} must not be smaller than the gap of ${fixed} ms`,
    )
  }
  return new SessionWindows<In>({ gap: fixed, maxLengthMs, clock: options.clock ?? 'event' })
}
