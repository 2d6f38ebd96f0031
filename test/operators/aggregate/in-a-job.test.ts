/** The aggregates as a job uses them: their types are inferred, and a crash changes no result. */
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  aggregate,
  approxDistinct,
  collect,
  count,
  countIf,
  distinct,
  firstN,
  job,
  lastN,
  percentiles,
  sliding,
  standardDeviation,
  sum,
  topN,
  tumbling,
  variance,
  type WindowResult,
} from 'millrace'
import { testJob } from 'millrace/testing'
import * as z from 'zod'
import { newSeed, randomFrom } from '../../support/random.ts'
import { randomRows, subjects } from './subjects.ts'

const Rating = z.object({
  userId: z.number(),
  film: z.string(),
  stars: z.number(),
  timestamp: z.number(),
})
type Rating = z.infer<typeof Rating>

const summary = job('summary', ({ source, sink }) => {
  source('ratings', Rating, { time: (rating) => rating.timestamp })
    .keyBy((rating) => rating.userId)
    .window(tumbling('1h'))
    .aggregate('stars', {
      n: count(),
      good: countIf((rating) => rating.stars > 3),
      all: collect(),
      first: firstN(2),
      last: lastN(2),
      best: topN(2, (rating) => rating.stars),
      spread: variance((rating) => rating.stars),
      deviation: standardDeviation((rating) => rating.stars, 'sample'),
      films: distinct((rating) => rating.film),
      about: approxDistinct((rating) => rating.film, { precision: 10 }),
      stars: percentiles((rating) => rating.stars, [0.5, 0.99]),
      longest: aggregate({
        init: () => '',
        add: (held, rating: Rating) => (rating.film.length > held.length ? rating.film : held),
        merge: (left, right) => (right.length > left.length ? right : left),
        result: (held) => held.length,
      }),
    })
    .map(({ value }) => {
      expectTypeOf(value.n).toEqualTypeOf<number>()
      expectTypeOf(value.good).toEqualTypeOf<number>()
      expectTypeOf(value.all).toEqualTypeOf<readonly Rating[]>()
      expectTypeOf(value.first).toEqualTypeOf<readonly Rating[]>()
      expectTypeOf(value.last).toEqualTypeOf<readonly Rating[]>()
      expectTypeOf(value.best).toEqualTypeOf<readonly Rating[]>()
      expectTypeOf(value.spread).toEqualTypeOf<number>()
      expectTypeOf(value.deviation).toEqualTypeOf<number>()
      expectTypeOf(value.films).toEqualTypeOf<number>()
      expectTypeOf(value.about).toEqualTypeOf<number>()
      expectTypeOf(value.stars).toEqualTypeOf<readonly [number | null, number | null]>()
      expectTypeOf(value.longest).toEqualTypeOf<number>()
      const [median] = value.stars
      return { ...value, all: value.all.length, median }
    })
    .to(sink('out'))
})

const Row = z.object({
  n: z.number(),
  text: z.string(),
  place: z.number(),
  timestamp: z.number(),
})

const slid = job('slid', ({ source, sink }) => {
  source('rows', Row, { time: (row) => row.timestamp })
    .keyBy(() => 'all')
    .window(sliding('10s', { every: '3s' }))
    .aggregate('all', Object.fromEntries(subjects.map(({ name, make }) => [name, make()])))
    .to(sink('out'))
})

const ratings: readonly Rating[] = Array.from({ length: 60 }, (_, i) => ({
  userId: i % 2,
  film: `film ${(i * 7) % 11}`,
  stars: 1 + ((i * 3) % 5),
  timestamp: Date.UTC(2024, 0, 1) + i * 1_000,
}))

async function resultsOf(crashes: boolean): Promise<readonly unknown[]> {
  const t = await testJob(summary)
  for (const [i, rating] of ratings.entries()) {
    t.push('ratings', rating)
    if (crashes && i % 9 === 0) t.crash()
  }
  t.advanceWatermark('ratings', Date.UTC(2024, 0, 2))
  const out = await t.output('out')
  await t.close()
  return out
}

describe('aggregates in a job', () => {
  it('give results of their types, the same to the last bit after crashes', async () => {
    const straight = await resultsOf(false)
    expect(straight).toHaveLength(2)
    expect(straight[0]).toMatchObject({
      n: 30,
      good: 12,
      all: 30,
      first: [ratings[0], ratings[2]],
      last: [ratings[56], ratings[58]],
      best: [{ stars: 5 }, { stars: 5 }],
      spread: 2,
      films: 11,
      about: 11,
      longest: 7,
    })
    expect(await resultsOf(true)).toEqual(straight)
  })

  it('come to the same over the slices of sliding windows', async () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    let timestamp = Date.UTC(2024, 0, 1)
    const rows = randomRows(150, random).map((row) => {
      timestamp += Math.floor(random() * 900)
      return { ...row, timestamp }
    })
    const t = await testJob(slid)
    for (const [i, row] of rows.entries()) {
      t.push('rows', row)
      if (i % 40 === 39) t.crash()
    }
    t.advanceWatermark('rows', Date.UTC(2024, 0, 2))
    const windows = await t.output<WindowResult<string, Readonly<Record<string, unknown>>>>('out')
    await t.close()
    expect(windows.length).toBeGreaterThan(10)
    for (const { value: results, window } of windows) {
      const inside = rows.filter(
        (row) => window.start <= row.timestamp && row.timestamp < window.end,
      )
      for (const { name, expectResult } of subjects) {
        // What is no number is null in JSON.
        const isNone = name.startsWith('variance') && results[name] === null
        try {
          expectResult(isNone ? Number.NaN : results[name], inside)
        } catch (error) {
          console.error(`${name} over [${window.start}, ${window.end}), MILLRACE_SEED=${seed}`)
          throw error
        }
      }
    }
  })

  it('find wrong field names, wrong results and values of another type', () => {
    expect(() =>
      job('wrong', ({ source, sink }) => {
        const windows = source('ratings', Rating)
          .keyBy((rating) => rating.userId)
          .window(tumbling(1_000))
        windows
          // @ts-expect-error a rating has no `score`
          .aggregate('spread', { spread: variance((rating) => rating.score) })
          .to(sink('a'))
        windows
          // @ts-expect-error a film's name has no percentiles
          .aggregate('films', { films: percentiles((rating) => rating.film, [0.5]) })
          .to(sink('b'))
        windows
          // @ts-expect-error a rating is neither a number nor a text
          .aggregate('distinct', { different: distinct((rating) => rating) })
          .to(sink('c'))
        windows
          .aggregate('three', { first: percentiles((rating) => rating.stars, [0.5, 0.9]) })
          // @ts-expect-error there are two results, and no third
          .map(({ value }) => value.first[2])
          .to(sink('d'))
        // @ts-expect-error a spread is that of a population or of a sample
        const spread = (): unknown => variance((rating: Rating) => rating.stars, 'all')
        expect(spread).toThrow(RangeError)
        windows
          .aggregate('latest', {
            // @ts-expect-error an aggregate of texts does not take ratings
            texts: aggregate({
              init: () => '',
              add: (held: string, value: string) => held + value,
              merge: (left: string, right: string) => left + right,
              result: (held: string) => held,
            }),
            total: sum((rating) => rating.stars),
          })
          .to(sink('e'))
      }),
    ).not.toThrow()
  })
})
