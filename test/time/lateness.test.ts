import { describe, expect, it } from 'vitest'
import { boundsOf } from '../../runtime/time/bounds.ts'
import { Lateness } from '../../runtime/time/lateness.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const of = (...delays: readonly number[]): Lateness => {
  const lateness = new Lateness()
  for (const delay of delays) lateness.add(delay)
  return lateness
}

/** The smallest bound that keeps a share of the records, from all delays of records that were behind. */
function exactBound(delays: readonly number[], share: number, records: number): number {
  const mayLose = Math.floor(records * (1 - share) + 1e-6)
  const descending = delays.toSorted((a, b) => b - a)
  return descending[mayLose] ?? 0
}

describe('the delays of records', () => {
  it('tell the bound that would have kept them', () => {
    // 1,000 records, ten of them behind: at 99 % all ten may be lost.
    const delays = [1, 1, 1, 1, 1, 100, 100, 100, 100, 40_000]
    expect(of(...delays).boundKeeping(0.99, 1_000)).toBe(0)
    // At 99.9 % one may be lost: 100 lies in [96, 128).
    expect(of(...delays).boundKeeping(0.999, 1_000)).toBe(127)
    expect(of(...delays).boundKeeping(1, 1_000)).toBe(40_000)
    expect(of(...delays).maxMs).toBe(40_000)
  })

  it('are none while records come in order', () => {
    expect(of().boundKeeping(0.99, 50)).toBe(0)
    expect(of().row).toBeUndefined()
    expect(of().boundKeeping(0.99, 0)).toBe(0)
  })

  it('may be of any size', () => {
    for (const delay of [0.25, 1, 2, 3, 1_000.5, 2 ** 31 - 1, 2 ** 31, 2 ** 40 + 5, 2 ** 52]) {
      const bound = of(delay, delay * 3).boundKeeping(0.5, 2)
      expect(bound).toBeGreaterThanOrEqual(delay)
      if (delay < 2 ** 44) expect(bound).toBeLessThan(Math.max(2, delay * 1.5))
    }
  })

  const seed = newSeed()
  it(`give a bound that is never too small and at most half too large (seed ${seed})`, () => {
    const random = randomFrom(seed)
    for (let run = 0; run < 200; run++) {
      const delays = Array.from({ length: 1 + Math.floor(random() * 400) }, () =>
        Math.ceil(2 ** (random() * 43)),
      )
      const records = delays.length + Math.floor(random() * 5_000)
      const lateness = of(...delays)
      for (const share of [0.9, 0.99, 0.999, 1]) {
        const exact = exactBound(delays, share, records)
        const told = lateness.boundKeeping(share, records)
        expect(told).toBeGreaterThanOrEqual(exact)
        expect(told).toBeLessThanOrEqual(exact * 1.5)
        const lost = delays.filter((delay) => delay > told).length
        expect(lost).toBeLessThanOrEqual(records * (1 - share) + 1e-6)
      }
    }
  })

  it('are kept in a commit, and go on after it', () => {
    const before = of(5, 700)
    const after = new Lateness()
    after.merge(JSON.parse(JSON.stringify(before.row)) as NonNullable<typeof before.row>)
    after.add(80_000)
    expect(after.row).toEqual(of(5, 700, 80_000).row)
  })

  it('of several partitions are those of their source', () => {
    const row = (...delays: number[]) => of(...delays).row
    const bounds = boundsOf([
      { source: 'a', lateness: { records: 500, row: row(10) } },
      { source: 'b', lateness: { records: 3, row: undefined } },
      { source: 'a', lateness: { records: 500, row: row(3_000) } },
    ])
    expect(bounds).toEqual([
      { source: 'a', records: 1_000, keeping99Ms: 0, keeping999Ms: 11, keepingAllMs: 3_000 },
      { source: 'b', records: 3, keeping99Ms: 0, keeping999Ms: 0, keepingAllMs: 0 },
    ])
  })
})
