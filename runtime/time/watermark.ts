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

  /** Moves forward; a smaller or equal time changes nothing. */
  advance(to: Timestamp): void {
    invariant(!Number.isNaN(to), 'a watermark is a time (I5)')
    if (to <= this.#value) return
    this.#value = to
    for (const dependent of this.#dependents) dependent.update()
  }

  feed(dependent: MinimumHolder): void {
    this.#dependents.push(dependent)
  }
}

/** The minimum of several holders, idle ones left out; idle itself when all are. */
export class MinimumHolder extends WatermarkHolder {
  readonly #inputs: readonly WatermarkHolder[]

  constructor(inputs: readonly WatermarkHolder[]) {
    super()
    this.#inputs = inputs
    for (const input of inputs) input.feed(this)
    this.update()
  }

  update(): void {
    let minimum = TIME_MAX
    let active = 0
    for (const input of this.#inputs) {
      if (input.idle) continue
      active += 1
      if (input.value < minimum) minimum = input.value
    }
    this.setIdle(active === 0)
    if (active > 0) this.advance(minimum)
  }
}

/** One holder for several: the only one itself, or their minimum. */
export function slowestOf(holders: readonly WatermarkHolder[]): WatermarkHolder {
  const [only] = holders
  return holders.length === 1 && only !== undefined ? only : new MinimumHolder(holders)
}
