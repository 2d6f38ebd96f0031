import { describe, expect, it } from 'vitest'
import { percentiles } from '../../../operators/aggregate/percentiles.ts'
import { relativeBins } from '../../../operators/aggregate/relative-bins.ts'
import { newSeed, randomFrom } from '../../support/random.ts'

const itself = (value: number): number => value
const FRACTIONS = [0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1] as const

function of(values: readonly number[], relativeError = 0.01): readonly (number | null)[] {
  const { init, add, result } = percentiles(itself, FRACTIONS, { relativeError })
  return result(values.reduce(add, init()))
}

/** In thousandths, so that the rank is a whole number before it is divided. */
function exact(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const thousandths = BigInt(Math.round(fraction * 1_000)) * BigInt(sorted.length)
  const rank = Number((thousandths + 999n) / 1_000n)
  return sorted[Math.max(rank, 1) - 1] ?? Number.NaN
}

const distributions: Readonly<Record<string, (random: () => number) => number>> = {
  even: (random) => random() * 1_000,
  'falling by powers': (random) => 1 / (1 - random()) ** 3,
  'with a bell': (random) => [0, 0, 0, 0, 0, 0].reduce((sum) => sum + random(), 0) - 3,
  'of whole numbers': (random) => Math.floor(random() * 20) - 5,
  'over all magnitudes of 2^60': (random) => 2 ** (random() * 60),
  tiny: (random) => (random() - 0.3) * 1e-200,
  huge: (random) => (random() - 0.7) * 1e300,
}

describe('percentiles', () => {
  it.each(Object.entries(distributions))('of values %s are within the error', (_, draw) => {
    const seed = newSeed()
    const random = randomFrom(seed)
    for (const relativeError of [0.1, 0.01, 0.002]) {
      for (const size of [1, 2, 7, 100, 5_000]) {
        const values = Array.from({ length: size }, () => draw(random))
        const found = of(values, relativeError)
        for (const [i, fraction] of FRACTIONS.entries()) {
          const expected = exact(values, fraction)
          const error = Math.abs((found[i] ?? Number.NaN) - expected)
          const bound = Math.abs(expected) * relativeError * (1 + 1e-9)
          expect(error, `${fraction} of ${size}, MILLRACE_SEED=${seed}`).toBeLessThanOrEqual(bound)
        }
      }
    }
  })

  it('are exact at both ends, and of one value', () => {
    const found = of([7.7, -3.3, 1e6 + 0.1])
    expect([found.at(0), found.at(-1)]).toEqual([-3.3, 1e6 + 0.1])
    expect(new Set(of([0.123456789]))).toEqual(new Set([0.123456789]))
    expect(new Set(of([0, -0, 0]))).toEqual(new Set([0]))
  })

  it('take the rank that was meant, where the product of fraction and count is not exact', () => {
    const { init, add, result } = percentiles(itself, [0.07, 0.29, 0.57, 0.58], {})
    const hundred = Array.from({ length: 100 }, (_, i) => 2 ** (i + 1))
    const found = result(hundred.reduce(add, init()))
    expect(found.map((value) => Math.round(Math.log2(value ?? 0)))).toEqual([7, 29, 57, 58])
  })

  it('are null of no values', () => {
    const { init, result } = percentiles(itself, [0.5, 0.99])
    expect(result(init())).toEqual([null, null])
  })

  it('join what is smallest beyond 64 doublings, the same for any order and cut', () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const { init, add, merge, result } = percentiles(itself, [0.5, 0.9], { relativeError: 0.1 })
    const sign = (): number => (random() < 0.3 ? -1 : 1)
    const values = Array.from({ length: 6_000 }, () => sign() * 2 ** (random() * 300 - 150))
    const inOrder = values.reduce(add, init())
    expect(inOrder.above[0]).toHaveLength(320)
    expect(inOrder.below[0]).toHaveLength(320)
    const total = [...inOrder.above[1], ...inOrder.below[1]].reduce((sum, n) => sum + n, 0)
    expect(total).toBe(6_000)
    for (let run = 0; run < 20; run++) {
      const at = Math.floor(random() * values.length)
      const shuffled = values
        .map((value) => [random(), value] as const)
        .toSorted(([a], [b]) => a - b)
        .map(([, value]) => value)
      const [left, right] = [shuffled.slice(0, at), shuffled.slice(at)]
      const both = merge(left.reduce(add, init()), right.reduce(add, init()))
      expect(both, `MILLRACE_SEED=${seed}`).toEqual(inOrder)
    }
    const [, nineTenths] = result(inOrder)
    const expected = exact(values, 0.9)
    expect(Math.abs((nineTenths ?? 0) - expected)).toBeLessThanOrEqual(expected * 0.1)
  })

  it('are refused with fractions and errors they do not have', () => {
    for (const fractions of [[], [99], [-0.1], [0.5, Number.NaN], ['0.5' as never]]) {
      expect(() => percentiles(itself, fractions)).toThrow(RangeError)
    }
    expect(() => percentiles(itself, [99])).toThrow(
      'percentiles: 99 is not a fraction from 0 to 1 (the 99th percentile is 0.99)',
    )
    for (const relativeError of [0, 0.0001, 0.5, -1, Number.NaN, '0.01' as never]) {
      expect(() => percentiles(itself, [0.5], { relativeError })).toThrow(
        /^percentiles: the relative error must be from 0.001 to 0.1/,
      )
    }
  })
})

describe('relative bins', () => {
  it.each([0.1, 0.01, 0.001])(
    'of an error of %d rise with the numbers, within the error',
    (error) => {
      const { binOf, valueOf } = relativeBins(error)
      const seed = newSeed()
      const random = randomFrom(seed)
      const check = (number: number): void => {
        const value = valueOf(binOf(number))
        expect(Math.abs(value / number - 1), `${number}`).toBeLessThanOrEqual(error * (1 + 1e-9))
        expect(binOf(number * (1 + Number.EPSILON))).toBeGreaterThanOrEqual(binOf(number))
        expect(binOf(number * (1 + 3 * error))).toBeGreaterThan(binOf(number))
      }
      for (let power = -1_000; power < 1_022; power++) {
        for (const factor of [1, 1 + Number.EPSILON, 1.5, 2 - 2 * Number.EPSILON, 1 + random()]) {
          check(2 ** power * factor)
        }
      }
    },
  )
})
