import type { Aggregate } from './aggregate.ts'

/** The sum of a number of each value, in float64. A number that is not finite is a failure of the record. */
export const sum = <In>(of: (value: In) => number): Aggregate<In, number, number> => ({
  init: () => 0,
  add: (total, value) => total + finite(of(value), 'sum'),
  merge: (left, right) => left + right,
  result: (total) => total,
})

type MeanAccumulator = [sum: number, count: number]

/** The mean of a number of each value; NaN of no values. */
export const mean = <In>(of: (value: In) => number): Aggregate<In, MeanAccumulator, number> => {
  const read = (value: In): number => finite(of(value), 'mean')
  const fold = (accumulator: MeanAccumulator, number: unknown): MeanAccumulator => {
    accumulator[0] += number as number
    accumulator[1] += 1
    return accumulator
  }
  return {
    init: () => [0, 0],
    add: (accumulator, value) => fold(accumulator, read(value)),
    read,
    fold,
    merge: (left, right) => [left[0] + right[0], left[1] + right[1]],
    result: ([total, count]) => total / count,
  }
}

/** A total that took in NaN or an infinity would stay so for ever: the record fails instead. */
export function finite(number: number, aggregate: string): number {
  if (!Number.isFinite(number)) {
    throw new TypeError(`${aggregate}: ${String(number)} is not a finite number`)
  }
  return number
}
