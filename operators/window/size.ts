/** Checks of what a job gives as sizes and counts, at its definition. */
import { type Duration, milliseconds, type Milliseconds } from '../time.ts'

/**
 * Milliseconds of a size, a gap and the like.
 * @throws RangeError naming `what` when it is not positive.
 */
export function positive(duration: Duration, what: string): Milliseconds {
  const lengthMs = milliseconds(duration, what)
  if (lengthMs <= 0) throw new RangeError(`${what}: ${String(duration)} is not positive`)
  return lengthMs
}

/** @throws RangeError naming `what` when a number is not whole and at least 1. */
export function wholeNumber(number: number, what: string): number {
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new RangeError(`${what}: ${String(number)} is not a whole number of at least 1`)
  }
  return number
}
