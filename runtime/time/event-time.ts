/** The event time of a source's values, and the watermark that follows from it. */
import { TIME_MIN, type Milliseconds, type Timestamp } from '../../operators/time.ts'
import { WatermarkHolder } from './watermark.ts'

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

/** The watermark of one input: the largest time seen, less the bound, less one (never goes back). */
export class InputWatermark {
  readonly holder = new WatermarkHolder()
  readonly #lagMs: Milliseconds
  readonly #progressive: boolean
  maxTime: Timestamp = TIME_MIN

  constructor({ outOfOrderMs, progressive }: EventTimeOptions) {
    this.#lagMs = outOfOrderMs + 1
    this.#progressive = progressive
  }

  restore(maxTime: Timestamp, watermark: Timestamp): void {
    this.maxTime = maxTime
    this.holder.advance(watermark)
  }

  /** Takes note of a time; true when the watermark moved. */
  see(time: Timestamp): boolean {
    if (time <= this.maxTime) return false
    this.maxTime = time
    if (!this.#progressive) return false
    this.holder.advance(time - this.#lagMs)
    return true
  }
}
