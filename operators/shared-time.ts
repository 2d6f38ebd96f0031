import type { Milliseconds, Timestamp } from './time.ts'

/** Into how many parts a length of time is cut. */
const PARTS = 64

/**
 * A time not before the given one, and later by at most a 64th of a length: one of few, so that many
 * keys wait for the same. For what has to happen some time after, as forgetting: keys that wait for a
 * time together cost a tenth of keys that wait each for its own.
 */
export function sharedTime(at: Timestamp, lengthMs: Milliseconds): Timestamp {
  const partMs = Math.max(1, Math.floor(lengthMs / PARTS))
  return Math.ceil(at / partMs) * partMs
}
