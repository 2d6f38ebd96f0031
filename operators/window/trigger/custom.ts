/** Triggers that a job writes itself. */
import type { TimerClock } from '../../operator.ts'
import type { Timestamp } from '../../time.ts'
import type { Window } from '../window.ts'
import {
  CONTINUE,
  FIRE,
  PURGE,
  type Slots,
  type Trigger,
  type TriggerContext,
  type TriggerLogic,
  type Verdict,
} from './trigger.ts'

/** Give no result; give one; drop the contents; give one and drop the contents. */
export type TriggerResult = 'continue' | 'fire' | 'purge' | 'fireAndPurge'

const VERDICTS: Readonly<Record<TriggerResult, Verdict>> = {
  continue: CONTINUE,
  fire: FIRE,
  purge: PURGE,
  fireAndPurge: FIRE | PURGE,
}

/** What the functions of a trigger are given: one window of one key. Valid during the call only. */
export interface TriggerTurn<State = undefined> {
  readonly window: Window
  /** Event time of the record; at a timer, the time that has come. */
  readonly time: Timestamp
  readonly watermark: Timestamp
  /** Processing time from the job's clock. */
  readonly now: Timestamp
  /** What this trigger remembers of this window. Replace it: what is changed inside is not kept. */
  state: State
  /** Asks for onEventTime, or onProcessingTime on the clock 'processing'. */
  wakeAt(time: Timestamp, clock?: TimerClock): void
}

export interface RecordTriggerTurn<In, State> extends TriggerTurn<State> {
  readonly value: In
}

export interface TriggerDefinition<In, State> {
  /** What plans and messages call it; default 'custom'. */
  readonly name?: string
  /** What is remembered of a new window: plain data. */
  readonly state?: () => State
  /** At each record, when it is in the window's contents. */
  readonly onRecord: (at: RecordTriggerTurn<In, State>) => TriggerResult
  /** A time of event time that was asked for has come. It cannot be taken back: ignore what is not expected. */
  readonly onEventTime?: (at: TriggerTurn<State>) => TriggerResult
  /** A time of the clock that was asked for has come. */
  readonly onProcessingTime?: (at: TriggerTurn<State>) => TriggerResult
  /**
   * Sessions became one: gives its state, of theirs in order of time; times have to be asked for
   * again. A trigger without it does not go with session windows.
   */
  readonly onMerge?: (at: TriggerTurn<State>, merged: readonly State[]) => State
  /** A window is dropped, with its state. */
  readonly clear?: (window: Window) => void
}

/** A trigger of a job's own. Its functions are pure: all they remember is `state`. */
export function trigger<In = unknown, State = undefined>(
  definition: TriggerDefinition<In, State>,
): Trigger<In> {
  return {
    label: definition.name ?? 'custom',
    canMerge: definition.onMerge !== undefined,
    runsUserCode: true,
    firesEndless: 'yes',
    make: (takeSlot) =>
      new CustomTrigger(definition as TriggerDefinition<unknown, unknown>, takeSlot()),
  }
}

/** The state in a box, which tells undefined and null from no state yet. */
type Held = readonly [unknown] | undefined | null

class CustomTrigger implements TriggerLogic {
  readonly #definition: TriggerDefinition<unknown, unknown>
  readonly #slot: number
  readonly #turn: CustomTurn

  constructor(definition: TriggerDefinition<unknown, unknown>, slot: number) {
    this.#definition = definition
    this.#slot = slot
    this.#turn = new CustomTurn(slot, definition.state ?? (() => undefined))
  }

  onRecord(at: TriggerContext): Verdict {
    return verdictOf(this.#definition.onRecord(this.#turn.of(at)), this.#definition)
  }

  onTimer(at: TriggerContext, _time: Timestamp, clock: TimerClock): Verdict {
    const { onEventTime, onProcessingTime } = this.#definition
    const handler = clock === 'event' ? onEventTime : onProcessingTime
    if (handler === undefined) return CONTINUE
    return verdictOf(handler(this.#turn.of(at)), this.#definition)
  }

  onMerge(at: TriggerContext, merged: readonly Slots[]): void {
    const { onMerge, state = () => undefined } = this.#definition
    const states = merged.map((slots) => {
      const held = slots[this.#slot] as Held
      return held === undefined || held === null ? state() : held[0]
    })
    at.set(this.#slot, [onMerge?.(this.#turn.of(at), states)])
  }

  reset(at: TriggerContext): void {
    at.set(this.#slot, undefined)
  }

  clear(window: Window): void {
    this.#definition.clear?.(window)
  }
}

/** @throws TypeError when a function gave something else, as a promise or nothing. */
function verdictOf(
  result: unknown,
  { name = 'custom' }: TriggerDefinition<unknown, unknown>,
): Verdict {
  if (typeof result === 'string' && Object.hasOwn(VERDICTS, result)) {
    return VERDICTS[result as TriggerResult]
  }
  throw new TypeError(
    `the trigger ${name} gave ${String(result)}; it has to give one of ${Object.keys(VERDICTS).join(', ')}`,
  )
}

class CustomTurn implements RecordTriggerTurn<unknown, unknown> {
  readonly #slot: number
  readonly #initial: () => unknown
  #at: TriggerContext | undefined

  constructor(slot: number, initial: () => unknown) {
    this.#slot = slot
    this.#initial = initial
  }

  of(at: TriggerContext): this {
    this.#at = at
    return this
  }

  get #current(): TriggerContext {
    if (this.#at === undefined) throw new Error('a window can only be used during its turn')
    return this.#at
  }

  get window(): Window {
    return this.#current.window
  }

  get value(): unknown {
    return this.#current.value
  }

  get time(): Timestamp {
    return this.#current.time
  }

  get watermark(): Timestamp {
    return this.#current.watermark
  }

  get now(): Timestamp {
    return this.#current.now
  }

  get state(): unknown {
    const held = this.#current.get(this.#slot) as Held
    return held === undefined || held === null ? this.#initial() : held[0]
  }

  set state(next: unknown) {
    this.#current.set(this.#slot, [next])
  }

  wakeAt(time: Timestamp, clock: TimerClock = 'event'): void {
    if (Number.isNaN(time)) {
      throw new RangeError('wakeAt(NaN) of a trigger: not a time in milliseconds')
    }
    this.#current.wakeAt(Math.ceil(time), clock)
  }
}
