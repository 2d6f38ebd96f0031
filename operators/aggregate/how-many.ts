/** The most values that firstN, lastN and topN keep: all are written with each commit. */
export const KEPT_MAX = 10_000

/**
 * Checks the `n` of an aggregate that keeps n values.
 * @throws RangeError that names the aggregate when it is not a whole number from 1 to KEPT_MAX.
 */
export function howMany(n: number, aggregate: string): number {
  if (Number.isInteger(n) && n >= 1 && n <= KEPT_MAX) return n
  throw new RangeError(
    `${aggregate}: n must be a whole number from 1 to ${KEPT_MAX}, and is ${String(n)}`,
  )
}
