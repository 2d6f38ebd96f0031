import { describe, expect, it } from 'vitest'
import {
  approxDistinct,
  distinct,
  max,
  maxBy,
  mean,
  min,
  minBy,
  percentiles,
  standardDeviation,
  sum,
  topN,
  variance,
} from 'millrace'
import { together } from '../../../operators/aggregate/aggregate.ts'
import { collect } from '../../../operators/aggregate/collect.ts'
import { added, bytesOf, type Opaque } from './ways.ts'

/** What a schema lets through that the types do not know of. */
type Given = { readonly n: number }
const n = (value: Given): number => value.n
const given = (value: unknown): Given => ({ n: value as number })

const aggregates = {
  sum: sum(n),
  mean: mean(n),
  min: min(n),
  max: max(n),
  minBy: minBy(n),
  maxBy: maxBy(n),
  topN: topN(2, n),
  variance: variance(n),
  standardDeviation: standardDeviation(n, 'sample'),
  percentiles: percentiles(n, [0.5]),
  distinct: distinct(n),
  approxDistinct: approxDistinct(n),
} as unknown as Readonly<Record<string, Opaque<Given>>>
const cases = Object.entries(aggregates)
const some = [3, -1, 4].map(given)
const unusual = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  5n,
  null,
  undefined,
]

describe('a number that is none', () => {
  it.each(cases)('is an error of %s, which stays as it was', (name, aggregate) => {
    const held = added(aggregate, some)
    const before = bytesOf(held)
    for (const value of [...unusual, {}, true]) {
      expect(() => aggregate.add(held, given(value))).toThrow(TypeError)
      expect(() => aggregate.add(held, given(value))).toThrow(new RegExp(`^${name}: `))
      if (aggregate.read) expect(() => aggregate.read?.(given(value))).toThrow(TypeError)
    }
    expect(bytesOf(held)).toBe(before)
    expect(aggregate.result(held)).toEqual(aggregate.result(added(aggregate, some)))
  })

  it('is named', () => {
    for (const [, aggregate] of cases) {
      const add = (value: unknown): unknown => aggregate.add(aggregate.init(), given(value))
      expect(() => add(Number.NaN)).toThrow('NaN')
      expect(() => add(Number.NEGATIVE_INFINITY)).toThrow('-Infinity')
      expect(() => add(null)).toThrow('null')
    }
  })

  it.each(cases)('leaves the neighbours of %s as they were, too', (name, aggregate) => {
    const all = together({ before: collect<Given>(), [name]: aggregate, after: topN(1, () => 1) })
    let held = all.init()
    for (const value of some) held = all.add(held, value)
    const before = bytesOf(held)
    for (const value of unusual) {
      expect(() => all.add(held, given(value))).toThrow(TypeError)
      expect(bytesOf(held)).toBe(before)
    }
  })
})

describe('a negative zero', () => {
  it.each(['percentiles', 'distinct', 'approxDistinct', 'variance'])('is a zero to %s', (name) => {
    const aggregate = aggregates[name] as Opaque<Given>
    const of = (...numbers: readonly number[]): unknown =>
      aggregate.result(added(aggregate, numbers.map(given)))
    expect(of(-0)).toEqual(of(0))
    expect(of(-0, 0, -0)).toEqual(of(0, 0, 0))
  })

  it('is neither before nor behind a zero in topN: the later comes first', () => {
    const top = topN<Given>(2, n)
    const [early, late] = [{ n: 0 }, { n: -0 }]
    expect(top.result(top.add(top.add(top.init(), early), late))).toEqual([late, early])
    expect(top.result(top.add(top.add(top.init(), late), early))).toEqual([early, late])
  })
})

describe('a very large number', () => {
  it('is an error of a variance when its square would be infinite', () => {
    for (const aggregate of [variance(n), standardDeviation(n)]) {
      const held = added(aggregate as Opaque<Given>, some)
      const before = bytesOf(held)
      for (const value of [1e145, -1e300, Number.MAX_VALUE]) {
        expect(() => (aggregate as Opaque<Given>).add(held, given(value))).toThrow('beyond ±2^480')
      }
      expect(bytesOf(held)).toBe(before)
    }
  })

  it('is one as others are up to there', () => {
    const aggregate = variance(n)
    let held = aggregate.init()
    for (const value of [3e144, -3e144, 3e144, -3e144]) held = aggregate.add(held, given(value))
    held = aggregate.merge(held, added(aggregate as Opaque<Given>, [given(3e144)]) as typeof held)
    expect(aggregate.result(held)).toBeGreaterThan(8e288)
    expect(aggregate.result(held)).toBeLessThan(9.1e288)
  })
})
