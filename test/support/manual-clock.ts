/** A clock that goes on when a test says so. */
import type { Clock } from '../../runtime/time/clock.ts'

export class ManualClock implements Clock {
  #now: number
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>()

  constructor(now = 1_700_000_000_000) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + delayMs, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** How many callbacks are waited for. */
  get waiting(): number {
    return this.#timers.size
  }

  breathe(): Promise<void> {
    return new Promise((resolve) => void setImmediate(resolve))
  }

  /** Moves on, and calls back what is due, in order. */
  advance(delayMs: number): void {
    this.#now += delayMs
    const due = [...this.#timers].filter(({ at }) => at <= this.#now)
    for (const timer of due.toSorted((a, b) => a.at - b.at)) {
      if (this.#timers.delete(timer)) timer.callback()
    }
  }
}
