/** Event time and durations: integer milliseconds, the only unit inside the runtime. */

/** Integer milliseconds since the Unix epoch; may be negative. */
export type Timestamp = number

/** A length of time in integer milliseconds. */
export type Milliseconds = number

/** Milliseconds as a number, or a number with a unit: '250ms', '1s', '5m', '2h', '7d'. */
export type Duration = number | string

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** The watermark before the first record: no time has passed. */
export const TIME_MIN = Number.NEGATIVE_INFINITY
/** The watermark after a bounded input's end: every timer is due. */
export const TIME_MAX = Number.POSITIVE_INFINITY

/**
 * Milliseconds of a duration.
 * @param what names the setting in the error.
 * @throws RangeError when it is not a whole number of milliseconds with a known unit.
 */
export function milliseconds(duration: Duration, what = 'duration'): Milliseconds {
  const parsed = typeof duration === 'number' ? duration : parse(duration)
  if (!Number.isSafeInteger(parsed)) {
    throw new RangeError(
      `${what}: ${JSON.stringify(duration)} is not a duration; write whole milliseconds or a number with a unit, as in '500ms', '1s', '5m', '2h' or '7d'`,
    )
  }
  return parsed
}

function parse(text: string): number {
  const match = /^(-?\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text.trim())
  if (match === null) return Number.NaN
  const unit = UNIT_MS[match[2] as keyof typeof UNIT_MS]
  return Number(match[1]) * unit
}
