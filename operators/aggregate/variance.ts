/**
 * Variance and standard deviation in one pass. One value at a time by Welford (Technometrics 4,
 * 1962), two parts by Chan, Golub and LeVeque (1979): both keep the sum of squared distances from
 * the mean, which does not lose its digits where the values are large and close together.
 */
import type { Aggregate } from './aggregate.ts'
import { finite } from './sum.ts'

/** Of all there are (divided by n), or as an estimate from a sample of them (by n - 1). */
export type Spread = 'population' | 'sample'

/** The third is the sum of the squared distances from the mean. */
type Moments = [count: number, mean: number, squares: number]

/** Up to here the squares of more values than can be counted have a finite sum. */
const MAGNITUDE_MAX = 2 ** 480

/**
 * The variance of a number of each value: of the population (default), or estimated from a sample.
 * NaN of no values, and of a sample of one. Memory: three numbers. Rounding depends on how a window
 * is made of slices, and on nothing else.
 *
 * A number that is not finite, or beyond ±2^480 (about 3e144), is a failure of the record.
 * @throws RangeError when the spread is neither.
 */
export const variance = <In>(
  of: (value: In) => number,
  spread: Spread = 'population',
): Aggregate<In, Moments, number> => {
  const dividedBy = divisor('variance', spread)
  return moments(of, 'variance', ([count, , squares]) => squares / dividedBy(count))
}

/** The square root of the variance, with its rules. */
export const standardDeviation = <In>(
  of: (value: In) => number,
  spread: Spread = 'population',
): Aggregate<In, Moments, number> => {
  const dividedBy = divisor('standardDeviation', spread)
  return moments(of, 'standardDeviation', ([count, , squares]) =>
    Math.sqrt(squares / dividedBy(count)),
  )
}

function divisor(aggregate: string, spread: Spread): (count: number) => number {
  switch (spread) {
    case 'population':
      return (count) => count
    case 'sample':
      // A sample of one says nothing: 0 / 0. One of none neither, where 0 / -1 would be -0.
      return (count) => Math.max(count - 1, 0)
    default:
      throw new RangeError(
        `${aggregate}: the spread is 'population' or 'sample', and not ${String(spread satisfies never)}`,
      )
  }
}

function moments<In>(
  of: (value: In) => number,
  name: string,
  result: (held: Moments) => number,
): Aggregate<In, Moments, number> {
  const read = (value: In): number => bounded(finite(of(value), name), name)
  const fold = (held: Moments, number: number): Moments => {
    const distance = number - held[1]
    held[0] += 1
    held[1] += distance / held[0]
    held[2] += distance * (number - held[1])
    return held
  }
  return {
    kind: 'moments',
    init: () => [0, 0, 0],
    add: (held, value) => fold(held, read(value)),
    read,
    fold: (held, number) => fold(held, number as number),
    merge: both,
    result,
  }
}

function both(left: Moments, right: Moments): Moments {
  const count = left[0] + right[0]
  if (count === 0) return [0, 0, 0]
  const distance = right[1] - left[1]
  const apart = distance * distance * ((left[0] * right[0]) / count)
  return [count, left[1] + distance * (right[0] / count), left[2] + right[2] + apart]
}

function bounded(number: number, aggregate: string): number {
  if (Math.abs(number) <= MAGNITUDE_MAX) return number
  throw new TypeError(`${aggregate}: ${number} is beyond ±2^480, and its square beyond all numbers`)
}
