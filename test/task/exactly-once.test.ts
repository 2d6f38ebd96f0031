/**
 * Random streams, settings and crashes against what has to come out. Two jobs: one whose results are
 * computed again by an oracle, and one whose user code gives another value at every call, so that
 * nothing made again can pass for what was made before: any mixture of two histories shows.
 *
 * MILLRACE_SEED=… runs a failing case again.
 */
import { describe, expect, it } from 'vitest'
import { actor, collect, job, list, map, tumbling, value } from 'millrace'
import { MOMENTS, testJob, type TestChanges, type TestJob } from 'millrace/testing'
import * as z from 'zod'
import { newSeed, randomFrom } from '../support/random.ts'
import { type OracleEntry, windowOracle } from '../support/window-oracle.ts'

const Item = z.object({ key: z.string(), timestamp: z.number(), n: z.number() })
type Item = z.infer<typeof Item>

const SIZE_MS = 10
const KEYS = ['', 'a', '__proto__', 'constructor', '1', 'é', 'e\u0301', '\u0000', 'a.b', '🎞️']

const windows = job('windows', ({ source, sink }) => {
  const results = source('items', Item)
    .keyBy((item) => item.key)
    .window(tumbling(SIZE_MS))
    .aggregate('collected', { items: collect<Item>() })
  results
    .map(({ key, value: { items }, window }) => ({
      key,
      start: window.start,
      n: items.map(({ n }) => n),
    }))
    .to(sink('results'))
  results
    .map(({ value: { items }, window }) => ({ last: items.at(-1)?.n, start: window.start }))
    .to(sink('newest'))
  results.late.map(({ n }) => n).to(sink('late'))
})

let draws = 0

const histories = job('histories', ({ source, sink }) => {
  const step = actor('step', {
    state: { last: value<number>(), all: list<number>(), byNumber: map<number, number>() },
    onRecord(item: Item, key) {
      draws += 1
      const previous = key.state.last.get() ?? null
      key.state.last.set(draws)
      key.state.all.push(draws)
      key.state.byNumber.set(item.n, draws)
      key.timer('later', item.timestamp + SIZE_MS)
      key.emit({ key: key.id, n: item.n, draw: draws, previous })
    },
    onTimer: {
      later(key) {
        draws += 1
        const previous = key.state.last.get() ?? null
        key.state.last.set(draws)
        key.state.all.push(draws)
        key.emit({ key: key.id, n: 0, draw: draws, previous })
      },
    },
  })
  source('items', Item)
    .keyBy((item) => item.key)
    .process(step)
    .to(sink('steps'))
})

interface Chance {
  readonly random: () => number
  below(limit: number): number
  of<Choice>(choices: readonly Choice[]): Choice
}

const chanceOf = (seed: number): Chance => {
  const random = randomFrom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  return { random, below, of: (choices) => choices[below(choices.length)] as never }
}

const settingsOf = ({ below, of }: Chance): TestChanges => ({
  batchRecordsMax: of([1, 2, 3, 7, 2_048]),
  commit: { every: of(['1ms', '100ms']), records: 1 + below(12) },
  cache: { entries: of([1, 2, 4, 100]), bytes: of([1, 10_000, 1_000_000]) },
})

/** Runs a random script on a job, and tells the oracle what was in it. */
async function runScript(t: TestJob, chance: Chance): Promise<OracleEntry[]> {
  const { random, below, of } = chance
  const entries: OracleEntry[] = []
  let [n, now] = [0, -25]
  for (let step = 0; step < 40; step++) {
    const choice = random()
    if (choice < 0.45) {
      const items = Array.from({ length: 1 + below(6) }, () => ({
        key: of(KEYS),
        timestamp: now + below(30) - 8,
        n: ++n,
      }))
      entries.push(...items.map((item) => ({ key: item.key, at: item.timestamp, n: item.n })))
      t.push('items', ...items)
    } else if (choice < 0.6) {
      now += below(20)
      entries.push({ watermark: now })
      t.advanceWatermark('items', now)
    } else if (choice < 0.65) t.advanceClock(below(200))
    else if (choice < 0.7) await t.settled()
    else if (choice < 0.78) t.crash({ at: of(MOMENTS), keptCommits: below(3) })
    else if (choice < 0.85) t.kill(of(MOMENTS))
    else if (choice < 0.9) t.crash({ keptCommits: below(3) })
    else if (choice < 0.95) t.kill()
    else t.reopen(settingsOf(chance))
  }
  return entries
}

async function closeQuietly(t: TestJob): Promise<void> {
  // A death that still waits for its moment when the script is over is no failure here.
  await t.close().catch((error: unknown) => expect(String(error)).toMatch(/which never came/))
}

const seeds = (count: number): number[] => {
  const first = newSeed()
  return Array.from({ length: count }, (_, i) => (first + i) >>> 0)
}

const bySeed = process.env['MILLRACE_SEED'] === undefined ? seeds(40) : seeds(1)

describe('whatever crashes when', () => {
  it('gives each result once, in order, as an obvious computation does', async () => {
    for (const seed of bySeed) {
      const chance = chanceOf(seed)
      const t = await testJob(windows, { ...settingsOf(chance), tables: { newest: 'key' } })
      const entries = await runScript(t, chance)
      const isEnded = chance.random() < 0.7
      if (isEnded) t.endInput('items')
      const expected = windowOracle(entries, SIZE_MS, isEnded)
      expect(await t.output('results'), `seed ${seed}`).toEqual(expected.results)
      expect(await t.output('late'), `seed ${seed}`).toEqual(expected.late)
      for (const key of KEYS) {
        const newest = expected.results.findLast((result) => result.key === key)
        const row = newest && { last: newest.n.at(-1), start: newest.start }
        expect(await t.table('newest', key), `seed ${seed}, key ${key}`).toEqual(row)
      }
      const values = entries.filter((entry) => !('watermark' in entry))
      expect(await t.counters(), `seed ${seed}`).toEqual({
        records: values.length,
        late: expected.late.length,
        deadLettered: 0,
        windows: expected.results.length,
      })
      await closeQuietly(t)
    }
  })

  it('tells one history: state and results agree though nothing is ever computed twice alike', async () => {
    for (const seed of bySeed) {
      const chance = chanceOf(seed)
      const t = await testJob(histories, settingsOf(chance))
      const entries = await runScript(t, chance)
      const steps = await t.output<{ key: string; n: number; draw: number; previous: number }>(
        'steps',
      )
      for (const key of KEYS) {
        const ofKey = steps.filter((step) => step.key === key)
        const pushed = entries.flatMap((entry) =>
          'n' in entry && entry.key === key ? [entry.n] : [],
        )
        expect(
          ofKey.flatMap(({ n }) => (n === 0 ? [] : [n])),
          `seed ${seed}`,
        ).toEqual(pushed)
        expect(
          ofKey.map(({ previous }) => previous),
          `seed ${seed}`,
        ).toEqual([null, ...ofKey.map(({ draw }) => draw)].slice(0, ofKey.length))
        const state = await t.state('step', key)
        expect(state?.['last'], `seed ${seed}`).toBe(ofKey.at(-1)?.draw)
        expect(state?.['all'] ?? [], `seed ${seed}`).toEqual(ofKey.map(({ draw }) => draw))
        const byNumber = new Map(ofKey.flatMap(({ n, draw }) => (n === 0 ? [] : [[n, draw]])))
        expect(state?.['byNumber'] ?? new Map(), `seed ${seed}`).toEqual(byNumber)
      }
      await closeQuietly(t)
    }
  })
})
