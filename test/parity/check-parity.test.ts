/** Jobs of this project come to the same results in every way; jobs that do not are found out, with a small example. */
import { expect, test } from 'vitest'
import * as z from 'zod'
import attributedImpressions from '../../jobs/attributed-impressions.ts'
import demo from '../../jobs/demo.ts'
import latestRating from '../../jobs/latest-rating.ts'
import sessionLength from '../../jobs/session-length.ts'
import { actor, job, type JobDefinition, value } from '../../runtime/index.ts'
import { checkParity, type ParityReport } from '../../runtime/parity/check-parity.ts'
import { Random } from '../../runtime/parity/random.ts'
import type { SampledRecord } from '../../runtime/parity/sample.ts'
import { DEAD_LETTERS } from '../../runtime/parity/variants.ts'
import type { TestOptions } from '../../runtime/testing/test-options.ts'
import { newSeed } from '../support/random.ts'

const BOUND_MS = 5_000
const START_S = 1_260_000_000

type Draw = (random: Random, i: number) => Readonly<Record<string, readonly object[]>>

interface Checked {
  readonly draw: Draw
  readonly unit: 's' | 'ms'
  readonly records: number
  readonly options?: TestOptions
}

async function check(
  definition: JobDefinition,
  seed: number,
  { draw, unit, records, options = {} }: Checked,
): Promise<ParityReport> {
  const random = new Random(seed)
  const sample: SampledRecord[] = []
  for (let i = 0; i < records; i++) {
    for (const [source, values] of Object.entries(draw(random, i))) {
      for (const of of values) {
        const { timestamp } = of as { readonly timestamp: number }
        const time = unit === 's' ? timestamp * 1_000 : timestamp
        sample.push({ source, value: of, time, loggedAt: time, place: `${source}#${i}` })
      }
    }
  }
  const sources = definition.graph.nodes.flatMap((node) =>
    node.kind === 'source' ? [node.name] : [],
  )
  return await checkParity(
    {
      definition,
      boundsMs: new Map(sources.map((name) => [name, BOUND_MS])),
      options: {
        ...options,
        eventTime: Object.fromEntries(sources.map((name) => [name, { unit }])),
      },
    },
    sample,
    { seed, rounds: 3, onTried: () => undefined },
  )
}

const ratings: Draw = (random) => ({
  ratings: [
    {
      userId: random.between(1, 6),
      movieId: random.between(1, 40),
      rating: random.between(1, 10) / 2,
      timestamp: START_S + random.between(0, 3_000),
    },
  ],
})

const impressions: Draw = (random, i) => {
  const timestamp = START_S * 1_000 + i * 2_000 + random.between(0, 3_000)
  const shown = { impressionId: i, itemId: i % 7, userId: i % 5, timestamp }
  const clicks = random.chance(0.2)
    ? [{ impressionId: i, timestamp: timestamp + random.between(0, 900_000) }]
    : []
  return { impressions: [shown], clicks }
}

test.each<[string, JobDefinition, Checked]>([
  ['latest-rating', latestRating, { draw: ratings, unit: 's', records: 300 }],
  ['session-length', sessionLength, { draw: ratings, unit: 's', records: 300 }],
  [
    'demo',
    demo,
    { draw: ratings, unit: 's', records: 200, options: { tables: { lastFilm: 'key' } } },
  ],
  [
    'attributed-impressions',
    attributedImpressions,
    { draw: impressions, unit: 'ms', records: 150 },
  ],
])('%s comes to the same results in every way', { timeout: 120_000 }, async (_, definition, of) => {
  const seed = newSeed()
  const { results, counterexample } = await check(definition, seed, of)
  expect(counterexample, `seed ${seed}`).toBeUndefined()
  const { [DEAD_LETTERS]: dead, ...sinks } = Object.fromEntries(results)
  expect(dead).toBe(0)
  for (const count of Object.values(sinks)) expect(count).toBeGreaterThan(4)
})

const Rating = z.object({ userId: z.number(), rating: z.number(), timestamp: z.number() })

/** What a key got first decides: another order of arrival, another result. */
const firstComes = actor('first', {
  state: { first: value<number>() },
  onRecord(record: z.infer<typeof Rating>, key) {
    if (key.state.first.get() === undefined) key.state.first.set(record.rating)
    key.emit({ user: key.id, first: key.state.first.get() })
  },
})
const orderDependent = job('order-dependent', ({ source, sink }) => {
  source('ratings', Rating)
    .keyBy((rating) => rating.userId)
    .process(firstComes)
    .to(sink('firsts'))
})

test(
  'a job that depends on the order of arrival is found out with two records',
  { timeout: 120_000 },
  async () => {
    const { counterexample } = await check(orderDependent, 1, {
      draw: ratings,
      unit: 's',
      records: 200,
    })
    expect(counterexample?.records.length).toBe(2)
    const [a, b] = (counterexample?.records ?? []).map(
      ({ value: of }) => of as z.infer<typeof Rating>,
    )
    expect(a?.userId).toBe(b?.userId)
    expect(a?.rating).not.toBe(b?.rating)
    expect(counterexample?.differences[0]?.sink).toBe('firsts')
  },
)

test(
  'a job that keeps something outside of its state is found out by a kill or other sizes',
  { timeout: 120_000 },
  async () => {
    let seen = 0
    const forgetful = job('forgetful', ({ source, sink }) => {
      source('ratings', Rating)
        .map((rating) => ({ userId: rating.userId, number: seen++ }))
        .to(sink('numbers'))
    })
    const { counterexample } = await check(forgetful, 1, { draw: ratings, unit: 's', records: 50 })
    expect(counterexample?.records.length).toBe(1)
  },
)
