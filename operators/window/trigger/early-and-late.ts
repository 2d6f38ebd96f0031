import type { TimerClock } from '../../operator.ts'
import type { Window } from '../window.ts'
import { onEventTime } from './at-end.ts'
import {
  CONTINUE,
  FIRE,
  fires,
  partsOf,
  type Trigger,
  type TriggerContext,
  type TriggerLogic,
} from './trigger.ts'

export interface EarlyAndLateOptions<In = unknown> {
  /** Fires before time has come to the window's end; default: not before. */
  readonly early?: Trigger<In>
  /** Fires for the records that come after that; default: at each of them. */
  readonly late?: Trigger<In>
}

/**
 * Fires early by one trigger, on time at the window's end, and late by another: Beam's
 * AfterWatermark. What the late trigger has left over when the window is dropped comes then.
 */
export function earlyAndLate<In = unknown>(options: EarlyAndLateOptions<In>): Trigger<In> {
  const early = options.early as Trigger | undefined
  const late = options.late as Trigger | undefined
  const given = [early, late].filter((trigger) => trigger !== undefined)
  const { canMerge, runsUserCode } = partsOf(given)
  const labels = [
    early === undefined ? [] : `early: ${early.label}`,
    late === undefined ? [] : `late: ${late.label}`,
  ].flat()
  return {
    label: `earlyAndLate({ ${labels.join(', ')} })`,
    canMerge,
    runsUserCode,
    firesEndless: early?.firesEndless === 'yes' ? 'yes' : 'atEnd',
    make(takeSlot) {
      return new EarlyAndLate({
        early: early?.make(takeSlot),
        onTime: onEventTime().make(takeSlot),
        late: late?.make(takeSlot),
        leftOverSlot: takeSlot(),
      })
    },
  }
}

interface Parts {
  readonly early: TriggerLogic | undefined
  readonly onTime: TriggerLogic
  /** Undefined: at each late record. */
  readonly late: TriggerLogic | undefined
  /** Remembers that late records have not come out yet. */
  readonly leftOverSlot: number
}

class EarlyAndLate implements TriggerLogic {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  onRecord(at: TriggerContext): number {
    const { early, onTime, late, leftOverSlot } = this.#parts
    if (at.lastTime > at.watermark) {
      onTime.onRecord(at)
      return early === undefined ? CONTINUE : early.onRecord(at)
    }
    if (late === undefined) return FIRE
    const verdict = late.onRecord(at)
    at.set(leftOverSlot, fires(verdict) ? undefined : true)
    return verdict
  }

  onTimer(at: TriggerContext, time: number, clock: TimerClock): number {
    const { early, late, leftOverSlot } = this.#parts
    if (clock === 'event' && time === at.lastTime) {
      early?.reset(at)
      return FIRE
    }
    const isEarly = clock === 'event' ? time < at.lastTime : at.watermark < at.lastTime
    if (isEarly) return early === undefined ? CONTINUE : early.onTimer(at, time, clock)
    const verdict = late === undefined ? CONTINUE : late.onTimer(at, time, clock)
    const isOver = clock === 'event' && time === at.cleanupTime
    if (isOver && at.get(leftOverSlot) === true) return verdict | FIRE
    if (fires(verdict)) at.set(leftOverSlot, undefined)
    return verdict
  }

  onMerge(at: TriggerContext, merged: Parameters<TriggerLogic['onMerge']>[1]): void {
    const { early, onTime, late, leftOverSlot } = this.#parts
    onTime.onMerge(at, merged)
    early?.onMerge(at, merged)
    late?.onMerge(at, merged)
    at.set(leftOverSlot, merged.some((slots) => slots[leftOverSlot] === true) ? true : undefined)
  }

  reset(at: TriggerContext): void {
    const { early, onTime, late, leftOverSlot } = this.#parts
    early?.reset(at)
    onTime.reset(at)
    late?.reset(at)
    at.set(leftOverSlot, undefined)
  }

  clear(window: Window): void {
    this.#parts.early?.clear?.(window)
    this.#parts.late?.clear?.(window)
  }
}
