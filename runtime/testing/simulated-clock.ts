/** A clock that stands still until a test moves it. */
import { type Clock, systemClock } from '../time/clock.ts'

interface Waiting {
  readonly at: number
  readonly callback: () => void
}

export class SimulatedClock implements Clock {
  #now: number
  readonly #startedAt: number
  readonly #waiting = new Set<Waiting>()
  #breaths = 0

  /** @param now wall-clock milliseconds since the Unix epoch at which it stands. */
  constructor(now = 0) {
    this.#now = now
    this.#startedAt = now
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now - this.#startedAt
  }

  after(delayMs: number, callback: () => void): () => void {
    const waiting = { at: this.#now + delayMs, callback }
    this.#waiting.add(waiting)
    return () => this.#waiting.delete(waiting)
  }

  async breathe(): Promise<void> {
    this.#breaths += 1
    await systemClock.breathe()
    this.#breaths -= 1
  }

  /** Whether somebody waits for the event loop, not for this clock. */
  get isBreathing(): boolean {
    return this.#breaths > 0
  }

  /** The next time at which a callback is due; +∞ when none waits. */
  get nextAt(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { at } of this.#waiting) next = Math.min(next, at)
    return next
  }

  /**
   * Moves on to a time, and calls back what is due by then, in order.
   * @throws RangeError when the time lies behind.
   */
  advanceTo(time: number): void {
    if (!(time >= this.#now)) {
      throw new RangeError(`the clock is at ${this.#now} ms and cannot go back to ${time} ms`)
    }
    while (this.nextAt <= time) {
      const next = this.nextAt
      this.#now = Math.max(this.#now, next)
      const due = [...this.#waiting].filter(({ at }) => at <= next)
      for (const waiting of due) if (this.#waiting.delete(waiting)) waiting.callback()
    }
    this.#now = time
  }
}
