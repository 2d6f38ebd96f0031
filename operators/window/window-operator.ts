/**
 * The windows of a key: takes records into them, fires them when their trigger says so, and drops them
 * when time has come to their end and the allowed lateness behind it. The rules are Flink's.
 *
 * W1 A record goes into all of its windows, or into none: what user code leaves half-done is taken back.
 * W2 A window that time has passed, lateness included, is not opened again: its records are late.
 * W3 Without a trigger of its own an open window waits for one timer. One that comes before the window's
 *    end, because the window has grown, waits again; one that nobody expects is ignored.
 */
import type { KeyedOperator, TimerClock, Turn } from '../operator.ts'
import { type CellSpec, map } from '../state.ts'
import type { Milliseconds, Timestamp } from '../time.ts'
import { Accumulated, type Contents, KEPT } from './contents.ts'
import type { AnyWindowAggregate, WindowOperatorOptions } from './make-window-operator.ts'
import {
  CONTENTS,
  COUNT,
  endOf,
  MORE,
  type OpenWindow,
  type OpenWindows,
  WAKE_AT,
} from './open-window.ts'
import { type Occasion, WindowResultMaker } from './results.ts'
import { triggerOf } from './default-trigger.ts'
import { TriggerRunner, type TriggerSubject } from './trigger/trigger-runner.ts'
import { END_OF_TIME, forget, take, type TriggerTimers } from './trigger/trigger-timers.ts'
import { DONE, fires, PURGE, type Verdict } from './trigger/trigger.ts'
import type { WindowSpec } from './window-spec.ts'
import type { Pane } from './window.ts'

/** A window that a record went into, and what its trigger said to that. */
export interface Added {
  readonly number: number
  readonly window: OpenWindow
  readonly verdict: Verdict
}

/** What stays as it is for the turn of a record. */
export interface RecordTurn {
  readonly turn: Turn
  readonly value: unknown
  readonly time: Timestamp
}

const NOTHING: readonly Added[] = []

export abstract class WindowOperator implements KeyedOperator {
  readonly state: { readonly version: number; readonly cells: Readonly<Record<string, CellSpec>> }
  protected readonly clock: TimerClock
  protected readonly latenessMs: Milliseconds
  protected readonly contents: Contents
  /** Undefined: windows fire at their end, and at each record behind it. */
  protected readonly trigger: TriggerRunner | undefined
  /** Whether user code may throw when contents were changed: they are then copied before. */
  protected readonly copies: boolean
  protected readonly unwrap: (record: unknown) => unknown
  readonly #results: WindowResultMaker
  readonly #isDiscarding: boolean
  /** A count window without contents leaves nothing behind. */
  readonly #isCount: boolean

  constructor(
    spec: WindowSpec<never>,
    aggregate: AnyWindowAggregate,
    { keyed = true, unwrap }: WindowOperatorOptions = {},
  ) {
    const { trigger, evictor, purges } = triggerOf(spec)
    const { latenessMs, results } = spec.options
    this.clock = spec.clock
    this.latenessMs = spec.clock === 'event' ? latenessMs : 0
    this.contents = evictor === undefined ? new Accumulated(aggregate) : KEPT
    this.trigger = trigger && new TriggerRunner(trigger, spec.clock)
    this.copies = this.trigger?.runsUserCode === true
    this.unwrap = unwrap ?? ((record) => record)
    this.#isDiscarding = purges || results === 'discarding'
    this.#isCount = spec.kind === 'count'
    this.#results = new WindowResultMaker({
      aggregate,
      options: { evictor, results },
      keyed,
      standAlone: this.#isCount,
      unwrap,
    })
    const windows = map<number, OpenWindow>()
    const cells = { windows }
    this.state = {
      version: 1,
      cells: trigger === undefined ? cells : { ...cells, timers: map<number | string, number[]>() },
    }
  }

  onRecord(turn: Turn, value: unknown, time: Timestamp): void {
    const record = { turn, value, time }
    const added = this.copies ? this.#addOrUndo(record) : this.#add(record)
    for (const { number, window, verdict } of added) {
      if (this.trigger === undefined) this.atRecord(turn, window)
      else this.#act(turn, window, verdict, this.#occasionOfRecord(turn, window, verdict))
      this.store(turn, number, window)
    }
  }

  /** Puts a record into its windows and asks their triggers; hands it on when it is late for all. */
  protected abstract add(record: RecordTurn): readonly Added[]

  #add(record: RecordTurn): readonly Added[] {
    try {
      return this.add(record)
    } catch (error) {
      const again = (): readonly Added[] => this.add(record)
      return record.turn.recover(error, record.value, again)?.value ?? NOTHING
    }
  }

  #addOrUndo(record: RecordTurn): readonly Added[] {
    const { turn, value } = record
    turn.savepoint()
    try {
      return this.add(record)
    } catch (error) {
      turn.rollback()
      const recovered = turn.recover(error, value, () => {
        turn.rollback()
        return this.add(record)
      })
      if (recovered === undefined) turn.rollback()
      return recovered?.value ?? NOTHING
    }
  }

  onTimer(turn: Turn, time: Timestamp, clock: TimerClock): void {
    if (this.trigger !== undefined) this.#onTriggerTimer(turn, time, clock)
    else if (clock === this.clock) {
      const windows = turn.cell as OpenWindows
      for (const number of this.waitingFor(windows, time)) {
        const window = windows.get(number)
        if (window?.[WAKE_AT] === time) this.#onWake(turn, number, window, time)
      }
    }
  }

  /** Windows that may wait for a time (W3). */
  protected abstract waitingFor(windows: OpenWindows, time: Timestamp): Iterable<number>

  // ── without a trigger ──────────────────────────────────────────────────────────────────────────

  /** Fires a window that time has passed, or waits for its end. */
  protected atRecord(turn: Turn, window: OpenWindow): void {
    const lastTime = endOf(window) - 1
    if (this.clock === 'processing' || lastTime > turn.watermark) {
      this.#wait(turn, window, lastTime)
      return
    }
    this.#fire(turn, window, { timing: 'late', isLast: false })
    this.#wait(turn, window, this.cleanupTime(window))
  }

  /** An earlier timer that the window waits for already is as good: it then waits again. */
  #wait(turn: Turn, window: OpenWindow, time: Timestamp): void {
    const waiting = window[WAKE_AT]
    if ((waiting !== null && waiting <= time) || time === Infinity) return
    window[WAKE_AT] = time
    turn.wakeAt(time, this.clock)
  }

  #onWake(turn: Turn, number: number, window: OpenWindow, time: Timestamp): void {
    const lastTime = endOf(window) - 1
    const cleanupTime = this.cleanupTime(window)
    const isOver = this.clock === 'processing' || turn.watermark >= cleanupTime
    window[WAKE_AT] = null
    if (time === lastTime) this.#fire(turn, window, { timing: 'onTime', isLast: isOver })
    if (time >= lastTime && isOver) {
      this.drop(turn, number, window)
      return
    }
    this.#wait(turn, window, time < lastTime ? lastTime : cleanupTime)
    this.store(turn, number, window)
  }

  #fire(turn: Turn, window: OpenWindow, pane: Pick<Pane, 'timing' | 'isLast'>): void {
    const purges = this.#isDiscarding
    this.#results.fire(turn, window, { ...pane, purges, time: -Infinity })
    if (purges) purge(window)
  }

  // ── with a trigger ─────────────────────────────────────────────────────────────────────────────

  #onTriggerTimer(turn: Turn, wakeTime: Timestamp, clock: TimerClock): void {
    const asked = take(turn.cells[1] as TriggerTimers, wakeTime, clock)
    for (let i = 0; i < asked.length; i += 2) {
      const number = asked[i] as number
      const window = (turn.cell as OpenWindows).get(number)
      if (window !== undefined) {
        this.#atTime(turn, number, this.editable(window), { time: asked[i + 1] as number, clock })
      }
    }
  }

  #atTime(
    turn: Turn,
    number: number,
    window: OpenWindow,
    at: { readonly time: Timestamp; readonly clock: TimerClock },
  ): void {
    const cleanupTime = this.cleanupTime(window)
    const isCleanup = at.clock === this.clock && at.time === cleanupTime
    const verdict = this.#ask(turn, number, window, at)
    this.#act(turn, window, verdict, this.#occasionOfTime(turn, window, verdict, at))
    if (isCleanup) this.drop(turn, number, window)
    else this.store(turn, number, window)
  }

  /** What the trigger says to a time; nothing, when it keeps failing. */
  #ask(
    turn: Turn,
    number: number,
    window: OpenWindow,
    at: { readonly time: Timestamp; readonly clock: TimerClock },
  ): Verdict {
    const runner = this.trigger as TriggerRunner
    const subject = this.subject(turn, number, window)
    const before = window[MORE]
    const attempt = (): Verdict => runner.onTimer(subject, at.time, at.clock)
    if (!this.copies) return attempt()
    const undo = (): void => {
      turn.rollback()
      window[MORE] = before
    }
    turn.savepoint()
    try {
      return attempt()
    } catch (error) {
      undo()
      const failed = { trigger: at.clock, time: at.time }
      const recovered = turn.recover(error, failed, () => {
        undo()
        return attempt()
      })
      if (recovered === undefined) undo()
      return recovered?.value ?? 0
    }
  }

  #act(turn: Turn, window: OpenWindow, verdict: Verdict, occasion: Occasion): void {
    if (fires(verdict)) this.#results.fire(turn, window, occasion)
    if (occasion.purges) purge(window)
    if ((verdict & DONE) === 0) return
    purge(window)
    window[MORE] = { ...window[MORE], isDone: true }
  }

  #occasionOfRecord(turn: Turn, window: OpenWindow, verdict: Verdict): Occasion {
    const isLate = this.clock === 'event' && endOf(window) - 1 <= turn.watermark
    return {
      timing: isLate ? 'late' : 'early',
      isLast: (verdict & DONE) !== 0,
      purges: this.#purges(verdict),
      time: -Infinity,
    }
  }

  #occasionOfTime(
    turn: Turn,
    window: OpenWindow,
    verdict: Verdict,
    at: { readonly time: Timestamp; readonly clock: TimerClock },
  ): Occasion {
    const lastTime = endOf(window) - 1
    const cleanupTime = this.cleanupTime(window)
    // How far time has come for this window: as far as the timer, or, of the other clock, as it is.
    const isOwn = at.clock === this.clock
    const now = isOwn ? at.time : this.clock === 'event' ? turn.watermark : turn.now
    const isOnTime = isOwn && at.time === lastTime
    // User code may have asked for more; otherwise nothing comes between the end and the cleanup.
    const isOver = isOnTime && !this.copies && turn.watermark >= cleanupTime
    return {
      timing: isOnTime ? 'onTime' : now < lastTime ? 'early' : 'late',
      isLast: (isOwn && at.time === cleanupTime) || isOver || (verdict & DONE) !== 0,
      purges: this.#purges(verdict),
      time: at.clock === 'event' ? at.time : turn.watermark,
    }
  }

  #purges(verdict: Verdict): boolean {
    return (verdict & PURGE) !== 0 || (this.#isDiscarding && fires(verdict))
  }

  protected subject(turn: Turn, number: number, window: OpenWindow): TriggerSubject {
    const timers = turn.cells[1] as TriggerTimers
    return { turn, timers, number, window, cleanupTime: this.cleanupTime(window) }
  }

  // ── windows ────────────────────────────────────────────────────────────────────────────────────

  /** A window as it may be changed: a copy, where the change may have to be taken back (W1). */
  protected editable(window: OpenWindow): OpenWindow {
    return this.copies ? (window.slice() as OpenWindow) : window
  }

  /** When a window is dropped; +∞, never, when that is beyond all times. */
  protected cleanupTime(window: OpenWindow): Timestamp {
    const time = endOf(window) - 1 + this.latenessMs
    return time >= END_OF_TIME ? Infinity : time
  }

  /** Whether time has passed what ends here, lateness included (W2). */
  protected isOver(turn: Turn, end: Timestamp): boolean {
    return this.clock === 'event' && end - 1 + this.latenessMs <= turn.watermark
  }

  protected store(turn: Turn, number: number, window: OpenWindow): void {
    const windows = turn.cell as OpenWindows
    if (this.#isCount && window[COUNT] === 0 && window[MORE]?.slots === undefined) {
      windows.delete(number)
    } else if (windows.get(number) === window) windows.touch(number)
    else windows.set(number, window)
  }

  protected drop(turn: Turn, number: number, window: OpenWindow): void {
    ;(turn.cell as OpenWindows).delete(number)
    if (this.trigger === undefined) return
    forget(turn.cells[1] as TriggerTimers, number)
    this.trigger.clear(window)
  }
}

function purge(window: OpenWindow): void {
  window[CONTENTS] = null
  window[COUNT] = 0
}
