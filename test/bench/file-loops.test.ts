import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { hourlyLoop } from '../../bench/baselines/hourly-loop.ts'
import { readRatings } from '../../bench/baselines/read-ratings.ts'
import { secondLoop } from '../../bench/baselines/second-loop.ts'
import { generateRatings } from '../../jobs/ratings-generator.ts'
import { hourlyOracle, rowsOf, secondOracle } from './oracle.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-loops-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Ratings in a file; more than a reader's chunk when `ratings` is 60,000. */
function csvOf(name: string, ratings: number, outOfOrderShare: number): string {
  const path = join(folder, name)
  const lines = ['userId,movieId,rating,timestamp']
  const options = { ratings, users: 40, perSecond: 5, outOfOrderShare, brokenShare: 0 }
  for (const item of generateRatings(options)) {
    if (typeof item === 'string') continue
    lines.push(`${item.userId},${item.movieId},${item.rating.toFixed(1)},${item.timestamp}`)
  }
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

const sortedLines = (path: string): readonly string[] =>
  readFileSync(path, 'utf8').trimEnd().split('\n').toSorted()

describe.each([
  { order: 'in time order', share: 0 },
  { order: 'out of order within the bound', share: 0.2 },
])('ratings $order', ({ order, share }) => {
  const csv = csvOf(`${order}.csv`, 20_000, share)
  const output = join(folder, 'results.jsonl')

  test('the hourly loop agrees with its oracle', () => {
    expect(hourlyLoop(csv, output)).toBe(20_000)
    expect(sortedLines(output)).toEqual(hourlyOracle(csv).toSorted())
  })

  test('the second loop agrees with its oracle', () => {
    expect(secondLoop(csv, output)).toBe(20_000)
    expect(sortedLines(output)).toEqual(secondOracle(csv).toSorted())
  })
})

test('the reader gives every line of a file that is larger than its chunks', () => {
  const csv = csvOf('large.csv', 60_000, 0)
  const rows: unknown[] = []
  const records = readRatings(csv, (userId, movieId, rating, timestamp) => {
    rows.push({ userId, movieId, rating, timestamp })
  })
  expect(records).toBe(60_000)
  expect(readFileSync(csv).length).toBeGreaterThan(1 << 20)
  expect(rows).toEqual(rowsOf(csv))
})
