/**
 * The times for which triggers of a key's windows wait. A timer of the runtime is a time of a key and
 * cannot be taken back; here is which windows it is for, so that one that is not expected any more
 * is ignored.
 */
import type { TimerClock, Turn } from '../../operator.ts'
import type { MapCell } from '../../state.ts'
import type { Timestamp } from '../../time.ts'

/** By the time of the runtime's timer: windows and the times they asked for, one behind the other. */
export type TriggerTimers = MapCell<number | string, readonly number[]>

/**
 * The timer for +∞: it is due when all inputs have ended and event time is +∞. No record is as late as
 * this.
 */
export const END_OF_TIME = Number.MAX_SAFE_INTEGER

/** Asks for a window to be woken; once for the same time. */
export function ask(
  turn: Turn,
  timers: TriggerTimers,
  window: number,
  at: { readonly time: Timestamp; readonly clock: TimerClock },
): void {
  const wakeTime = wakeTimeOf(turn, at.time, at.clock)
  if (wakeTime === undefined) return
  const place = placeOf(wakeTime, at.clock)
  const asked = timers.get(place)
  if (asked === undefined) {
    timers.set(place, [window, at.time])
    turn.wakeAt(wakeTime, at.clock)
    return
  }
  for (let i = 0; i < asked.length; i += 2) {
    if (asked[i] === window && asked[i + 1] === at.time) return
  }
  timers.set(place, [...asked, window, at.time])
}

/**
 * When the runtime is to wake the key. A time that has passed comes with the next step of its clock:
 * so it does not depend on when the runtime looks for timers that are due.
 */
function wakeTimeOf(turn: Turn, time: Timestamp, clock: TimerClock): Timestamp | undefined {
  if (clock === 'processing') return time === Infinity ? undefined : Math.max(time, turn.now + 1)
  if (time >= END_OF_TIME) return END_OF_TIME
  // At the end of the inputs there is no next step; what is asked for then is due at once, in order.
  const isBetween = Number.isFinite(turn.watermark)
  return isBetween ? Math.max(time, turn.watermark + 1) : time
}

/**
 * Takes what waited for a timer, in order of the times that were asked for. Times that had passed when they
 * were asked for share a timer with others: a session that becomes longer behind the watermark may ask
 * for its end first, and then for a time before it.
 */
export function take(
  timers: TriggerTimers,
  wakeTime: Timestamp,
  clock: TimerClock,
): readonly number[] {
  const place = placeOf(wakeTime, clock)
  const asked = timers.get(place) ?? []
  timers.delete(place)
  return isInOrder(asked) ? asked : inOrder(asked)
}

function isInOrder(asked: readonly number[]): boolean {
  for (let i = 3; i < asked.length; i += 2) {
    if ((asked[i] as number) < (asked[i - 2] as number)) return false
  }
  return true
}

function inOrder(asked: readonly number[]): readonly number[] {
  const pairs: (readonly [window: number, time: Timestamp])[] = []
  for (let i = 0; i < asked.length; i += 2) {
    pairs.push([asked[i] as number, asked[i + 1] as Timestamp])
  }
  return pairs.toSorted(([, a], [, b]) => a - b).flat()
}

/** A window waits for nothing any more. */
export function forget(timers: TriggerTimers, window: number): void {
  for (const [place, asked] of timers) {
    if (!asked.some((entry, i) => i % 2 === 0 && entry === window)) continue
    const left = asked.filter((_, i) => asked[i - (i % 2)] !== window)
    if (left.length === 0) timers.delete(place)
    else timers.set(place, left)
  }
}

const placeOf = (wakeTime: Timestamp, clock: TimerClock): number | string =>
  clock === 'event' ? wakeTime : `clock ${wakeTime}`
