/**
 * How far the time of one input may go before anything waits for it. A file with times in milliseconds
 * moves its watermark with nearly every record, and nearly always nothing is due: up to the horizon
 * such a step is one comparison and one assignment. The places behind the input then lag; they are
 * brought up whenever one of them is read.
 *
 * Z1 While an input steps below the horizon, no other input moves, none falls silent, and nothing is
 *    due anywhere. Whatever else moves time closes the horizon first.
 * Z2 Every place gets the same value from the last step alone as from all steps one by one. What is the
 *    minimum of others does, unless one of these is behind what has passed and moves: whether it catches
 *    up hangs on the single steps. Then there is no horizon.
 */
import { TIME_MAX, TIME_MIN, type Timestamp } from '../../operators/time.ts'
import type { InputHolder, MinimumHolder, WatermarkHolder } from './watermark.ts'

/** Where time stands around a keyed operator. */
export interface OperatorPlaces {
  readonly before: WatermarkHolder
  readonly behind: WatermarkHolder
  /** How far its results may be older than the watermark. */
  readonly holdBackMs: number
}

/** A keyed operator, as time sees it. */
export class TimedOperator {
  readonly places: OperatorPlaces
  /** How far time had come before it when the horizon was opened. */
  reached: Timestamp = TIME_MAX
  readonly #horizon: Horizon
  #timers: { readonly nextTime: Timestamp } | undefined

  constructor(horizon: Horizon, places: OperatorPlaces) {
    this.#horizon = horizon
    this.places = places
  }

  /** Says by which timers the operator waits for event time. */
  waitsBy(timers: { readonly nextTime: Timestamp }): void {
    this.#timers = timers
  }

  /** The earliest event time for which something waits; +∞ when nothing does. */
  get nextTime(): Timestamp {
    return this.#timers?.nextTime ?? TIME_MAX
  }

  /** Called when something begins to wait for a time. */
  readonly onAdd = (time: Timestamp): void => this.#horizon.note(this, time)
}

export class Horizon {
  /** Those that feed others first. */
  #operators: readonly TimedOperator[] = []
  readonly #minima: MinimumHolder[] = []
  /** The input whose steps it is the horizon of. */
  #input: InputHolder | undefined
  /** Below this time a step of the input makes nothing due. */
  #time: Timestamp = TIME_MIN
  /** Whether the places behind the input lag. */
  #isBehind = false

  /** Says what time drives, once. */
  watch(operators: readonly TimedOperator[]): void {
    this.#operators = operators
  }

  /** Says of a place that is the minimum of others. */
  add(minimum: MinimumHolder): void {
    this.#minima.push(minimum)
  }

  /** Whether a step of an input to this time makes nothing due; then places behind it lag from here on. */
  allows(input: InputHolder, to: Timestamp): boolean {
    if (!(to < this.#time && input === this.#input)) return false
    this.#isBehind = true
    return true
  }

  /** Brings the places behind the input up to it. */
  settle(): void {
    if (!this.#isBehind) return
    this.#isBehind = false
    this.#input?.spread()
    for (const { places } of this.#operators) {
      places.behind.follow(places.before, places.holdBackMs)
    }
  }

  /** From here on every step is looked at, until the horizon is opened again. */
  close(): void {
    this.settle()
    this.#input = undefined
    this.#time = TIME_MIN
  }

  /** An input has stepped: it may have the horizon that is opened next. */
  follow(input: InputHolder): void {
    this.#input = input
  }

  /** Nothing is due, and every place is up to date: looks how far the input may go. */
  open(): void {
    const input = this.#input
    // An input that is silent does not step.
    if (input === undefined || input.idle) return
    // Z2
    if (this.#minima.some((minimum) => minimum.catchesUpWith(input))) return
    let horizon = TIME_MAX
    for (const operator of this.#operators) {
      const { before } = operator.places
      operator.reached = before.value
      const time = operator.nextTime
      if (time !== TIME_MAX) horizon = Math.min(horizon, before.reachedWith(input, time))
    }
    this.#time = horizon
  }

  /** Something waits for a time at an operator. */
  note({ reached }: TimedOperator, time: Timestamp): void {
    // Due already, though the input may be behind that: then the next step is looked at.
    if (time <= reached) this.#time = TIME_MIN
    else if (time < this.#time) this.#time = time
  }
}
