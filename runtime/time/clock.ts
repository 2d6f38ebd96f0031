/**
 * The one place that asks the machine for the time. Everything else takes a Clock, so that tests
 * set the time instead of sleeping.
 */
export interface Clock {
  /** Wall-clock milliseconds since the Unix epoch. May jump; decides nothing in event time. */
  now(): number
  /** Milliseconds that only grow; for intervals and timeouts. */
  monotonic(): number
  /** Calls back once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void
  /** Resolves when what waits in the event loop (I/O, timers) has had its turn. */
  breathe(): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    const timeout = setTimeout(callback, delayMs)
    return () => clearTimeout(timeout)
  },
  breathe: () => new Promise((resolve) => void setImmediate(resolve)),
}

/** Resolves after `delayMs` of the clock, or at once when the signal aborts. */
export async function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.after(delayMs, done)
    signal?.addEventListener('abort', done, { once: true })
  })
}
