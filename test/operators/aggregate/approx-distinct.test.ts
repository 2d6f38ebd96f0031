import { describe, expect, it } from 'vitest'
import { approxDistinct } from '../../../operators/aggregate/approx-distinct.ts'
import type { Distinguishable } from '../../../operators/aggregate/distinguishable.ts'
import { type Hash, hash } from '../../../operators/aggregate/hash.ts'
import { rankOf } from '../../../operators/aggregate/registers.ts'
import { encodeRow } from '../../../runtime/state/row-codec.ts'
import { newSeed, randomFrom } from '../../support/random.ts'

const itself = (value: Distinguishable): Distinguishable => value

function sketch(precision: number, values: Iterable<Distinguishable>): number[] {
  const { init, add } = approxDistinct(itself, { precision })
  let held = init()
  for (const value of values) held = add(held, value)
  return held
}

/** Values that are different, of the kinds that keys of real data are. */
const kinds: Readonly<Record<string, (i: number, stream: number) => Distinguishable>> = {
  'numbers in a row': (i, stream) => stream * 1e7 + i,
  'numbers with steps': (i, stream) => (stream * 1e7 + i) * 4_096,
  fractions: (i, stream) => (stream * 1e7 + i) / 1_000,
  'short texts': (i, stream) => `u${stream * 1e7 + i}`,
  'long texts': (i, stream) => `https://example.org/films/${stream}/${i}?from=list`,
  identifiers: (i, stream) =>
    (stream * 1e7 + i).toString(16).padStart(32, '0123456789abcdef'.repeat(2)),
}

function draw(kind: string, stream: number, size: number): Distinguishable[] {
  return Array.from({ length: size }, (_, i) => kinds[kind]?.(i, stream) ?? i)
}

describe('the estimate of approxDistinct', () => {
  it.each(Object.keys(kinds))('of %s is within the standard error on average', (kind) => {
    const precision = 8
    const { result } = approxDistinct(itself, { precision })
    const standardError = 1.04 / Math.sqrt(2 ** precision)
    for (const size of [100, 1_000, 10_000]) {
      const errors = Array.from(
        { length: 60 },
        (_, stream) => result(sketch(precision, draw(kind, stream, size))) / size - 1,
      )
      const deviation = Math.sqrt(errors.reduce((sum, e) => sum + e * e, 0) / errors.length)
      const bias = errors.reduce((sum, e) => sum + e, 0) / errors.length
      // Sixty streams know their deviation to about 9 %: three times that is beside.
      expect(deviation, `of ${size}`).toBeLessThan(standardError * 1.27)
      expect(Math.abs(bias), `bias of ${size}`).toBeLessThan((standardError * 3.5) / Math.sqrt(60))
    }
  })

  it.each([4, 6, 10, 12, 14, 16])('of precision %i is within four standard errors', (precision) => {
    const { result } = approxDistinct(itself, { precision })
    const bound = 4 * (1.04 / Math.sqrt(2 ** precision))
    for (const size of [1, 10, 100, 3_000, 60_000]) {
      const error = result(sketch(precision, draw('short texts', 1, size))) / size - 1
      expect(Math.abs(error), `of ${size}`).toBeLessThanOrEqual(bound)
    }
  })

  it('of a few hundred values is almost exact by default', () => {
    const { result } = approxDistinct(itself)
    for (const size of [1, 2, 3, 10, 30]) {
      expect(result(sketch(12, draw('short texts', 2, size)))).toBe(size)
    }
    expect(Math.abs(result(sketch(12, draw('short texts', 2, 300))) - 300)).toBeLessThanOrEqual(6)
  })

  it('depends on nothing but the set of the values', () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    for (const size of [5, 50, 500, 5_000]) {
      const all = draw('numbers in a row', 3, size)
      const again = [...all, ...all, ...all]
        .map((value) => [random(), value] as const)
        .toSorted(([a], [b]) => a - b)
        .map(([, value]) => value)
      expect(sketch(8, again), `MILLRACE_SEED=${seed}`).toEqual(sketch(8, all))
      const { merge } = approxDistinct(itself, { precision: 8 })
      const [odd, even] = [1, 0].map((rest) => all.filter((_, i) => i % 2 === rest))
      expect(merge(sketch(8, odd ?? []), sketch(8, even ?? []))).toEqual(sketch(8, all))
      expect(merge(sketch(8, even ?? []), sketch(8, all))).toEqual(sketch(8, all))
    }
  })

  it('takes little room, and no more than its bound', () => {
    const bytes = (size: number): number =>
      encodeRow(sketch(12, draw('short texts', 4, size)), 1).length
    expect(bytes(10)).toBeLessThan(70)
    expect(bytes(100)).toBeLessThan(520)
    expect(bytes(400)).toBeLessThan(2_000)
    expect(bytes(100_000)).toBeLessThan(4_200)
  })

  it('goes on when every register is full', () => {
    const { result, merge } = approxDistinct(itself, { precision: 4 })
    const full = new Array<number>(4).fill(0).map((_, word) => {
      const ranks = word === 3 ? 1 : 5
      return Array.from({ length: ranks }, (__, i) => 61 * 64 ** i).reduce((a, b) => a + b, 0)
    })
    expect(result(full)).toBeGreaterThan(2 ** 60)
    expect(result(full)).toBeLessThan(2 ** 70)
    expect(merge(sketch(4, [1, 2, 3]), full)).toEqual(full)
  })

  it('is refused with a precision it does not have', () => {
    for (const precision of [3, 17, 12.5, Number.NaN, -1, '12' as never]) {
      expect(() => approxDistinct(itself, { precision })).toThrow(RangeError)
      expect(() => approxDistinct(itself, { precision })).toThrow(/^approxDistinct: the precision/)
    }
  })
})

describe('the rank of a hash', () => {
  it('counts the zeros behind the index, over both words', () => {
    expect(rankOf({ high: -1, low: -1 }, 4)).toBe(1)
    expect(rankOf({ high: 0x0800_0000, low: 0 }, 4)).toBe(1)
    expect(rankOf({ high: 0x0400_0000, low: -1 }, 4)).toBe(2)
    expect(rankOf({ high: 0xf000_0001 | 0, low: 0 }, 4)).toBe(28)
    expect(rankOf({ high: 0xf000_0000 | 0, low: -1 }, 4)).toBe(29)
    expect(rankOf({ high: 0xf000_0000 | 0, low: 1 }, 4)).toBe(60)
    expect(rankOf({ high: 0, low: 0 }, 4)).toBe(61)
    expect(rankOf({ high: 0xffff_0000 | 0, low: -1 }, 16)).toBe(17)
    expect(rankOf({ high: 0, low: 0 }, 16)).toBe(49)
  })
})

describe('the hash', () => {
  const of = (value: Distinguishable): Hash => {
    const into = { high: 0, low: 0 }
    hash(value, into)
    return into
  }

  it('is the same for ever: states that were stored hold what it gave', () => {
    expect([0, 1, -1, 0.5, '', 'a', 'ab', '😀'].map(of)).toMatchInlineSnapshot(`
      [
        {
          "high": 1952938448,
          "low": -316118516,
        },
        {
          "high": 753359004,
          "low": -1464653123,
        },
        {
          "high": 835120404,
          "low": -2010775923,
        },
        {
          "high": -1069564181,
          "low": 1476742698,
        },
        {
          "high": -1879870146,
          "low": -1089785563,
        },
        {
          "high": 1254726253,
          "low": -171493616,
        },
        {
          "high": 1529444345,
          "low": 2138037212,
        },
        {
          "high": 1109466091,
          "low": 1123460332,
        },
      ]
    `)
  })

  it('changes half of its bits with any bit of a value', () => {
    const bits = (word: number): number => word.toString(2).replaceAll('0', '').length
    let changed = 0
    let pairs = 0
    for (let i = 0; i < 2_000; i++) {
      for (const [a, b] of [
        [of(i), of(i ^ (1 << (i % 12)))],
        [of(`k${i}`), of(`k${i}x`)],
        [of(`${i}abcdefgh`), of(`${i}bbcdefgh`)],
      ] as const) {
        changed += bits((a.high ^ b.high) >>> 0) + bits((a.low ^ b.low) >>> 0)
        pairs += 1
      }
    }
    expect(changed / pairs).toBeGreaterThan(31.5)
    expect(changed / pairs).toBeLessThan(32.5)
  })

  it('gives no two of three hundred thousand values the same', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 100_000; i++) {
      for (const value of [i, `${i}`, i / 7]) {
        const { high, low } = of(value)
        seen.add(`${high} ${low}`)
      }
    }
    // 0, 7, 14 … are there twice.
    expect(seen.size).toBe(300_000 - Math.ceil(100_000 / 7))
  })
})
