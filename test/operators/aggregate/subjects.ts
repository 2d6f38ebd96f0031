/** Every aggregate, each with a slow and obvious oracle of its result. */
import { expect } from 'vitest'
import { approxDistinct } from '../../../operators/aggregate/approx-distinct.ts'
import { collect } from '../../../operators/aggregate/collect.ts'
import { count, countIf } from '../../../operators/aggregate/count.ts'
import { distinct } from '../../../operators/aggregate/distinct.ts'
import { max, maxBy, min, minBy } from '../../../operators/aggregate/extremes.ts'
import { firstN, lastN } from '../../../operators/aggregate/first-last.ts'
import { percentiles } from '../../../operators/aggregate/percentiles.ts'
import { mean, sum } from '../../../operators/aggregate/sum.ts'
import { topN } from '../../../operators/aggregate/top.ts'
import { aggregate } from '../../../operators/aggregate/user-defined.ts'
import { standardDeviation, variance } from '../../../operators/aggregate/variance.ts'
import type { Opaque } from './ways.ts'

export interface Row {
  readonly n: number
  readonly text: string
  /** The place in the input: no two rows are equal. */
  readonly place: number
}

export interface Subject {
  readonly name: string
  readonly make: () => Opaque<Row>
  readonly expectResult: (result: unknown, rows: readonly Row[]) => void
  /** Whether different cuts round differently. */
  readonly rounds?: true
}

const FRACTIONS = [0, 0.07, 0.25, 0.5, 0.9, 0.99, 1] as const
const n = (row: Row): number => row.n
/** Halves of surrogate pairs do not come back from the store as they were. */
const text = (row: Row): string => (row.place % 5 === 0 ? `\ud800${row.text}` : row.text)
const either = (row: Row): string | number => (row.place % 2 === 0 ? row.n : String(row.n))

/** Quarters with an exact sum, with ties, and with both zeros. */
export function randomRows(length: number, random: () => number): readonly Row[] {
  const spread = random() < 0.5 ? 5 : 5_000
  return Array.from({ length }, (_, place) => ({
    n: Math.round((random() - 0.5) * spread) / 4,
    text: ['a', 'ä', '\ufffda', '1', '😀', '', 'constructor'][Math.floor(random() * 7)] ?? '',
    place,
  }))
}

const equal =
  (oracle: (rows: readonly Row[]) => unknown) =>
  (result: unknown, rows: readonly Row[]): void =>
    expect(result).toEqual(oracle(rows))

const numbers = (rows: readonly Row[]): readonly number[] => rows.map(n).map((number) => number + 0)
const total = (rows: readonly Row[]): number => numbers(rows).reduce((a, b) => a + b, 0)
const rising = (rows: readonly Row[]): readonly Row[] =>
  rows.toSorted((a, b) => a.n - b.n || a.place - b.place)

function squaresOver(rows: readonly Row[], divisor: number): number {
  const middle = total(rows) / rows.length
  return numbers(rows).reduce((squares, number) => squares + (number - middle) ** 2, 0) / divisor
}

const close =
  (oracle: (rows: readonly Row[]) => number) =>
  (result: unknown, rows: readonly Row[]): void => {
    const expected = oracle(rows)
    if (Number.isNaN(expected)) expect(result).toBeNaN()
    else expect(Math.abs((result as number) - expected)).toBeLessThanOrEqual(1e-9 * (1 + expected))
  }

function expectPercentiles(result: unknown, rows: readonly Row[]): void {
  const sorted = numbers(rows).toSorted((a, b) => a - b)
  const found = result as readonly (number | null)[]
  expect(found).toHaveLength(FRACTIONS.length)
  for (const [i, fraction] of FRACTIONS.entries()) {
    // The smallest value that is not less than the share of all, in whole hundredths.
    const percent = Math.round(fraction * 100)
    const exact = sorted.find((_, at) => (at + 1) * 100 >= percent * sorted.length)
    if (exact === undefined) expect(found[i]).toBeNull()
    else
      expect(Math.abs((found[i] ?? Number.NaN) - exact)).toBeLessThanOrEqual(Math.abs(exact) / 99)
  }
}

function expectAbout(result: unknown, rows: readonly Row[]): void {
  const exact = new Set(rows.map(either)).size
  // Few values are off by those that share a register: of forty in 4,096, two pairs now and then.
  expect(Math.abs((result as number) - exact)).toBeLessThanOrEqual(3 + 0.1 * exact)
}

const longest = aggregate({
  init: (): { text: string; seen: number } => ({ text: '', seen: 0 }),
  add: (held, row: Row) => ({
    text: row.text.length > held.text.length ? row.text : held.text,
    seen: held.seen + 1,
  }),
  merge: (left, right) => ({
    text: right.text.length > left.text.length ? right.text : left.text,
    seen: left.seen + right.seen,
  }),
  result: ({ seen, text: found }) => `${seen} ${found.length}`,
})

const wholes = aggregate({
  init: () => [0],
  add: ([held = 0], row: Row) => [held + row.place],
  read: (row) => row.place,
  fold: ([held = 0], place) => [held + (place as number)],
  merge: ([a = 0], [b = 0]) => [a + b],
  result: ([held]) => held,
  subtract: ([all = 0], [part = 0]) => [all - part],
})

export const subjects: readonly Subject[] = [
  { name: 'count', make: count, expectResult: equal((rows) => rows.length) },
  {
    name: 'countIf',
    make: () => countIf((row: Row) => row.n > 0),
    expectResult: equal((rows) => rows.filter((row) => row.n > 0).length),
  },
  { name: 'sum', make: () => sum(n) as Opaque<Row>, expectResult: equal(total) },
  {
    name: 'mean',
    make: () => mean(n) as Opaque<Row>,
    expectResult: equal((rows) => total(rows) / rows.length),
  },
  {
    name: 'min',
    make: () => min((row: Row) => row.n + 0) as Opaque<Row>,
    expectResult: equal((rows) => (rows.length === 0 ? null : Math.min(...numbers(rows)))),
  },
  {
    name: 'max',
    make: () => max((row: Row) => row.n + 0) as Opaque<Row>,
    expectResult: equal((rows) => (rows.length === 0 ? null : Math.max(...numbers(rows)))),
  },
  {
    name: 'minBy',
    make: () => minBy(n) as Opaque<Row>,
    expectResult: (result, rows) => {
      const least = rising(rows).at(0)?.n
      expect((result as Row | null)?.place).toBe(rows.findLast((row) => row.n === least)?.place)
    },
  },
  {
    name: 'maxBy',
    make: () => maxBy(n) as Opaque<Row>,
    expectResult: (result, rows) =>
      expect((result as Row | null)?.place).toBe(rising(rows).at(-1)?.place),
  },
  ...keeping('collect', collect, (rows) => rows),
  ...keeping(
    'firstN of one',
    () => firstN(1),
    (rows) => rows.slice(0, 1),
  ),
  ...keeping(
    'firstN',
    () => firstN(4),
    (rows) => rows.slice(0, 4),
  ),
  ...keeping(
    'lastN of one',
    () => lastN(1),
    (rows) => rows.slice(-1),
  ),
  ...keeping(
    'lastN',
    () => lastN(4),
    (rows) => rows.slice(-4),
  ),
  ...keeping(
    'topN of one',
    () => topN(1, n),
    (rows) => rising(rows).slice(-1),
  ),
  ...keeping(
    'topN',
    () => topN(5, n),
    (rows) => rising(rows).slice(-5).toReversed(),
  ),
  ...keeping(
    'topN of many',
    () => topN(40, n),
    (rows) => rising(rows).slice(-40).toReversed(),
  ),
  {
    name: 'variance of a population',
    make: () => variance(n) as Opaque<Row>,
    expectResult: close((rows) => squaresOver(rows, rows.length)),
    rounds: true,
  },
  {
    name: 'variance of a sample',
    make: () => variance(n, 'sample') as Opaque<Row>,
    expectResult: close((rows) =>
      rows.length < 2 ? Number.NaN : squaresOver(rows, rows.length - 1),
    ),
    rounds: true,
  },
  {
    name: 'standardDeviation',
    make: () => standardDeviation(n) as Opaque<Row>,
    expectResult: close((rows) => Math.sqrt(squaresOver(rows, rows.length))),
    rounds: true,
  },
  {
    name: 'distinct of texts',
    make: () => distinct(text) as Opaque<Row>,
    expectResult: equal(
      (rows) => new Set(rows.map((row) => text(row).replace('\ud800', '\ufffd'))).size,
    ),
  },
  {
    name: 'distinct of numbers and texts',
    make: () => distinct(either) as Opaque<Row>,
    expectResult: equal((rows) => new Set(rows.map(either)).size),
  },
  ...[4, 8, 12].map((precision) => ({
    name: `approxDistinct of precision ${precision}`,
    make: () => approxDistinct(either, { precision }) as Opaque<Row>,
    // The error of few registers is tested by itself.
    expectResult: precision === 12 ? expectAbout : (): void => undefined,
  })),
  {
    name: 'percentiles',
    make: () => percentiles(n, FRACTIONS) as Opaque<Row>,
    expectResult: expectPercentiles,
  },
  { name: 'a longest text', make: () => longest, expectResult: equal(longestOf) },
  {
    name: 'a sum of whole numbers',
    make: () => wholes,
    expectResult: equal((rows) => rows.reduce((sumOf, row) => sumOf + row.place, 0)),
  },
]

function longestOf(rows: readonly Row[]): string {
  return `${rows.length} ${Math.max(0, ...rows.map((row) => row.text.length))}`
}

/** Aggregates whose result is a list of rows, compared by their places. */
function keeping(
  name: string,
  make: () => unknown,
  oracle: (rows: readonly Row[]) => readonly Row[],
): readonly Subject[] {
  const places = (rows: readonly Row[]): readonly number[] => rows.map((row) => row.place)
  return [
    {
      name,
      make: make as () => Opaque<Row>,
      expectResult: (result, rows) =>
        expect(places(result as readonly Row[])).toEqual(places(oracle(rows))),
    },
  ]
}
