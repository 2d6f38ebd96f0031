import type { Aggregate } from './aggregate.ts'
import { bothCounted, type CountedBins, hit } from './counted-bins.ts'
import { relativeBins, type RelativeBins } from './relative-bins.ts'
import { finite } from './sum.ts'

export interface PercentilesOptions {
  /**
   * The most by which a result differs from the value it stands for, relatively: 0.001 to 0.1;
   * default 0.01.
   */
  readonly relativeError?: number
}

/** A result for each fraction, in the order they were asked for; null of no values. */
export type PercentilesOf<Fractions extends readonly number[]> = {
  readonly [Place in keyof Fractions]: number | null
}

interface Sketch {
  lowest: number
  highest: number
  zeros: number
  /** Numbers above zero. */
  readonly above: CountedBins
  /** Numbers below zero, by their magnitude. */
  readonly below: CountedBins
}

const RELATIVE_ERROR_DEFAULT = 0.01
/** Numbers smaller than this count as zero. */
const MAGNITUDE_MIN = 2 ** -1000
/** The bins of a sign: enough for this many doublings, all of them hit. */
const DOUBLINGS_MAX = 64

/**
 * Percentiles of a number of each value: for each fraction (0.5 is the median, 0.99 the 99th
 * percentile) the smallest value that is not less than that share of the values, within the
 * relative error (default 1 %). 0 gives the smallest value and 1 the largest, exactly. Null of no
 * values. The result does not depend on the order of the values, nor on how they were cut into
 * slices.
 *
 * Memory: two numbers for each bin that was hit; there are 1 / (2 · relativeError) bins in each
 * doubling, so 50 with 1 %, and 700 between a millisecond and a quarter of a minute. Bins are kept
 * for at least 64 doublings of a sign: numbers more than 1.8e19 times smaller than the largest may
 * be joined in the smallest bin, where the error is not bounded. A magnitude under 2^-1000 counts
 * as 0. A number that is not finite is a failure of the record.
 *
 * A DDSketch (Masson, Rim, Lee, VLDB 2019).
 * @throws RangeError when there is no fraction, one is not from 0 to 1, or the relative error is
 * not from 0.001 to 0.1.
 */
export function percentiles<In, const Fractions extends readonly number[]>(
  of: (value: In) => number,
  fractions: Fractions,
  options: PercentilesOptions = {},
): Aggregate<In, Sketch, PercentilesOf<Fractions>> {
  const relativeError = options.relativeError ?? RELATIVE_ERROR_DEFAULT
  checkDefinition(fractions, relativeError)
  const asked = [...fractions]
  const scale = relativeBins(relativeError)
  const binsMax = Math.ceil(DOUBLINGS_MAX / (2 * relativeError))
  const read = (value: In): number => finite(of(value), 'percentiles') + 0
  const fold = (sketch: Sketch, number: number): Sketch => {
    if (number < sketch.lowest) sketch.lowest = number
    if (number > sketch.highest) sketch.highest = number
    if (number >= MAGNITUDE_MIN) hit(sketch.above, scale.binOf(number), binsMax)
    else if (number <= -MAGNITUDE_MIN) hit(sketch.below, scale.binOf(-number), binsMax)
    else sketch.zeros += 1
    return sketch
  }
  return {
    kind: `percentiles within ${relativeError}`,
    init: () => ({
      lowest: Number.POSITIVE_INFINITY,
      highest: Number.NEGATIVE_INFINITY,
      zeros: 0,
      above: [[], []],
      below: [[], []],
    }),
    add: (sketch, value) => fold(sketch, read(value)),
    read,
    fold: (sketch, number) => fold(sketch, number as number),
    merge: (left, right) => ({
      lowest: Math.min(left.lowest, right.lowest),
      highest: Math.max(left.highest, right.highest),
      zeros: left.zeros + right.zeros,
      above: bothCounted(left.above, right.above, binsMax),
      below: bothCounted(left.below, right.below, binsMax),
    }),
    result: (sketch) => valuesAt(asked, sketch, scale) as PercentilesOf<Fractions>,
  }
}

function valuesAt(
  fractions: readonly number[],
  sketch: Sketch,
  scale: RelativeBins,
): (number | null)[] {
  const below = total(sketch.below)
  const count = below + sketch.zeros + total(sketch.above)
  return fractions.map((fraction) => {
    if (count === 0) return null
    // 0.07 * 100 is a little more than 7: less by some last bits, it is the rank that was meant.
    const rank = Math.max(1, Math.ceil(fraction * count * (1 - 2 ** -50)))
    if (rank === 1) return sketch.lowest
    if (rank === count) return sketch.highest
    const number = valueAt(rank, below, sketch, scale)
    return Math.min(Math.max(number, sketch.lowest), sketch.highest)
  })
}

/** The number at a rank, counted from 1 at the lowest. */
function valueAt(rank: number, below: number, sketch: Sketch, scale: RelativeBins): number {
  // The lowest number below zero has the largest magnitude: its ranks go the other way.
  if (rank <= below) return -scale.valueOf(binAt(below - rank + 1, sketch.below))
  if (rank <= below + sketch.zeros) return 0
  return scale.valueOf(binAt(rank - below - sketch.zeros, sketch.above))
}

function binAt(rank: number, [bins, counts]: CountedBins): number {
  let passed = 0
  let place = -1
  while (passed < rank) passed += counts[++place] as number
  return bins[place] as number
}

function total([, counts]: CountedBins): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

function checkDefinition(fractions: readonly number[], relativeError: number): void {
  if (fractions.length === 0) {
    throw new RangeError('percentiles: give at least one fraction, as in [0.5, 0.99]')
  }
  for (const fraction of fractions) {
    if (Number.isFinite(fraction) && fraction >= 0 && fraction <= 1) continue
    throw new RangeError(
      `percentiles: ${String(fraction)} is not a fraction from 0 to 1 (the 99th percentile is 0.99)`,
    )
  }
  if (!Number.isFinite(relativeError) || relativeError < 0.001 || relativeError > 0.1) {
    throw new RangeError(
      `percentiles: the relative error must be from 0.001 to 0.1, and is ${String(relativeError)}`,
    )
  }
}
