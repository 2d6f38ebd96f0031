/**
 * Bins of positive numbers, each as wide as a relative error allows: the mapping of DDSketch
 * (Masson, Rim, Lee, VLDB 2019) with the logarithm drawn as a straight line between powers of two.
 * So it takes only arithmetic that is exact in IEEE 754 to the last bit, which logarithms are not,
 * for 1 / (2 · relativeError) bins in each doubling.
 */

export interface RelativeBins {
  /** The bin that holds a number; numbers rise with their bins. */
  binOf(magnitude: number): number
  /** A number that is within the relative error of all numbers of the bin. */
  valueOf(bin: number): number
}

const scratch = new DataView(new ArrayBuffer(8))
const EXPONENT_BIAS = 1023
const EXPONENT_OF_ONE = EXPONENT_BIAS << 20
const FRACTION_MASK = 0xfffff

/** For numbers from 2^-1000; of smaller ones the bins are not exact. */
export function relativeBins(relativeError: number): RelativeBins {
  // By this much of the line a number grows at most by twice the relative error of itself: from a
  // power of two on exactly so, further on by less.
  const width = 2 * relativeError
  return {
    binOf: (magnitude) => Math.floor(lineOf(magnitude) / width),
    valueOf: (bin) => (onLine(bin * width) + onLine((bin + 1) * width)) / 2,
  }
}

/** For x = 2^e · (1 + f): e + f. */
function lineOf(magnitude: number): number {
  scratch.setFloat64(0, magnitude)
  const high = scratch.getUint32(0)
  const exponent = (high >>> 20) - EXPONENT_BIAS
  scratch.setUint32(0, (high & FRACTION_MASK) | EXPONENT_OF_ONE)
  return exponent + (scratch.getFloat64(0) - 1)
}

/** The inverse: 2^e · (1 + f) for e + f. */
function onLine(at: number): number {
  const exponent = Math.floor(at)
  return 2 ** exponent * (1 + (at - exponent))
}
