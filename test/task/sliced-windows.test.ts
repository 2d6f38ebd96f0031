/**
 * Windows put together of slices against the same windows kept one by one: two operators that share
 * no code beyond the kinds of windows, in one job, on one random stream with crashes.
 *
 * MILLRACE_SEED=… runs a failing case again.
 */
import { describe, expect, it } from 'vitest'
import {
  type Aggregate,
  aggregate,
  collect,
  count,
  job,
  max,
  onEventTime,
  sliding,
  sum,
  tumbling,
} from 'millrace'
import { MOMENTS, testJob } from 'millrace/testing'
import * as z from 'zod'
import { newSeed, randomFrom } from '../support/random.ts'

const Item = z.object({ key: z.string(), timestamp: z.number(), n: z.number() })
type Item = z.infer<typeof Item>

const KEYS = ['', 'a', '__proto__', '1', '🎞️']
const KINDS = [
  { size: 10, every: 10, slice: 10, offset: 0, lateness: 7 },
  { size: 10, every: 5, slice: 5, offset: 0, lateness: 0 },
  { size: 10, every: 5, slice: 5, offset: -2, lateness: 12 },
  { size: 12, every: 8, slice: 4, offset: 3, lateness: 0 },
  { size: 21, every: 3, slice: 3, offset: 1, lateness: 5 },
  { size: 40, every: 1, slice: 1, offset: 0, lateness: 0 },
] as const

/** The records in order: not commutative, so that slices combined in another order show. */
const joined = (): Aggregate<Item, string[], string> =>
  aggregate({
    init: (): string[] => [],
    add: (texts: string[], item: Item) => [...texts, `${item.timestamp}:${item.n}`],
    merge: (left: string[], right: string[]) => [...left, ...right],
    result: (texts: string[]) => texts.join(),
  })

interface Row {
  readonly value: { readonly all: string }
}

/** A window of slices has its records by slice, and in each as they came. */
const bySlice = (row: unknown, sliceMs: number, offset: number): unknown => {
  const { value, ...of } = row as Row
  const sliceOf = (text: string): number =>
    Math.floor((Number.parseInt(text, 10) - offset) / sliceMs)
  const records = value.all.split(',').toSorted((a, b) => sliceOf(a) - sliceOf(b))
  return { ...of, value: { ...value, all: records.join() } }
}

const sorted = (rows: readonly unknown[]): string[] =>
  rows.map((row) => JSON.stringify(row)).toSorted()

describe('windows of slices', () => {
  for (const { size, every, slice, offset, lateness } of KINDS) {
    const kind = sliding(size, { every, offset }).allowedLateness(lateness)
    const both = job('both', ({ source, sink }) => {
      const items = source('items', Item).keyBy((item) => item.key)
      const aggregates = {
        count: count<Item>(),
        sum: sum<Item>((item) => item.n),
        max: max<Item>((item) => item.n),
        all: joined(),
      }
      const sliced = items.window(kind).aggregate('sliced', aggregates)
      const whole = items.window(kind.trigger(onEventTime())).aggregate('whole', aggregates)
      const counted = items.window(kind).aggregate('counted', { count: count<Item>() })
      sliced.to(sink('sliced'))
      sliced.late.to(sink('sliced-late'))
      whole.to(sink('whole'))
      whole.late.to(sink('whole-late'))
      counted.map(({ value, ...of }) => ({ value, ...of })).to(sink('counted'))
      counted.late.to(sink('counted-late'))
    })

    it(`are those kept one by one: size ${size} by ${every}, offset ${offset}, lateness ${lateness}`, async () => {
      for (let run = 0; run < 12; run++) {
        const seed = newSeed()
        const random = randomFrom(seed)
        const below = (limit: number): number => Math.floor(random() * limit)
        const of = <Choice>(choices: readonly Choice[]): Choice =>
          choices[below(choices.length)] as Choice
        const t = await testJob(both, {
          batchRecordsMax: of([1, 3, 100]),
          cache: { entries: of([1, 3, 100]), bytes: of([1, 1_000_000]) },
          commit: { every: of(['1ms', '100ms']), records: 1 + below(12) },
        })
        let now = -30
        for (let step = 0; step < 40; step++) {
          const choice = random()
          if (choice < 0.6) {
            t.push('items', {
              key: of(KEYS),
              timestamp: now + below(40) - 20,
              n: below(100),
            })
          } else if (choice < 0.85) t.advanceWatermark('items', (now += below(12)))
          else if (choice < 0.9) await t.settled()
          else if (choice < 0.95) t.crash({ at: of(MOMENTS), keptCommits: below(3) })
          else t.reopen({ cache: { entries: of([1, 3, 100]), bytes: of([1, 1_000_000]) } })
        }
        t.advanceWatermark('items', 1_000_000)
        const [sliced, whole] = [await t.output('sliced'), await t.output('whole')]
        const message = `seed ${seed}`
        const expected = whole.map((row) => bySlice(row, slice, offset))
        expect(
          sorted(sliced.map((row) => bySlice(row, Number.POSITIVE_INFINITY, 0))),
          message,
        ).toEqual(sorted(expected))
        expect(sorted(await t.output('sliced-late')), message).toEqual(
          sorted(await t.output('whole-late')),
        )
        // With an exact inverse, windows come from a running total.
        const counts = sliced.map((row) => {
          const { value, ...rest } = row as { value: { count: number } }
          return { value: { count: value.count }, ...rest }
        })
        expect(sorted(await t.output('counted')), message).toEqual(sorted(counts))
        await t.close().catch((error: unknown) => expect(String(error)).toMatch(/which never came/))
      }
    })
  }

  it('close once, whatever the cache holds', async () => {
    const t = await testJob(
      job('tumbling', ({ source, sink }) =>
        source('items', Item)
          .keyBy((item) => item.key)
          .window(tumbling(10))
          .aggregate('collected', { n: collect<Item>() })
          .map(({ key, value }) => [key, value.n.map((item) => item.n)])
          .to(sink('rows')),
      ),
      { cache: { entries: 1, bytes: 1 } },
    )
    for (const key of ['a', 'b', 'c']) t.push('items', { key, timestamp: 1, n: 1 })
    await t.settled()
    t.crash()
    for (const key of ['c', 'a', 'd']) t.push('items', { key, timestamp: 2, n: 2 })
    t.advanceWatermark('items', 10)
    expect(sorted(await t.output('rows'))).toEqual(
      sorted([
        ['a', [1, 2]],
        ['b', [1]],
        ['c', [1, 2]],
        ['d', [2]],
      ]),
    )
    await t.close()
  })
})
