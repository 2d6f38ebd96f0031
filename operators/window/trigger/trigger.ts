/**
 * A trigger decides when a window gives a result. It is asked at each record of the window and at the
 * times it asked for, and remembers what it has to in slots of the window's own state.
 *
 * Triggers go on for as long as their window does, as in Flink; only `orFinally` ends one.
 */
import type { TimerClock } from '../../operator.ts'
import type { Timestamp } from '../../time.ts'
import type { Window } from '../window.ts'

/** What a trigger says: flags that may come together. */
export type Verdict = number
export const CONTINUE: Verdict = 0
/** Give a result. */
export const FIRE: Verdict = 1
/** Drop the contents (behind the result, if there is one). */
export const PURGE: Verdict = 2
/** This trigger is over, and with it its window: records that still come are late. */
export const DONE: Verdict = 4

export const fires = (verdict: Verdict): boolean => (verdict & FIRE) !== 0

/** What triggers of one window remember, a slot a trigger; undefined is nothing yet. */
export type Slots = readonly unknown[]

/** What a trigger is given: one window at a record or a time. Valid during the call only. */
export interface TriggerContext {
  readonly window: Window
  /** The last time inside the window; +∞ of a window without end. */
  readonly lastTime: Timestamp
  /** When the window is dropped: its last time plus the allowed lateness. */
  readonly cleanupTime: Timestamp
  /** Which clock the window's interval is of. */
  readonly clock: TimerClock
  /** At a record: its value; otherwise undefined. */
  readonly value: unknown
  /** Event time of the record; the time that has come, at a timer. */
  readonly time: Timestamp
  readonly watermark: Timestamp
  readonly now: Timestamp
  get(slot: number): unknown
  set(slot: number, value: unknown): void
  /**
   * Asks for onTimer. A time that has passed already comes with the next step of its clock. +∞ in
   * event time is the end of the inputs; when they have ended, windows without end wait for nothing
   * else.
   */
  wakeAt(time: Timestamp, clock: TimerClock): void
}

/** The logic of a trigger; all it remembers is in the slots of the context. */
export interface TriggerLogic {
  onRecord(at: TriggerContext): Verdict
  /** A time has come that this or another trigger of the window asked for. */
  onTimer(at: TriggerContext, time: Timestamp, clock: TimerClock): Verdict
  /** Sessions became one: makes its slot of theirs, in order of time, and asks for its times again. */
  onMerge(at: TriggerContext, merged: readonly Slots[]): void
  /** Forgets everything, as if no record had come. */
  reset(at: TriggerContext): void
  /** The window is dropped, with all slots. */
  clear?(window: Window): void
}

/** Gives a trigger the slot it remembers things in. */
export type TakeSlot = () => number

/** A trigger as a job names it. */
export interface Trigger<In = unknown> {
  /** What plans and messages call it. */
  readonly label: string
  /** Whether it can become one with those of other sessions. */
  readonly canMerge: boolean
  /** Whether it runs a function of the job, which may throw. */
  readonly runsUserCode: boolean
  /** Whether a window without end fires by it: some time, at the end of bounded inputs only, or never. */
  readonly firesEndless: 'yes' | 'atEnd' | 'never'
  /** Says that it is what windows of this clock do by themselves. */
  readonly firesAtEndOf?: TimerClock
  readonly make: (takeSlot: TakeSlot) => TriggerLogic
  /** Never there: tells the compiler what the records must be. */
  readonly '~input'?: (value: In) => void
}

/** What several triggers need of a trigger's description, together. */
export function partsOf(
  triggers: readonly Trigger[],
): Pick<Trigger, 'canMerge' | 'runsUserCode'> & { readonly labels: string } {
  return {
    canMerge: triggers.every(({ canMerge }) => canMerge),
    runsUserCode: triggers.some(({ runsUserCode }) => runsUserCode),
    labels: triggers.map(({ label }) => label).join(', '),
  }
}
