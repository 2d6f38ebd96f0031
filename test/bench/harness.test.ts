import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { Checksum, checksumOfFile } from '../../bench/checksum.ts'
import { compare, median, rowOf } from '../../bench/compare.ts'
import type { Measurement } from '../../bench/compare.ts'
import { makeData } from '../../bench/make-data.ts'
import { runChild } from '../../bench/run-child.ts'
import { asMarkdown, asText } from '../../bench/table.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-harness-'))
afterAll(() => rmSync(folder, { recursive: true }))

const options = { size: 'small', rounds: 2, progress: () => {} } as const
const measured = (seconds: number, checksum: string | undefined = 'same'): Measurement => ({
  records: 1_000_000,
  seconds,
  checksum,
  peakRssAnonBytes: undefined,
})

const of = (lines: readonly string[]): string => {
  const checksum = new Checksum()
  for (const line of lines) checksum.add(Buffer.from(line))
  return String(checksum)
}

describe('the checksum', () => {
  test('does not depend on the order of the lines', () => {
    expect(of(['a', 'b', 'c'])).toBe(of(['c', 'a', 'b']))
  })

  test.each([[['a', 'b', 'd']], [['a', 'b']], [['a', 'b', 'c', 'c']], [['a', 'bc', '']]])(
    'tells a, b, c from %j',
    (lines) => {
      expect(of(lines)).not.toBe(of(['a', 'b', 'c']))
    },
  )

  test('of a file is the one of its lines, over chunks and without a newline at its end', async () => {
    const lines = Array.from({ length: 100_000 }, (_, index) => `line number ${index}`)
    const path = join(folder, 'lines')
    writeFileSync(path, lines.join('\n'))
    expect(await checksumOfFile(path)).toBe(of(lines))
  })
})

describe('a comparison', () => {
  test('runs both sides in turns', async () => {
    const order: string[] = []
    const run = (name: string) => (): Promise<Measurement> => {
      order.push(name)
      return Promise.resolve(measured(1))
    }
    await compare('x', { ours: run('ours'), baseline: run('baseline') }, options)
    expect(order).toEqual(['ours', 'baseline', 'ours', 'baseline'])
  })

  test('fails when the results differ', async () => {
    const sides = {
      ours: () => Promise.resolve(measured(1, 'this')),
      baseline: () => Promise.resolve(measured(1, 'that')),
    }
    await expect(compare('x', sides, options)).rejects.toThrow(
      'x: the results differ: baseline has that, expected is this',
    )
  })

  test('gives rates, their ratio and whether both goals are met', () => {
    const comparison = {
      ours: [1, 2, 4].map((seconds) => measured(seconds)),
      baseline: [1, 1, 1].map((seconds) => measured(seconds)),
    }
    expect(rowOf('x', comparison, { ratioMin: 0.5, rateMin: 400_000 })).toEqual({
      what: 'x',
      ours: '500 k/s ± 75 %',
      baseline: '1,000 k/s ± 0 %',
      ratio: '50 %',
      goal: '400 k/s, 50 %',
      met: true,
    })
    expect(rowOf('x', comparison, { ratioMin: 0.51 }).met).toBe(false)
    expect(rowOf('x', comparison, { ratioMin: 0.5, rateMin: 600_000 }).met).toBe(false)
  })

  test('the median of an even number of values lies between the middle ones', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5)
  })
})

test('the table is there as text and as markdown', () => {
  const row = { what: 'x', ours: '1 s', baseline: '', ratio: '', goal: '≤ 2 s', met: true }
  expect(asText([row]).split('\n')[1]).toMatch(/^x\s+1 s\s+≤ 2 s\s+yes/)
  expect(asMarkdown([row]).split('\n')[2]).toBe('| x | 1 s |  |  | ≤ 2 s | yes |')
})

describe('a child', () => {
  test('is timed from its start to its end, and its memory is seen', async () => {
    const run = await runChild([
      '-e',
      'const held = new Array(8e6).fill(1.5); setTimeout(() => console.log(held.length), 200)',
    ])
    expect(run.stdout.trim()).toBe('8000000')
    expect(run.seconds).toBeGreaterThan(0.2)
    if (process.platform === 'linux') expect(run.peakRssAnonBytes).toBeGreaterThan(64e6)
  })

  test('that fails is an error with what it said', async () => {
    await expect(runChild(['-e', "console.error('no luck'); process.exit(3)"])).rejects.toThrow(
      /ended with 3:\nno luck/,
    )
  })
})

test('the data is in time order, made once, and made again when it was damaged', async () => {
  const { path, records } = await makeData(1_234, 50)
  expect(records).toBe(1_234)
  const made = readFileSync(path, 'utf8')
  const [header, ...lines] = made.trimEnd().split('\n')
  expect(header).toBe('userId,movieId,rating,timestamp')
  const times = lines.map((line) => Number(line.split(',')[3]))
  expect(times).toHaveLength(1_234)
  expect(times).toEqual(times.toSorted((left, right) => left - right))

  writeFileSync(path, made.replace('.5', '.0'))
  await makeData(1_234, 50)
  expect(readFileSync(path, 'utf8')).toBe(made)
})
