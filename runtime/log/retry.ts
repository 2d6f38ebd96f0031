/** Tries again while something outside is away, with growing delays. */
import { reasonOf, UnavailableError } from '../errors.ts'
import { type Clock, sleep } from '../time/clock.ts'

export interface RetryOptions {
  readonly clock: Clock
  /** What is tried, for the message: `stream ratings/0`. */
  readonly what: string
  readonly onRetry: (message: string) => void
  /** Ends the waiting: the last error is then thrown. */
  readonly signal: AbortSignal
}

const DELAY_MS_MIN = 50
const DELAY_MS_MAX = 5_000

/** @throws what the action throws, when that is no UnavailableError or the signal has aborted. */
export async function retryWhileAway<Result>(
  { clock, what, onRetry, signal }: RetryOptions,
  action: () => Promise<Result>,
): Promise<Result> {
  let delayMs = DELAY_MS_MIN
  for (;;) {
    try {
      return await action()
    } catch (error) {
      if (!(error instanceof UnavailableError) || signal.aborted) throw error
      onRetry(`${what} is away, trying again in ${delayMs} ms: ${reasonOf(error)}`)
      await sleep(clock, delayMs, signal)
      delayMs = Math.min(delayMs * 2, DELAY_MS_MAX)
    }
  }
}
