import { describe, expect, it } from 'vitest'
import { standardDeviation, variance, type Spread } from '../../../operators/aggregate/variance.ts'
import { newSeed, randomFrom } from '../../support/random.ts'
import { added, type Opaque } from './ways.ts'

const itself = (value: number): number => value
const of = (values: readonly number[], spread: Spread): number => {
  const aggregate = variance(itself, spread)
  return aggregate.result(added(aggregate as Opaque<number>, values) as [number, number, number])
}

/** Of whole numbers, without any rounding before the last division. */
function exact(values: readonly number[], spread: Spread): number {
  const count = BigInt(values.length)
  const sum = values.reduce((total, value) => total + BigInt(value), 0n)
  const squares = values.reduce((total, value) => total + BigInt(value) ** 2n, 0n)
  const divisor = count * (spread === 'sample' ? count - 1n : count)
  return Number(((count * squares - sum * sum) * 1_000_000_000n) / divisor) / 1e9
}

describe('variance', () => {
  it('is that of the population or of a sample', () => {
    const values = [2, 4, 4, 4, 5, 5, 7, 9]
    expect(of(values, 'population')).toBe(4)
    expect(of(values, 'sample')).toBeCloseTo(32 / 7, 12)
    const deviation = standardDeviation(itself)
    expect(deviation.result(values.reduce(deviation.add, deviation.init()))).toBe(2)
  })

  it('of one value is zero, and not known from a sample of one', () => {
    expect(of([5], 'population')).toBe(0)
    expect(of([5], 'sample')).toBeNaN()
    expect(of([], 'population')).toBeNaN()
    expect(of([], 'sample')).toBeNaN()
  })

  it('keeps its digits where the values are large and close together', () => {
    const values = [1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16]
    expect(of(values, 'sample')).toBeCloseTo(30, 9)
    const seed = newSeed()
    const random = randomFrom(seed)
    for (let run = 0; run < 200; run++) {
      const shift = Math.floor(random() * 2 ** 40)
      const numbers = Array.from(
        { length: 2 + Math.floor(random() * 200) },
        () => shift + Math.floor(random() * 1_000),
      )
      for (const spread of ['population', 'sample'] as const) {
        const expected = exact(numbers, spread)
        const error = Math.abs(of(numbers, spread) - expected)
        expect(error, `MILLRACE_SEED=${seed}`).toBeLessThanOrEqual(1e-6 * (1 + expected))
      }
    }
  })

  it('is never below zero for equal values', () => {
    for (const value of [0.1, 1 / 3, 1e15 + 0.3, -7.7]) {
      expect(of(new Array<number>(1_000).fill(value), 'population')).toBe(0)
    }
  })

  it('is refused with another word for the spread', () => {
    expect(() => variance(itself, 'both' as Spread)).toThrow(
      new RangeError("variance: the spread is 'population' or 'sample', and not both"),
    )
    expect(() => standardDeviation(itself, 'Sample' as Spread)).toThrow(/^standardDeviation: /)
  })
})
