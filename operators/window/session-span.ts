/** Where a record of a key belongs among its open sessions. */
import type { Milliseconds, Timestamp } from '../time.ts'
import { endOf, type OpenWindow, type OpenWindows, START } from './open-window.ts'

/** The session that a record is in, and the open ones that become part of it, in order of time. */
export interface SessionSpan {
  readonly start: Timestamp
  readonly end: Timestamp
  readonly merged: readonly number[]
}

/**
 * A record makes a session of its own, from its time to a gap behind it, which becomes one with those it
 * touches. Sessions of a key never overlap.
 *
 * With a maximum length: a session takes records up to its start plus the maximum, and ends there at
 * the latest. A record from there on opens a new one. Two sessions that together would be longer do not
 * become one: the earlier one then ends where the later one starts. So how records are cut into
 * sessions depends on the order in which they come, and on nothing else.
 */
export function sessionSpan(
  open: OpenWindows,
  time: Timestamp,
  gapMs: Milliseconds,
  maxLengthMs: Milliseconds,
): SessionSpan {
  const ownEnd = time + Math.min(gapMs, maxLengthMs)
  let [start, end] = [time, ownEnd]
  const merged: number[] = []
  // Numbers lie inside their sessions, so they are in order of time.
  for (const number of open.keys()) {
    const window = open.get(number) as OpenWindow
    const [otherStart, otherEnd] = [window[START], endOf(window)]
    if (otherEnd < time) continue
    if (otherStart > end) break
    if (otherStart <= time) {
      if (time >= otherStart + maxLengthMs) continue
      start = otherStart
      end = Math.max(otherEnd, Math.min(ownEnd, otherStart + maxLengthMs))
      // Of two that the record touches, with no room between, it is in the later one.
      merged[0] = number
    } else if (Math.max(otherEnd, end) - start <= maxLengthMs) {
      end = Math.max(otherEnd, end)
      merged.push(number)
    } else {
      end = Math.min(end, otherStart)
      break
    }
  }
  return { start, end, merged }
}
