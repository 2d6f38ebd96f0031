/**
 * One life of a process. Everything that it waits for is an event of its own; when it dies none of
 * them comes any more, so it does nothing from then on, wherever it stood. What it had sent is not
 * its own any more, and arrives.
 */
import type { Clock } from '../../runtime/time/clock.ts'
import type { Timeline } from './timeline.ts'

const NEVER = new Promise<never>(() => undefined)

export class Life {
  readonly number: number
  readonly #timeline: Timeline
  isAlive = true
  pausedUntil = 0
  /** How far its wall clock is off. */
  wallOffsetMs = 0
  readonly clock: Clock
  readonly #startedAt: number
  /** Called when it dies. */
  readonly #onDeath: (() => void)[] = []
  /** Events of its own so far, and at which of them it dies. */
  #events = 0
  diesAtEvent = Number.POSITIVE_INFINITY
  dieNow: () => void = () => undefined

  constructor(number: number, timeline: Timeline) {
    this.number = number
    this.#timeline = timeline
    this.#startedAt = timeline.now
    this.clock = {
      now: () => timeline.now + this.wallOffsetMs,
      monotonic: () => timeline.now - this.#startedAt,
      breathe: () => this.wait(0, 'breathe'),
      after: (delayMs, callback) => this.after(Math.ceil(delayMs), 'timer', callback),
    }
  }

  /** Something will happen to this process, if it lives until then. */
  after(delayMs: number, what: string, run: () => void): () => void {
    if (!this.isAlive) return () => undefined
    return this.#timeline.after(
      delayMs,
      `${this.number}: ${what}`,
      () => {
        this.#events += 1
        if (this.#events < this.diesAtEvent) run()
        else this.dieNow()
      },
      this,
    )
  }

  /** Resolves after a while, if the process lives until then. */
  wait(delayMs: number, what: string): Promise<void> {
    if (!this.isAlive) return NEVER
    return new Promise((resolve) => void this.after(delayMs, what, resolve))
  }

  onDeath(listener: () => void): void {
    this.#onDeath.push(listener)
  }

  die(): void {
    if (!this.isAlive) return
    this.isAlive = false
    for (const listener of this.#onDeath) listener()
  }
}
