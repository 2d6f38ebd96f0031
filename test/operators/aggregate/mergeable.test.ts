import { describe, expect, it } from 'vitest'
import { type Column, columnOf } from '../../../operators/aggregate/column.ts'
import { newSeed, randomFrom } from '../../support/random.ts'
import { randomRows, type Row, subjects } from './subjects.ts'
import { added, bytesOf, cut, folded, merged, type Opaque, stored } from './ways.ts'

const RUNS = 100
const SEED = newSeed()

/** Runs with random rows; a failure names the seed that replays it. */
function runs(check: (rows: readonly Row[], random: () => number, seed: number) => void): void {
  for (let run = 0; run < RUNS; run++) {
    const seed = (SEED + run) >>> 0
    const random = randomFrom(seed)
    const length = Math.floor(random() ** 3 * 120)
    try {
      check(randomRows(length, random), random, seed)
    } catch (error) {
      console.error(`MILLRACE_SEED=${seed}`)
      throw error
    }
  }
}

describe.each(subjects)(`$name (seed ${SEED})`, ({ make, expectResult, rounds }) => {
  it('gives what the oracle gives, value by value and by halves', () => {
    const aggregate = make()
    runs((rows) => {
      expectResult(aggregate.result(added(aggregate, rows)), rows)
      expect(bytesOf(folded(aggregate, rows))).toBe(bytesOf(added(aggregate, rows)))
    })
  })

  it('gives the same for all parts merged in order, stored in between or not', () => {
    const aggregate = make()
    runs((rows, random, seed) => {
      const parts = cut(rows, random)
      const way = (storing: 'always' | 'never' | 'sometimes'): unknown =>
        merged(aggregate, parts, randomFrom(seed + 1), storing)
      const [held, written, some] = [way('never'), way('always'), way('sometimes')]
      expectResult(aggregate.result(held), rows)
      expect([bytesOf(written), bytesOf(some)]).toEqual([bytesOf(held), bytesOf(held)])
      if (rounds === undefined) {
        expect(aggregate.result(held)).toEqual(aggregate.result(added(aggregate, rows)))
      }
    })
  })

  it('leaves both parts of a merge as they were, then and afterwards', () => {
    const aggregate = make()
    runs((rows, random) => {
      const [one = [], two = [], ...others] = cut(rows, random)
      const [left, right] = [added(aggregate, one), added(aggregate, two)]
      const before = [bytesOf(left), bytesOf(right)]
      let held = aggregate.merge(left, right)
      for (const row of others.flat()) held = aggregate.add(held, row)
      aggregate.result(held)
      expect([bytesOf(left), bytesOf(right)]).toEqual(before)
    })
  })

  it('gives a result that stays, and stays as it is by giving it', () => {
    const aggregate = make()
    runs((rows) => {
      const half = rows.slice(0, rows.length / 2)
      let held = added(aggregate, half)
      const before = bytesOf(held)
      const result = aggregate.result(held)
      expect(bytesOf(held)).toBe(before)
      for (const row of rows.slice(half.length)) held = aggregate.add(held, row)
      held = aggregate.merge(held, added(aggregate, rows))
      expectResult(result, half)
    })
  })

  it('gives the same in columns for many keys, one of which was stored', () => {
    const aggregate = make()
    runs((rows, random) => {
      const column = columnOf(aggregate as unknown as Opaque<unknown>)
      const keys = 1 + Math.floor(random() * 5)
      const ofKey: Row[][] = Array.from({ length: keys }, () => [])
      for (let key = 0; key < keys; key++) column.init(key)
      for (const row of rows) {
        const key = Math.floor(random() * keys)
        ofKey[key]?.push(row)
        column.stage(key, row)
        column.apply(key)
        if (random() < 0.1) column.set(key, stored(column.get(key)))
      }
      for (const [key, own] of ofKey.entries()) {
        expect(bytesOf(column.get(key))).toBe(bytesOf(added(aggregate, own)))
        expectResult(column.result(key), own)
      }
    })
  })

  it('merges and copies slots of columns as it merges accumulators', () => {
    const aggregate = make()
    const threeSlots = (): Column => {
      const column = columnOf(aggregate as unknown as Opaque<unknown>)
      for (let slot = 0; slot < 3; slot++) column.init(slot)
      return column
    }
    runs((rows, random) => {
      const [column, other] = [threeSlots(), threeSlots()]
      const [one = [], two = []] = cut(rows, random)
      for (const [of, slot, part] of [[column, 0, one] as const, [other, 2, two] as const]) {
        for (const row of part) {
          of.stage(slot, row)
          of.apply(slot)
        }
      }
      column.copy(1, other, 2)
      column.merge(2, 0, 1)
      const [left, right] = [added(aggregate, one), added(aggregate, two)]
      const both = bytesOf(aggregate.merge(left, right))
      expect([0, 1, 2].map((slot) => bytesOf(column.get(slot)))).toEqual([
        bytesOf(left),
        bytesOf(right),
        both,
      ])
      column.merge(0, 0, 1)
      expect(bytesOf(column.get(0))).toBe(both)
      column.init(0)
      expect(bytesOf(column.get(0))).toBe(bytesOf(aggregate.init()))
      // A slot takes what is shorter than what it held.
      column.copy(2, column, 1)
      expect(bytesOf(column.get(2))).toBe(bytesOf(right))
    })
  })

  it('takes away earlier parts exactly, if it does', () => {
    const aggregate = make()
    if (aggregate.subtract === undefined) return
    const { subtract } = aggregate
    runs((rows, random) => {
      const parts = cut(rows, random)
      let held = merged(aggregate, parts, random, 'sometimes')
      for (const [i, part] of parts.entries()) {
        const total = held
        const before = bytesOf(total)
        held = subtract(total, added(aggregate, part))
        expect(bytesOf(total)).toBe(before)
        const left = parts.slice(i + 1).flat()
        expect(bytesOf(held)).toBe(bytesOf(added(aggregate, left)))
        if (random() < 0.5) held = stored(held)
      }
    })
  })
})
