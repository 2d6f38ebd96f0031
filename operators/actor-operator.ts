/**
 * Runs a key actor: its records, its timers, and the removal of what has lived its time.
 *
 * K1 A turn that throws leaves nothing behind, and a timer that keeps throwing does not come again.
 * K2 The timers of a key fire in the order of their times, whenever the key was woken for them.
 */
import { type ActorDefinition, checkVersions } from './actor.ts'
import { ActorTurn } from './actor-turn.ts'
import { expiringViews, livingCells } from './expiring-views.ts'
import type { KeyedOperator, TimerClock, Turn } from './operator.ts'
import { type CellSpec, type StateSpec, type TimerName, namedTimers } from './state.ts'
import { TIME_MAX, TIME_MIN, type Timestamp } from './time.ts'

type OneInput = ActorDefinition<
  Readonly<Record<string, CellSpec>>,
  unknown,
  unknown,
  Readonly<Record<string, unknown>>
>

export interface AnyDefinition extends OneInput {
  /** For the records of a second input, where there is one. */
  readonly onOther?: OneInput['onRecord']
}

/** Name of the cell in which an actor's named timers are kept. */
const TIMERS_CELL = '(timers)'
/** Timers that set each other without time going on are stopped after so many. */
const FIRED_AT_ONE_TIME_MAX = 1_000

export class ActorOperator implements KeyedOperator {
  readonly state: StateSpec
  readonly #definition: AnyDefinition
  readonly #turn: ActorTurn

  /** @param name the operator's, for messages. */
  constructor(definition: AnyDefinition, name: string) {
    const { version = 1, upcast, state, ttl, onTimer = {} } = definition
    checkVersions(name, definition)
    const cells = livingCells(name, state, ttl)
    this.#definition = definition
    this.state = {
      version,
      cells: { ...Object.fromEntries(cells), [TIMERS_CELL]: namedTimers() },
      ...(upcast !== undefined && { upcasters: upcast }),
    }
    this.#turn = new ActorTurn(Object.keys(state), Object.keys(onTimer))
    this.#turn.views = expiringViews(cells, this.#turn)
  }

  onRecord(turn: Turn, value: unknown, time: Timestamp, input = 0): void {
    const definition = this.#definition
    this.#turn.begin(turn, turn.watermark)
    this.#turn.setTime(time, 'event')
    this.#run(turn, value, () => {
      if (input === 0) definition.onRecord(value, this.#turn)
      else definition.onOther?.(value, this.#turn)
    })
    this.#fireOverdue(turn)
  }

  onTimer(turn: Turn, time: Timestamp, clock: TimerClock): void {
    this.#turn.begin(turn, clock === 'event' ? time : turn.watermark)
    const { timers } = this.#turn
    // A place among the waiting that was given up for an earlier one comes too, and finds nothing due.
    if (timers.wakeTime(clock) <= time) timers.setWakeTime(clock, Number.POSITIVE_INFINITY)
    this.#fireDue(turn, time, clock)
    if (clock === 'processing') this.#fireOverdue(turn)
    const next = timers.earliest(clock)
    if (next !== undefined) this.#turn.wakeAt(next.at, clock)
  }

  /** Timers that user code set in the past are due at once. */
  #fireOverdue(turn: Turn): void {
    if (this.#turn.takeOverdue()) this.#fireDue(turn, this.#turn.timeOf('event'), 'event')
  }

  /** Fires what is due by a time (K2), also what that sets. */
  #fireDue(turn: Turn, by: Timestamp, clock: TimerClock): void {
    const { timers } = this.#turn
    let [latest, firedThere] = [TIME_MIN, 0]
    for (;;) {
      const due = timers.earliest(clock)
      if (due === undefined || due.at > by) return
      firedThere = due.at > latest ? 0 : firedThere + 1
      latest = Math.max(latest, due.at)
      if (typeof due.name === 'number') this.#sweep(turn, due.name, clock)
      else this.#fire(turn, { name: due.name, at: due.at }, clock, firedThere)
    }
  }

  #fire(
    turn: Turn,
    { name, at }: { readonly name: string; readonly at: Timestamp },
    clock: TimerClock,
    firedThere: number,
  ): void {
    const handler = this.#definition.onTimer?.[name]
    this.#turn.setTime(clock === 'event' ? at : turn.now, clock)
    const completed = this.#run(turn, { timer: name }, () => {
      this.#turn.timers.delete(name)
      if (firedThere > FIRED_AT_ONE_TIME_MAX) throw endless(name, at)
      handler?.(this.#turn)
    })
    // It was set aside, and taken back with its turn: it must not come again (K1).
    if (!completed) this.#turn.timers.delete(name)
  }

  /** Removes what is over, and asks for the next time. */
  #sweep(turn: Turn, name: TimerName, clock: TimerClock): void {
    this.#turn.timers.delete(name)
    // At the end of a bounded input nothing can read the state any more but people, who want to see it.
    if (clock === 'event' && turn.watermark === TIME_MAX) return
    for (const view of this.#turn.views) {
      if (view?.clock !== clock) continue
      const next = view.sweep()
      this.#turn.expireAt(next, clock)
    }
  }

  /** @param subject what the turn is about: the record, or the timer's name. */
  #run(turn: Turn, subject: unknown, userCode: () => void): boolean {
    turn.savepoint()
    try {
      userCode()
      return true
    } catch (error) {
      turn.rollback()
      const recovered = turn.recover(error, subject, () => {
        turn.rollback()
        userCode()
      })
      if (recovered !== undefined) return true
      turn.rollback()
      return false
    }
  }
}

const endless = (name: string, at: Timestamp): RangeError =>
  new RangeError(
    `timer '${name}' came ${FIRED_AT_ONE_TIME_MAX} times at ${at} without time going on; let its handler set timers later than key.time`,
  )
