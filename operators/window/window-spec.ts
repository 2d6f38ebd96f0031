/** What all kinds of windows have in common: when they fire, what they keep, how long they wait. */
import { type Duration, milliseconds, type Milliseconds } from '../time.ts'
import type { TimerClock } from '../operator.ts'
import type { Evictor } from './evictor.ts'
import type { Trigger } from './trigger/trigger.ts'

/** How the results of a window that fires more than once belong together. */
export type ResultMode = 'accumulating' | 'discarding' | 'retracting'

export interface WindowOptions {
  /** How long after its end a window still takes records. */
  readonly latenessMs: Milliseconds
  /** When it fires; undefined: as is usual for its kind. */
  readonly trigger: Trigger | undefined
  /** What it drops before or after each firing. */
  readonly evictor: { readonly evictor: Evictor; readonly when: 'before' | 'after' } | undefined
  readonly results: ResultMode
}

const DEFAULTS: WindowOptions = {
  latenessMs: 0,
  trigger: undefined,
  evictor: undefined,
  results: 'accumulating',
}

/**
 * Windows of one kind. Immutable: each method gives a new one.
 * @typeParam In what the records must have for the functions inside (gap, trigger, evictor).
 */
export abstract class WindowSpec<In = unknown> {
  abstract readonly kind: 'tumbling' | 'sliding' | 'session' | 'global' | 'count' | 'calendar'
  /** Which clock decides in which window a record is. */
  abstract readonly clock: TimerClock
  /** Never there: tells the compiler what the records must be. */
  declare readonly '~input'?: (value: In) => void
  readonly #options: WindowOptions

  constructor(options: WindowOptions = DEFAULTS) {
    this.#options = options
  }

  get options(): WindowOptions {
    return this.#options
  }

  /** What plans and messages call it: `tumbling 1000 ms`. */
  abstract get label(): string

  /** The same windows with other options. */
  protected abstract withOptions(options: WindowOptions): WindowSpec<In>

  /**
   * How long after its end a window still takes records; default 0. Each of them makes it fire again
   * (unless the trigger says otherwise). Windows of processing time have no late records.
   * @throws RangeError when it is negative.
   */
  allowedLateness(duration: Duration): this {
    const latenessMs = milliseconds(duration, `allowed lateness of ${this.kind} windows`)
    if (latenessMs < 0) {
      throw new RangeError(
        `allowed lateness of ${this.kind} windows: ${String(duration)} is negative`,
      )
    }
    return this.#with({ latenessMs })
  }

  /** When windows fire. @throws RangeError when the trigger does not go with this kind of windows. */
  trigger<Fired>(trigger: Trigger<Fired>): WindowSpec<In & Fired> {
    if (this.kind === 'count') {
      throw new RangeError(
        `count windows fire at their count: for the trigger ${trigger.label} use globalWindow()`,
      )
    }
    if (this.kind === 'session' && !trigger.canMerge) {
      throw new RangeError(
        `session windows merge: the trigger ${trigger.label} needs an onMerge, which makes one state of several`,
      )
    }
    return this.#with({ trigger: trigger as Trigger })
  }

  /**
   * What a window drops, before its function sees the records (default) or after. The records are
   * then kept one by one, and the aggregate is computed at each firing.
   */
  evictor<Kept>(
    evictor: Evictor<Kept>,
    { when = 'before' }: { readonly when?: 'before' | 'after' } = {},
  ): WindowSpec<In & Kept> {
    if (this.kind === 'count') {
      throw new RangeError(
        `count windows drop what is beyond their count: for the evictor ${evictor.label} use globalWindow()`,
      )
    }
    return this.#with({ evictor: { evictor: evictor as Evictor, when } })
  }

  /** Each result of a window is of all its records so far; the default. */
  accumulating(): this {
    return this.#with({ results: 'accumulating' })
  }

  /** Each result of a window is of the records since the one before. */
  discarding(): this {
    return this.#with({ results: 'discarding' })
  }

  /** As accumulating; and before a result that changes an earlier one, that one comes again with `retract: true`. */
  retracting(): this {
    return this.#with({ results: 'retracting' })
  }

  #with(changes: Partial<WindowOptions>): this {
    return this.withOptions({ ...this.#options, ...changes }) as this
  }
}
