/** The event time of a source's values, and the watermark that follows from it. */
import { TIME_MAX, TIME_MIN, type Milliseconds, type Timestamp } from '../../operators/time.ts'
import type { Watermarks } from '../../operators/watermark.ts'
import { Lateness, type LatenessRow } from './lateness.ts'
import type { Horizon } from './horizon.ts'
import { InputHolder } from './watermark.ts'

export const TIME_UNITS = ['s', 'ms', 'us', 'iso'] as const
export type TimeUnit = (typeof TIME_UNITS)[number]

export interface EventTimeOptions {
  /** Where a value's time is: a function or a field of the value, or the time at which the log took it. */
  readonly of:
    ((value: unknown) => number) | { readonly field: string; readonly unit: TimeUnit } | 'log'
  /** Without watermarks until its end (false), or with a bound as the values come (true). */
  readonly progressive: boolean
  readonly outOfOrderMs: Milliseconds
  readonly idleAfterMs: Milliseconds
  readonly maxAheadMs: Milliseconds
  readonly minTime: Timestamp
  /** The source's own watermarks, in place of the bound. */
  readonly watermarks?: Watermarks<unknown>
  /**
   * What becomes of time after a silence of `idleAfterMs`. 'exclude' (default): the input holds nobody
   * back until it speaks again. 'advance': its watermark goes on with the clock, less the bound.
   */
  readonly whenIdle?: 'exclude' | 'advance'
  readonly alignment?: Alignment
}

/** Keeps inputs together: the one that is too far ahead of the slowest of its group is not read. */
export interface Alignment {
  readonly group: string
  /** How far an input's largest time may be ahead, give or take a batch. */
  readonly maxDriftMs: Milliseconds
}

const PER_UNIT = { s: 1_000, ms: 1, us: 0.001 } as const

/** A function that gives a value's time in milliseconds; NaN when it has none. */
export function timeReader(of: Exclude<EventTimeOptions['of'], 'log'>): (value: unknown) => number {
  if (typeof of === 'function') return of
  const { field, unit } = of
  if (unit === 'iso') {
    return (value) => {
      const text = (value as Record<string, unknown>)[field]
      return typeof text === 'string' ? Date.parse(text) : Number.NaN
    }
  }
  const factor = PER_UNIT[unit]
  return (value) => {
    const number = (value as Record<string, unknown>)[field]
    return typeof number === 'number' ? Math.floor(number * factor) : Number.NaN
  }
}

/** Watermarks that a field of some records holds; records without it carry none. */
export function carriedIn(field: string, unit: TimeUnit): Watermarks<unknown> {
  const read = timeReader({ field, unit })
  return {
    init: () => ({}),
    onRecord(_state, value) {
      const carried = (value as Record<string, unknown>)[field]
      return carried === undefined || carried === null || carried === '' ? undefined : read(value)
    },
  }
}

/** What a commit keeps of an input's time. */
export interface InputTimeRow {
  readonly maxTime: Timestamp
  readonly watermark: Timestamp
  /** State of the source's own watermarks. */
  readonly watermarks?: object
  /** How far they say time has come, where it is not told before the end. */
  readonly held?: Timestamp
  /** How far behind its records came; none while all came in order. */
  readonly lateness?: LatenessRow
}

/**
 * The watermark of one input (never goes back): the largest time seen, less the bound, less one; or
 * what the source's own watermarks say.
 */
export class InputWatermark {
  readonly holder: InputHolder
  readonly lateness = new Lateness()
  readonly #lagMs: Milliseconds
  readonly #progressive: boolean
  readonly #watermarks: Watermarks<unknown> | undefined
  readonly #followsTimes: boolean
  #state: object | undefined
  /** What the source's own watermarks said of the current record. */
  #said: Timestamp | undefined
  /** The largest time that they said while it was not told. */
  #held: Timestamp = TIME_MIN
  maxTime: Timestamp = TIME_MIN

  /** @param horizon of the inputs of a task together; without one every step is looked at. */
  constructor({ outOfOrderMs, progressive, watermarks }: EventTimeOptions, horizon?: Horizon) {
    this.holder = new InputHolder(horizon)
    this.#lagMs = outOfOrderMs + 1
    this.#progressive = progressive
    this.#watermarks = watermarks
    this.#followsTimes = progressive && watermarks === undefined
    this.#state = watermarks?.init()
  }

  restore({ maxTime, watermark, watermarks, held, lateness }: InputTimeRow): void {
    this.maxTime = maxTime
    this.holder.advance(watermark)
    if (watermarks !== undefined && this.#watermarks !== undefined) this.#state = watermarks
    if (held !== undefined) this.#held = held
    if (lateness !== undefined) this.lateness.merge(lateness)
  }

  get row(): InputTimeRow {
    const lateness = this.lateness.row
    return {
      maxTime: this.maxTime,
      watermark: this.holder.value,
      ...(this.#state !== undefined && { watermarks: this.#state }),
      ...(this.#held !== TIME_MIN && { held: this.#held }),
      ...(lateness !== undefined && { lateness }),
    }
  }

  /** Whether the source has its own watermarks, which are to be asked about each record. */
  get asks(): boolean {
    return this.#watermarks !== undefined
  }

  /** Asks the source's own watermarks about a record; what they say counts with `see`. */
  ask(value: unknown, time: Timestamp): Timestamp | undefined {
    this.#said = this.#watermarks?.onRecord(this.#state as object, value, time)
    return this.#said
  }

  /** Takes note of a time; true when the watermark moved and something may be due for it. */
  see(time: Timestamp): boolean {
    if (time <= this.maxTime) {
      if (time < this.maxTime) this.lateness.add(this.maxTime - time)
      return this.#said !== undefined && this.#advance(this.#said)
    }
    this.maxTime = time
    if (this.#followsTimes) return this.holder.step(time - this.#lagMs)
    return this.#said !== undefined && this.#advance(this.#said)
  }

  /** Asks the source's own watermarks, if they want to be asked from time to time. */
  onPeriod(now: Timestamp): Timestamp | undefined {
    const said = this.#watermarks?.onPeriod?.(this.#state as object, now)
    if (said !== undefined && Number.isFinite(said)) this.#advance(said)
    return said
  }

  /** Whether `onPeriod` is to be called. */
  get hasPeriod(): boolean {
    return this.#progressive && this.#watermarks?.onPeriod !== undefined
  }

  /** A silent input whose time goes on with the clock. */
  followClock(now: Timestamp): void {
    this.#advance(now - this.#lagMs)
  }

  /** The input is over: no earlier time can come any more. An ended input is not idle. */
  finish(): void {
    this.holder.setIdle(false)
    this.holder.advance(TIME_MAX)
  }

  /** Time comes to where it would be if the input had been live all along. */
  goLive(): void {
    const { value } = this.holder
    this.holder.advance(
      this.#watermarks === undefined ? this.maxTime - this.#lagMs : Math.max(value, this.#held),
    )
    this.#held = TIME_MIN
  }

  #advance(to: Timestamp): boolean {
    if (!this.#progressive) this.#held = Math.max(this.#held, to)
    if (!this.#progressive || to <= this.holder.value) return false
    this.holder.advance(to)
    return true
  }
}
