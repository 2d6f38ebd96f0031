/**
 * Interval joins of every kind and time on random streams, with crashes, against an oracle that keeps
 * everything and looks at every pair. MILLRACE_SEED=… runs a failing case again.
 */
import { describe, expect, it } from 'vitest'
import { job, type JobDefinition } from 'millrace'
import { testJob } from 'millrace/testing'
import { intervalJoin, type IntervalJoin } from '../../../operators/join/interval-join.ts'
import { intervalOracle, type Joined } from './interval-oracle.ts'
import {
  byKey,
  type Chance,
  chanceOf,
  closeQuietly,
  inOrder,
  Item,
  runScript,
  seeds,
  settingsOf,
  timed,
  type Timed,
} from './join-script.ts'

const KEYS = ['', 'a', '__proto__', 'é']

type Pair = Pick<Joined, 'left' | 'right'>

const rowOf = ({ key, result, time }: Timed<Pair>): Joined => ({ key, ...result, time })

/** @param widthMs how long intervals are at most. */
function settingOf({ below, of }: Chance, widthMs = 25) {
  const lower = below(widthMs + 16) - widthMs
  const upper = lower + below(widthMs)
  const exclusive = of([undefined, undefined, 'lower', 'upper', 'both'] as const)
  return {
    within: [lower, upper + 2] as const,
    kind: of(['inner', 'left', 'right', 'outer'] as const),
    time: of(['left', 'right', 'max'] as const),
    ...(exclusive !== undefined && { exclusive }),
  }
}

const jobOf = (options: ReturnType<typeof settingOf>, sources: 'one' | 'two'): JobDefinition =>
  job('joining', ({ source, sink }) => {
    const both = sources === 'one' ? source('items', Item) : undefined
    const left = both?.filter(({ side }) => side === 'left') ?? source('lefts', Item)
    const right = both?.filter(({ side }) => side === 'right') ?? source('rights', Item)
    const results = left
      .keyBy(({ key }) => key)
      .intervalJoin(
        'join',
        right.keyBy(({ key }) => key),
        options,
        (l, r): Pair => ({ left: l?.n ?? null, right: r?.n ?? null }),
      )
    results.process(timed<Pair>()).to(sink('results'))
    results.late.map(({ side, value: { n } }) => ({ side, n })).to(sink('late'))
  })

describe('an interval join on random streams', () => {
  // Of few keys some have more records than a row takes, and fewer again.
  it.each([
    ['of few records a key', KEYS, 25, 90],
    ['of many records a key', ['a', 'b'], 150, 60],
  ])(
    '%s: one source gives what looking at every pair gives, over crashes',
    async (_, keys, widthMs, count) => {
      for (const seed of seeds(count)) {
        const chance = chanceOf(seed)
        const options = settingOf(chance, widthMs)
        const interval: IntervalJoin = intervalJoin('oracle', options)
        const t = await testJob(jobOf(options, 'one'), settingsOf(chance))
        const entries = await runScript(t, chance, {
          steps: 30,
          keys,
          spreadMs: 30,
          sources: 'one',
        })
        const named = `seed ${seed} ${JSON.stringify(options)}`
        const before = intervalOracle(entries, interval)
        for (const key of keys) {
          const state = (await t.state('join', key))?.['waiting'] ?? new Map()
          const waiting = [...(state as Map<number, [side: 0 | 1, time: number, item: Item]>)]
          for (const side of [0, 1] as const) {
            const numbers = waiting.flatMap(([, [of, , item]]) => (of === side ? [item.n] : []))
            const expected = before.waiting(key, side === 0 ? 'left' : 'right')
            expect(
              numbers.toSorted((a, b) => a - b),
              named,
            ).toEqual(expected)
          }
        }
        t.endInput('items')
        const expected = intervalOracle([...entries, { watermark: Infinity }], interval)
        const results = await t.output<Timed<Pair>>('results')
        expect(byKey(results.map(rowOf)), named).toEqual(byKey(expected.results))
        expect(
          results.filter(({ isLate }) => isLate),
          named,
        ).toEqual([])
        expect(await t.output('late'), named).toEqual(expected.late)
        for (const key of keys) expect(await t.state('join', key), named).toBeUndefined()
        await closeQuietly(t)
      }
    },
    120_000,
  )

  it('gives from two sources the same whatever their interleaving, over crashes', async () => {
    for (const seed of seeds(60)) {
      const chance = chanceOf(seed)
      const options = settingOf(chance)
      const t = await testJob(jobOf(options, 'two'), settingsOf(chance))
      const entries = await runScript(t, chance, {
        steps: 30,
        keys: KEYS,
        spreadMs: 30,
        sources: 'two',
      })
      t.endInput('lefts')
      t.endInput('rights')
      const { results: expected } = intervalOracle(
        [...entries, { watermark: Infinity }],
        intervalJoin('oracle', options),
      )
      const results = await t.output<Timed<Pair>>('results')
      const named = `seed ${seed} ${JSON.stringify(options)}`
      expect(inOrder(results.map(rowOf)), named).toEqual(inOrder(expected))
      expect(
        results.filter(({ isLate }) => isLate),
        named,
      ).toEqual([])
      await closeQuietly(t)
    }
  }, 120_000)
})
