/**
 * How far event time has come. The watermark of a place is the minimum over what flows into it; it
 * never goes back (I5). Places that one source alone feeds share that source's holder, so that a step
 * forward costs one assignment. Where a place follows from others it may lag behind an input (see
 * Horizon); whoever reads it finds what it would be if it did not.
 */
import { TIME_MAX, TIME_MIN, type Timestamp } from '../../operators/time.ts'
import { invariant } from '../errors.ts'
import { Horizon } from './horizon.ts'

export class WatermarkHolder {
  #value: Timestamp
  #idle = false
  readonly #dependents: MinimumHolder[] = []

  constructor(value: Timestamp = TIME_MIN) {
    this.#value = value
  }

  get value(): Timestamp {
    return this.#value
  }

  /** An idle input has no news of time: it is left out of the minimum until it has. */
  get idle(): boolean {
    return this.#idle
  }

  setIdle(idle: boolean): void {
    if (idle === this.#idle) return
    this.#idle = idle
    for (const dependent of this.#dependents) dependent.update()
  }

  /** Moves forward; a smaller or equal time changes nothing, and nothing does while it is idle. */
  advance(to: Timestamp): void {
    invariant(!Number.isNaN(to), 'a watermark is a time (I5)')
    if (to <= this.#value || this.#idle) return
    this.#value = to
    this.spread()
  }

  /** Moves forward, and those that follow from it learn of it later. */
  protected advanceAlone(to: Timestamp): void {
    if (to > this.#value) this.#value = to
  }

  /** Tells those that follow from it. */
  spread(): void {
    for (const dependent of this.#dependents) dependent.update()
  }

  /** Comes as far as another has, less a delay, and is idle when it is. */
  follow(other: WatermarkHolder, delayMs = 0): void {
    // Who is idle does not advance: so it speaks again first, and falls silent last.
    if (!other.idle) this.setIdle(false)
    this.advance(other.value - delayMs)
    this.setIdle(other.idle)
  }

  feed(dependent: MinimumHolder): void {
    this.#dependents.push(dependent)
  }

  /** What may let it lag; none where every step is followed at once. */
  get horizon(): Horizon | undefined {
    return undefined
  }

  /** Whether it moves with an input. */
  follows(input: WatermarkHolder): boolean {
    return this === input
  }

  /**
   * The time of an input, all others unchanged, with which this place comes to a time: -∞ when it is
   * there, +∞ when that takes others too. It may be told too early.
   */
  reachedWith(input: WatermarkHolder, time: Timestamp): Timestamp {
    if (this.value >= time) return TIME_MIN
    return this === input ? time : TIME_MAX
  }
}

/** How far time has come at one input: it steps with nearly each record. */
export class InputHolder extends WatermarkHolder {
  readonly #horizon = new Horizon()

  constructor(horizon: Horizon | undefined) {
    super()
    if (horizon !== undefined) this.#horizon = horizon
  }

  override get horizon(): Horizon {
    return this.#horizon
  }

  /** Moves forward with a record. @returns false when nothing can be due for it. */
  step(to: Timestamp): boolean {
    if (this.#horizon.allows(this, to)) {
      this.advanceAlone(to)
      return false
    }
    this.advance(to)
    this.#horizon.follow(this)
    return true
  }

  override advance(to: Timestamp): void {
    this.#horizon.close()
    super.advance(to)
  }

  override setIdle(idle: boolean): void {
    if (idle === this.idle) return
    this.#horizon.close()
    super.setIdle(idle)
  }
}

/** How far time has come behind a keyed operator: as far as before it, once its timers have fired. */
export class BehindHolder extends WatermarkHolder {
  readonly #before: WatermarkHolder
  readonly #horizon: Horizon | undefined
  #holdBackMs = 0

  constructor(before: WatermarkHolder) {
    super()
    this.#before = before
    this.#horizon = before.horizon
  }

  override get value(): Timestamp {
    this.#horizon?.settle()
    return super.value
  }

  override get horizon(): Horizon | undefined {
    return this.#horizon
  }

  override follows(input: WatermarkHolder): boolean {
    return this.#before.follows(input)
  }

  override follow(other: WatermarkHolder, delayMs = 0): void {
    // All that lag come up together: one that moved before them would be read by them half-way.
    this.#horizon?.settle()
    this.#holdBackMs = delayMs
    super.follow(other, delayMs)
  }

  override reachedWith(input: WatermarkHolder, time: Timestamp): Timestamp {
    if (this.value >= time) return TIME_MIN
    return this.#before.reachedWith(input, time + this.#holdBackMs)
  }
}

/**
 * The minimum of several holders. Left out are
 * - idle ones. When the last of them goes idle, time comes as far as any of them was: who went idle
 *   first makes no difference.
 * - those behind what has passed already, after they were idle: they hold nobody back until they have
 *   caught up.
 * - those whose input has ended, as long as others may still speak: the end of time is when all have.
 */
export class MinimumHolder extends WatermarkHolder {
  readonly #inputs: readonly WatermarkHolder[]
  readonly #horizon: Horizon | undefined

  constructor(inputs: readonly WatermarkHolder[]) {
    super()
    this.#inputs = inputs
    this.#horizon = inputs.find(({ horizon }) => horizon !== undefined)?.horizon
    this.#horizon?.add(this)
    for (const input of inputs) input.feed(this)
    this.update()
  }

  override get value(): Timestamp {
    this.#horizon?.settle()
    return super.value
  }

  override get horizon(): Horizon | undefined {
    return this.#horizon
  }

  /** All that count have to come there; those that are behind what has passed do not count yet. */
  override reachedWith(input: WatermarkHolder, time: Timestamp): Timestamp {
    const passed = this.value
    if (passed >= time) return TIME_MIN
    let reached = TIME_MIN
    for (const holder of this.#inputs) {
      if (holder.idle || holder.value < passed) continue
      reached = Math.max(reached, holder.reachedWith(input, time))
    }
    return reached
  }

  override follows(input: WatermarkHolder): boolean {
    return this.#inputs.some((holder) => holder.follows(input))
  }

  /** Whether one that is behind what has passed moves with an input. */
  catchesUpWith(input: WatermarkHolder): boolean {
    const passed = this.value
    return this.#inputs.some(
      (holder) => !holder.idle && holder.value < passed && holder.follows(input),
    )
  }

  update(): void {
    const passed = this.value
    let minimum = TIME_MAX
    let active = 0
    let ended = 0
    for (const input of this.#inputs) {
      if (input.idle) continue
      const { value } = input
      if (value === TIME_MAX) ended += 1
      else {
        active += 1
        // Who counts is never behind what has passed, so this alone tells who was idle and is behind.
        if (value >= passed && value < minimum) minimum = value
      }
    }
    if (active > 0) {
      this.setIdle(false)
      if (minimum !== TIME_MAX) this.advance(minimum)
    } else if (ended === this.#inputs.length) {
      this.setIdle(false)
      this.advance(TIME_MAX)
    } else {
      this.advance(this.#furthestOfIdle())
      this.setIdle(true)
    }
  }

  #furthestOfIdle(): Timestamp {
    let furthest = TIME_MIN
    for (const { idle, value } of this.#inputs) if (idle && value > furthest) furthest = value
    return furthest
  }
}

/** One holder for several: the only one itself, or their minimum. */
export function slowestOf(holders: readonly WatermarkHolder[]): WatermarkHolder {
  const [only] = holders
  return holders.length === 1 && only !== undefined ? only : new MinimumHolder(holders)
}
