/** Asks the trigger of an operator about one window at a time. */
import type { TimerClock, Turn } from '../../operator.ts'
import type { Timestamp } from '../../time.ts'
import { endOf, MORE, type OpenWindow, START } from '../open-window.ts'
import type { Window } from '../window.ts'
import { ask, type TriggerTimers } from './trigger-timers.ts'
import type { Slots, Trigger, TriggerContext, TriggerLogic, Verdict } from './trigger.ts'

/** A window, and where its timers are. */
export interface TriggerSubject {
  readonly turn: Turn
  readonly timers: TriggerTimers
  readonly number: number
  /** Its slots are replaced when the trigger changes them. */
  readonly window: OpenWindow
  readonly cleanupTime: Timestamp
}

export class TriggerRunner {
  readonly runsUserCode: boolean
  readonly #logic: TriggerLogic
  readonly #context: RunnerContext

  constructor(trigger: Trigger, clock: TimerClock) {
    let slots = 0
    this.#logic = trigger.make(() => slots++)
    this.runsUserCode = trigger.runsUserCode
    this.#context = new RunnerContext(clock, slots)
  }

  onRecord(subject: TriggerSubject, value: unknown, time: Timestamp): Verdict {
    return this.#context.about(subject, value, time, (at) => this.#logic.onRecord(at))
  }

  onTimer(subject: TriggerSubject, time: Timestamp, clock: TimerClock): Verdict {
    return this.#context.about(subject, undefined, time, (at) =>
      this.#logic.onTimer(at, time, clock),
    )
  }

  /** @param merged slots of the windows that became one, in order of time. */
  onMerge(subject: TriggerSubject, merged: readonly Slots[], time: Timestamp): void {
    this.#context.about(subject, undefined, time, (at) => this.#logic.onMerge(at, merged))
  }

  clear(window: OpenWindow): void {
    this.#logic.clear?.({ start: window[START], end: endOf(window) })
  }
}

class RunnerContext implements TriggerContext {
  readonly clock: TimerClock
  readonly #slotCount: number
  #subject: TriggerSubject | undefined
  #slots: Slots = []
  #isChanged = false
  value: unknown
  time: Timestamp = 0

  constructor(clock: TimerClock, slotCount: number) {
    this.clock = clock
    this.#slotCount = slotCount
  }

  about<Out>(
    subject: TriggerSubject,
    value: unknown,
    time: Timestamp,
    call: (at: TriggerContext) => Out,
  ): Out {
    this.#subject = subject
    this.#slots = subject.window[MORE]?.slots ?? []
    this.#isChanged = false
    this.value = value
    this.time = time
    const out = call(this)
    if (this.#isChanged) this.#keep(subject.window)
    return out
  }

  #keep(window: OpenWindow): void {
    const { slots: _, ...rest } = window[MORE] ?? {}
    if (this.#slots.some((slot) => slot !== undefined)) {
      window[MORE] = { ...rest, slots: this.#slots }
    } else window[MORE] = Object.keys(rest).length === 0 ? null : rest
  }

  get #current(): TriggerSubject {
    if (this.#subject === undefined) throw new Error('a window can only be used during its turn')
    return this.#subject
  }

  get window(): Window {
    const { window } = this.#current
    return { start: window[START], end: endOf(window) }
  }

  get lastTime(): Timestamp {
    return endOf(this.#current.window) - 1
  }

  get cleanupTime(): Timestamp {
    return this.#current.cleanupTime
  }

  get watermark(): Timestamp {
    return this.#current.turn.watermark
  }

  get now(): Timestamp {
    return this.#current.turn.now
  }

  get(slot: number): unknown {
    // What was undefined may have been read back as null.
    return this.#slots[slot] ?? undefined
  }

  set(slot: number, value: unknown): void {
    if (this.get(slot) === value) return
    if (!this.#isChanged) {
      const before = this.#slots
      this.#slots = Array.from({ length: this.#slotCount }, (_, i) => before[i] ?? undefined)
      this.#isChanged = true
    }
    ;(this.#slots as unknown[])[slot] = value
  }

  wakeAt(time: Timestamp, clock: TimerClock): void {
    const { turn, timers, number, cleanupTime } = this.#current
    // When all inputs have ended, what is never dropped could wake itself for ever.
    const isOver = turn.watermark === Infinity && cleanupTime === Infinity
    if (isOver && clock === 'event' && time !== Infinity) return
    ask(turn, timers, number, { time, clock })
  }
}
