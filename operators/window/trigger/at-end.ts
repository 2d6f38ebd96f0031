/** Triggers that fire at the end of their window, and the one that never does. */
import type { TimerClock } from '../../operator.ts'
import { CONTINUE, FIRE, type Trigger, type TriggerLogic } from './trigger.ts'

/**
 * Fires when event time has come to the window's end, and at each record that comes after that. A
 * window without end fires at the end of bounded inputs. The default of windows of event time.
 */
export const onEventTime = (): Trigger => ({
  ...atEventTime,
  label: 'onEventTime()',
  firesAtEndOf: 'event',
})

/** Fires when all inputs have ended: for globalWindow(); other windows end before, and fire there. */
export const atEndOfStream = (): Trigger => ({ ...atEventTime, label: 'atEndOfStream()' })

const eventTimeLogic: TriggerLogic = {
  onRecord(at) {
    if (at.lastTime <= at.watermark) return FIRE
    at.wakeAt(at.lastTime, 'event')
    return CONTINUE
  },
  onTimer: (at, time, clock) => (clock === 'event' && time === at.lastTime ? FIRE : CONTINUE),
  onMerge(at) {
    if (at.lastTime > at.watermark) at.wakeAt(at.lastTime, 'event')
  },
  reset: () => undefined,
}

const atEventTime = {
  canMerge: true,
  runsUserCode: false,
  firesEndless: 'atEnd',
  make: () => eventTimeLogic,
} as const

/** Fires when the clock has come to the window's end. The default of windows of processing time. */
export const onProcessingTime = (): Trigger => ({
  label: 'onProcessingTime()',
  firesAtEndOf: 'processing',
  canMerge: true,
  runsUserCode: false,
  firesEndless: 'never',
  make: () => processingTimeLogic,
})

const processingTimeLogic: TriggerLogic = {
  onRecord(at) {
    at.wakeAt(at.lastTime, 'processing')
    return CONTINUE
  },
  onTimer: (at, time, clock) => isLast(at.lastTime, time, clock),
  onMerge(at) {
    if (at.lastTime > at.now) at.wakeAt(at.lastTime, 'processing')
  },
  reset: () => undefined,
}

const isLast = (lastTime: number, time: number, clock: TimerClock): number =>
  clock === 'processing' && time === lastTime ? FIRE : CONTINUE

/** Never fires. The default of globalWindow(). */
export const never = (): Trigger => ({
  label: 'never()',
  canMerge: true,
  runsUserCode: false,
  firesEndless: 'never',
  make: () => ({
    onRecord: () => CONTINUE,
    onTimer: () => CONTINUE,
    onMerge: () => undefined,
    reset: () => undefined,
  }),
})
