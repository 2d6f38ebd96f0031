import { describe, expect, it } from 'vitest'
import {
  collect,
  count,
  countIf,
  max,
  maxBy,
  mean,
  min,
  minBy,
  sum,
  type Aggregate,
} from 'millrace'
import { together } from '../../operators/aggregate/aggregate.ts'
import { reduction } from '../../operators/aggregate/reduce.ts'

interface Row {
  readonly n: number
  readonly id: string
}
const rows: readonly Row[] = [3, 1, 4, 1, 5, 5, 2].map((n, i) => ({ n, id: `r${i}` }))

function resultOf<Acc, Out>(aggregate: Aggregate<Row, Acc, Out>, values: readonly Row[]): Out {
  return aggregate.result(values.reduce((acc, row) => aggregate.add(acc, row), aggregate.init()))
}

const n = (row: Row): number => row.n
const cases: readonly (readonly [string, Aggregate<Row, never, unknown>, unknown, unknown])[] = [
  ['count', count<Row>() as never, 7, 0],
  ['countIf', countIf<Row>((row) => row.n > 2) as never, 4, 0],
  ['sum', sum(n) as never, 21, 0],
  ['mean', mean(n) as never, 3, Number.NaN],
  ['min', min(n) as never, 1, null],
  ['max', max(n) as never, 5, null],
  ['minBy', minBy(n) as never, rows[3], null],
  ['maxBy', maxBy(n) as never, rows[5], null],
  ['collect', collect<Row>() as never, rows, []],
  ['reduce', reduction((a: Row, b: Row) => (b.n >= a.n ? b : a)) as never, rows[5], undefined],
]

describe('aggregates', () => {
  it.each(cases)('%s of values, and of none', (_name, aggregate, expected, ofNone) => {
    expect(resultOf(aggregate, rows)).toEqual(expected)
    expect(resultOf(aggregate, [])).toEqual(ofNone)
  })

  it.each(cases)('%s is the same over any two parts merged', (_name, aggregate, expected) => {
    for (let cut = 0; cut <= rows.length; cut++) {
      const [left, right] = [rows.slice(0, cut), rows.slice(cut)].map((part) =>
        part.reduce<never>((acc, row) => aggregate.add(acc, row), aggregate.init()),
      )
      expect(aggregate.result(aggregate.merge(left as never, right as never))).toEqual(expected)
    }
  })

  it('go on from what was stored as from what they made', () => {
    for (const [, aggregate, expected] of cases) {
      let acc = aggregate.init()
      for (const row of rows) acc = structuredClone(aggregate.add(acc, row))
      expect(aggregate.result(acc)).toEqual(expected)
    }
  })

  it('fail on numbers that are not finite, instead of being spoilt by them', () => {
    for (const [name, aggregate] of cases) {
      if (!['sum', 'mean', 'min', 'max', 'minBy', 'maxBy'].includes(name)) continue
      let acc = aggregate.init()
      for (const row of rows) acc = aggregate.add(acc, row)
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => aggregate.add(acc, { n: bad, id: 'bad' })).toThrow(TypeError)
      }
      expect(aggregate.result(acc)).toEqual(resultOf(aggregate, rows))
    }
  })

  it('together give a result by name', () => {
    const both = together({ n: count(), total: sum(n), __proto__x: max(n) })
    const acc = rows.reduce((held, row) => both.add(held, row), both.init())
    expect(both.result(acc)).toEqual({ n: 7, total: 21, __proto__x: 5 })
  })
})
