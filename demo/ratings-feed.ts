/** Generated ratings, published into a stream of the embedded log at an even rate. */
import { generateRatings, lineOf } from '../jobs/ratings-generator.ts'
import type { EmbeddedLog } from '../runtime/log/embedded-log.ts'
import { type Clock, sleep } from '../runtime/time/clock.ts'

export interface FeedOptions {
  readonly log: EmbeddedLog
  readonly stream: string
  /** How many ratings, the broken ones included. */
  readonly ratings: number
  /** By the clock on the wall; event time goes by its own rhythm. */
  readonly ratingsPerSecond: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Ratings are published in steps of this: a timer a rating would limit the rate. */
const STEP_MS = 20

/** Some come later than the job waits for (5 s), so that there is something late to see. */
const DEMO_RATINGS = { outOfOrderShare: 0.03, outOfOrderMaxSeconds: 7 }

/** @returns how many were published: fewer than asked for when the signal aborted. */
export async function feedRatings(options: FeedOptions): Promise<number> {
  const { log, stream, ratings, ratingsPerSecond, clock, signal } = options
  const items = generateRatings({ ...DEMO_RATINGS, ratings })
  const startedMs = clock.monotonic()
  let published = 0
  while (published < ratings && !signal.aborted) {
    const elapsedMs = clock.monotonic() - startedMs + STEP_MS
    const due = Math.min(ratings, Math.ceil((elapsedMs * ratingsPerSecond) / 1_000))
    const messages: Uint8Array[] = []
    for (; published < due; published++) {
      const { value } = items.next()
      if (value !== undefined) messages.push(Buffer.from(lineOf(value)))
    }
    if (messages.length > 0) await log.append(stream, 0, messages)
    const nextMs = startedMs + (published * 1_000) / ratingsPerSecond - STEP_MS
    await sleep(clock, Math.max(1, nextMs - clock.monotonic()), signal)
  }
  return published
}
