/** Triggers that fire again and again while their window is open. */
import type { Duration, Milliseconds, Timestamp } from '../../time.ts'
import { positive } from '../size.ts'
import { CONTINUE, FIRE, type Slots, type Trigger, type TriggerContext } from './trigger.ts'

/**
 * Fires each time event time passes a multiple of the interval since the window's first record, and at
 * the window's end, and at each record after that. A step of time over several multiples fires once.
 * @throws RangeError when the interval is not positive.
 */
export function everyEventTime(interval: Duration): Trigger {
  const intervalMs = positive(interval, 'trigger everyEventTime')
  return {
    label: `everyEventTime(${intervalMs} ms)`,
    canMerge: true,
    runsUserCode: false,
    firesEndless: 'yes',
    make(takeSlot) {
      const slot = takeSlot()
      const waitFor = (at: TriggerContext, time: Timestamp): void => {
        at.set(slot, time)
        if (time < at.lastTime) at.wakeAt(time, 'event')
      }
      // What time has passed already, or jumps over, is over: nothing new came in between.
      const nextPassed = (at: TriggerContext): Timestamp =>
        nextMultiple(Math.max(at.time, at.watermark), intervalMs)
      return {
        onRecord(at) {
          if (at.lastTime <= at.watermark) return FIRE
          at.wakeAt(at.lastTime, 'event')
          if (at.get(slot) === undefined) waitFor(at, nextPassed(at))
          return CONTINUE
        },
        onTimer(at, time, clock) {
          if (clock !== 'event') return CONTINUE
          if (time === at.lastTime) return FIRE
          if (at.get(slot) !== time) return CONTINUE
          waitFor(at, nextPassed(at))
          return FIRE
        },
        onMerge(at, merged) {
          if (at.lastTime > at.watermark) at.wakeAt(at.lastTime, 'event')
          const time = earliest(merged, slot)
          if (time !== undefined) waitFor(at, time)
        },
        reset: (at) => at.set(slot, undefined),
      }
    },
  }
}

/**
 * Fires each time the clock passes a multiple of the interval, from the window's first record until
 * the window is dropped; in windows of processing time at their end too.
 * @throws RangeError when the interval is not positive.
 */
export function everyProcessingTime(interval: Duration): Trigger {
  const intervalMs = positive(interval, 'trigger everyProcessingTime')
  return {
    label: `everyProcessingTime(${intervalMs} ms)`,
    canMerge: true,
    runsUserCode: false,
    firesEndless: 'yes',
    make(takeSlot) {
      const slot = takeSlot()
      const waitFor = (at: TriggerContext, time: Timestamp): void => {
        at.set(slot, time)
        if (time < endOnClock(at)) at.wakeAt(time, 'processing')
      }
      return {
        onRecord(at) {
          at.wakeAt(endOnClock(at), 'processing')
          if (at.get(slot) === undefined) waitFor(at, nextMultiple(at.now, intervalMs))
          return CONTINUE
        },
        onTimer(at, time, clock) {
          if (clock !== 'processing') return CONTINUE
          if (time === endOnClock(at)) return FIRE
          if (at.get(slot) !== time) return CONTINUE
          // A clock that jumped over several multiples fires once for all of them.
          waitFor(at, nextMultiple(Math.max(time, at.now), intervalMs))
          return FIRE
        },
        onMerge(at, merged) {
          at.wakeAt(endOnClock(at), 'processing')
          const time = earliest(merged, slot)
          if (time !== undefined) waitFor(at, time)
        },
        reset: (at) => at.set(slot, undefined),
      }
    },
  }
}

/** The last time of a window of processing time; that of others says nothing about the clock. */
const endOnClock = (at: TriggerContext): Timestamp =>
  at.clock === 'processing' ? at.lastTime : Number.POSITIVE_INFINITY

/** The first multiple of the interval behind a time. */
function nextMultiple(time: Timestamp, intervalMs: Milliseconds): Timestamp {
  return Math.floor(time / intervalMs) * intervalMs + intervalMs
}

function earliest(merged: readonly Slots[], slot: number): Timestamp | undefined {
  let first = Number.POSITIVE_INFINITY
  for (const slots of merged) {
    const time = slots[slot]
    if (typeof time === 'number' && time < first) first = time
  }
  return first === Number.POSITIVE_INFINITY ? undefined : first
}
