/**
 * How far event time has come. The watermark of a place is the minimum over what flows into it; it
 * never goes back (I5). Places that one source alone feeds share that source's holder, so that a step
 * forward costs one assignment.
 */
import { TIME_MAX, TIME_MIN, type Timestamp } from '../../operators/time.ts'
import { invariant } from '../errors.ts'

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

  constructor(inputs: readonly WatermarkHolder[]) {
    super()
    this.#inputs = inputs
    for (const input of inputs) input.feed(this)
    this.update()
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
