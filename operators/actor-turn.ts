import type { KeyTurn, Specs } from './actor.ts'
import type { Key, TimerClock, Turn } from './operator.ts'
import { type CellsOf, EXPIRY, type StateCell, type TimersCell } from './state.ts'
import type { Expiring, LifeClock } from './state/expiring.ts'
import { type Duration, milliseconds, TIME_MAX, TIME_MIN, type Timestamp } from './time.ts'

/**
 * What an actor's functions are given, over the turn of the runtime: one object for all keys, set on
 * the key whose turn it is.
 */
export class ActorTurn
  implements KeyTurn<Specs, unknown, Readonly<Record<string, unknown>>>, LifeClock
{
  readonly #names: readonly string[]
  readonly #timerNames: readonly string[]
  #turn: Turn | undefined
  #cells: readonly StateCell[] = []
  readonly #state: Record<string, unknown> = {}
  /** How far event time has come for this turn. */
  #eventNow: Timestamp = TIME_MIN
  #hasOverdue = false
  /** Event time of the record or timer; none in the turn of an alarm. */
  #eventTime: Timestamp = TIME_MIN
  time: Timestamp = 0
  /** By the place of the cell: the views of those that have a time to live. */
  views: readonly (Expiring | undefined)[] = []

  constructor(names: readonly string[], timerNames: readonly string[]) {
    this.#names = names
    this.#timerNames = timerNames
    // All properties from the start: so the object keeps its shape.
    for (const name of names) this.#state[name] = undefined
  }

  /** @param eventNow the watermark; in the turn of a timer in event time the timer's time. */
  begin(turn: Turn, eventNow: Timestamp): void {
    this.#turn = turn
    this.#eventNow = eventNow
    this.#hasOverdue = false
    const { cells } = turn
    if (this.#cells === cells) return
    this.#cells = cells
    for (const [i, name] of this.#names.entries()) {
      const [cell, view] = [cells[i] as StateCell, this.views[i]]
      view?.bind(cell)
      this.#state[name] = view ?? cell
    }
  }

  /** The time of what comes now; `clock` is that of the timer. */
  setTime(time: Timestamp, clock: TimerClock): void {
    this.time = time
    this.#eventTime = clock === 'event' ? time : TIME_MIN
  }

  get #current(): Turn {
    if (this.#turn === undefined) throw new Error('a key can only be used during its turn')
    return this.#turn
  }

  get timers(): TimersCell {
    return this.#cells.at(-1) as TimersCell
  }

  get id(): Key {
    return this.#current.key
  }

  get state(): CellsOf<Specs> {
    return this.#state as CellsOf<Specs>
  }

  get watermark(): Timestamp {
    return this.#current.watermark
  }

  get now(): Timestamp {
    return this.#current.now
  }

  emit(value: unknown): void {
    this.#current.emit(value, this.time)
  }

  emitTo(sideName: string, value: unknown): void {
    this.#current.emitTo(sideName, value, this.time)
  }

  timer(name: string, at: Timestamp): void {
    this.#checkName(name)
    if (!Number.isFinite(at)) {
      throw new RangeError(`timer '${name}': ${String(at)} is not a time in milliseconds`)
    }
    this.#set(name, Math.ceil(at), 'event')
  }

  alarm(name: string, options: { readonly in: Duration }): void {
    this.#checkName(name)
    const delayMs = milliseconds(options.in, `alarm '${name}'`)
    if (delayMs < 0) {
      throw new RangeError(`alarm '${name}': ${JSON.stringify(options.in)} is in the past`)
    }
    this.#set(name, this.now + delayMs, 'processing')
  }

  cancel(name: string): void {
    this.#checkName(name)
    this.timers.delete(name)
  }

  forget(): void {
    for (const cell of this.#cells) cell.clear()
  }

  #set(name: string, at: Timestamp, clock: TimerClock): void {
    this.timers.set(name, at, clock)
    if (clock === 'event' && at <= this.#eventNow) this.#hasOverdue = true
    else this.wakeAt(at, clock)
  }

  #checkName(name: string): void {
    if (this.#timerNames.includes(name)) return
    const known = this.#timerNames.join(', ') || 'none'
    throw new TypeError(
      `there is no timer '${name}': the actor's onTimer has ${known}; give it one of this name`,
    )
  }

  // ── for the operator and the views ─────────────────────────────────────────────────────────────

  /** Asks to be woken, unless that was asked for a time that is not later. */
  wakeAt(at: Timestamp, clock: TimerClock): void {
    const { timers } = this
    if (at >= timers.wakeTime(clock)) return
    timers.setWakeTime(clock, at)
    this.#current.wakeAt(at, clock)
  }

  /** Whether timers were set in the past since the last call. */
  takeOverdue(): boolean {
    const had = this.#hasOverdue
    this.#hasOverdue = false
    return had
  }

  timeOf(clock: TimerClock): Timestamp {
    return clock === 'event' ? this.#eventNow : this.now
  }

  /**
   * In event time what is written lives from the record's time or the watermark, whichever is later; so
   * what an old record writes does not vanish at once. Before any time is known the clock has to do.
   */
  stampOf(clock: TimerClock): Timestamp {
    if (clock === 'processing') return this.now
    const at = Math.max(this.#eventNow, this.#eventTime)
    return at === TIME_MIN ? this.now : at
  }

  expireAt(at: Timestamp, clock: TimerClock): void {
    if (at === TIME_MAX) return
    const { timers } = this
    const armed = timers.get(EXPIRY[clock])
    if (armed !== undefined && armed <= at) return
    timers.set(EXPIRY[clock], at, clock)
    this.wakeAt(at, clock)
  }
}
