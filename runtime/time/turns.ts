/** Long work in turns, between which the event loop gets its own: I/O, timers, other parts of the process. */
import type { Clock } from './clock.ts'

/** Work that can be put aside after each of its steps, all of which are short. */
export type Steps = Iterable<void>

/** How many rows a step writes or looks at: far less than a turn, and many for one look at the clock. */
export const ROWS_PER_STEP = 64

export class Turns {
  readonly #clock: Clock
  readonly #longestMs: number
  #startedAt: number

  constructor(clock: Clock, longestMs: number) {
    this.#clock = clock
    this.#longestMs = longestMs
    this.#startedAt = clock.monotonic()
  }

  /** Something else was waited for: the event loop has had its turn. */
  restart(): void {
    this.#startedAt = this.#clock.monotonic()
  }

  get isOver(): boolean {
    return this.#clock.monotonic() - this.#startedAt >= this.#longestMs
  }

  /** Lets the event loop have its turn, and starts the next one. */
  async next(): Promise<void> {
    await this.#clock.breathe()
    this.restart()
  }
}

/** Takes all steps, in as many turns as they need; in one when none are given. */
export async function takeSteps(steps: Steps, turns: Turns | undefined): Promise<void> {
  for (const _ of steps) if (turns?.isOver === true) await turns.next()
}
