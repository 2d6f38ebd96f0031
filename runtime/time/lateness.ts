/**
 * How far behind the largest time so far the records of an input come: a histogram of fixed size, two
 * buckets to each doubling, from which the bound follows that would have kept a share of them. A bound
 * is never told too small, and at most half too large.
 */
import type { Milliseconds } from '../../operators/time.ts'

/** Delays up to 2^44 ms: over 500 years. What is further behind counts in the last bucket. */
const BUCKETS = 2 * 45
/** Integer tricks work below this; larger delays are scaled down. */
const SMALL_MAX = 2 ** 31
const SCALE_BITS = 20

/** What a commit keeps of a histogram. */
export interface LatenessRow {
  readonly maxMs: Milliseconds
  /** Counts from the first bucket to the last that has any. */
  readonly counts: readonly number[]
}

export class Lateness {
  readonly #counts = new Float64Array(BUCKETS)
  #maxMs: Milliseconds = 0

  /** Takes note of a record that lies behind the largest time by so much (> 0). */
  add(behindMs: Milliseconds): void {
    // Times of a job's own function may be fractions.
    const wholeMs = Math.ceil(behindMs)
    if (wholeMs > this.#maxMs) this.#maxMs = wholeMs
    const index = bucketOf(wholeMs)
    this.#counts[index] = (this.#counts[index] as number) + 1
  }

  /** Adds what another histogram, or an earlier run, has seen. */
  merge({ maxMs, counts }: LatenessRow): void {
    this.#maxMs = Math.max(this.#maxMs, maxMs)
    for (const [index, count] of counts.entries()) {
      if (index < BUCKETS) this.#counts[index] = (this.#counts[index] as number) + count
    }
  }

  /** Undefined while no record was behind. */
  get row(): LatenessRow | undefined {
    let length = BUCKETS
    while (length > 0 && this.#counts[length - 1] === 0) length -= 1
    if (length === 0) return undefined
    return { maxMs: this.#maxMs, counts: [...this.#counts.subarray(0, length)] }
  }

  /** The largest delay seen: the bound that would have kept every record. */
  get maxMs(): Milliseconds {
    return this.#maxMs
  }

  /**
   * A bound (`outOfOrder`) that would have kept this share of the records in time.
   * @param share of 0 to 1.
   * @param records how many there were, those that came in order among them.
   */
  boundKeeping(share: number, records: number): Milliseconds {
    // Rounded against the halves of a record that a product of fractions may be off by.
    let mayLose = Math.floor(records * (1 - share) + 1e-6)
    for (let index = BUCKETS - 1; index >= 0; index--) {
      mayLose -= this.#counts[index] as number
      if (mayLose < 0) return Math.min(this.#maxMs, largestOf(index))
    }
    return 0
  }
}

/** Bucket 2k holds [2^k, 1.5 · 2^k), bucket 2k + 1 the rest up to 2^(k+1). */
function bucketOf(wholeMs: Milliseconds): number {
  return wholeMs < SMALL_MAX ? bucketOfSmall(wholeMs) : bucketOfLarge(wholeMs)
}

function bucketOfSmall(wholeMs: Milliseconds): number {
  const zeros = Math.clz32(wholeMs)
  // The bit behind the highest one; of 1, which has none, the shift leaves 0.
  return 2 * (31 - zeros) + ((wholeMs << (zeros + 1)) >>> 31)
}

function bucketOfLarge(wholeMs: Milliseconds): number {
  const scaled = Math.min(SMALL_MAX - 1, Math.floor(wholeMs / 2 ** SCALE_BITS))
  return Math.min(BUCKETS - 1, bucketOfSmall(scaled) + 2 * SCALE_BITS)
}

/** The largest whole delay of a bucket. */
function largestOf(index: number): Milliseconds {
  if (index === BUCKETS - 1) return Number.MAX_SAFE_INTEGER
  const power = index >> 1
  return (index & 1) === 0 ? Math.ceil(1.5 * 2 ** power) - 1 : 2 ** (power + 1) - 1
}
