/** Batches that say of themselves that they are numbers only are taken as any other batch is. */
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { Ingest } from '../../runtime/task/ingest.ts'
import type { PollResult, SourceBatch, SourceInput } from '../../runtime/source/source.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const SCHEMAS = {
  'the same fields': z.object({ a: z.number(), b: z.number(), time: z.number() }),
  'another order': z.object({ b: z.number(), a: z.number(), time: z.number() }),
  'fewer fields': z.object({ a: z.number(), time: z.number() }),
  'a field more': z.object({ a: z.number(), b: z.number(), c: z.number(), time: z.number() }),
  'a text': z.object({ a: z.number(), b: z.string(), time: z.number() }),
  'a bound': z.object({ a: z.number().max(5), b: z.number(), time: z.number() }),
  'another value': z.object({
    a: z.number().transform((a) => -a),
    b: z.number(),
    time: z.number(),
  }),
}

/** What becomes of the batches: the values that are taken, and the reasons of the others. */
async function takenOf(
  schema: z.ZodType,
  batches: readonly SourceBatch[],
): Promise<readonly unknown[]> {
  const left = [...batches]
  const input: SourceInput = {
    id: 'numbers/0',
    open: async () => await Promise.resolve(undefined),
    poll: (): PollResult => left.shift() ?? 'end',
    ready: async () => await Promise.resolve(),
    close: async () => await Promise.resolve(),
  }
  const seen: unknown[] = []
  const ingest = new Ingest({
    source: 'numbers',
    input,
    schema,
    eventTime: {
      of: { field: 'time', unit: 'ms' },
      progressive: true,
      outOfOrderMs: 0,
      idleAfterMs: 30_000,
      maxAheadMs: 1_000,
      minTime: 10,
    },
    reject: (reason) => seen.push(reason),
    onWatermark: () => true,
    onReady: () => undefined,
    onRead: () => undefined,
  })
  // As text, for the order of the fields counts too.
  ingest.connect((value, time) => seen.push([time, JSON.stringify(value)]))
  await ingest.open(undefined)
  while (!ingest.ended) ingest.take()
  return seen
}

describe('a batch of numbers only', () => {
  it.each(Object.entries(SCHEMAS))('is taken as any other: %s', async (_name, schema) => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const names = ['a', 'b', 'time']
    const others = ['time', 'a', 'b']
    const batches = Array.from({ length: 20 }, (): SourceBatch => {
      const fields = random() < 0.3 ? others : names
      const values = Array.from({ length: 5 }, () =>
        Object.fromEntries(fields.map((name) => [name, Math.floor(random() * 100) / 2])),
      )
      const placeOf = (): string => 'somewhere'
      const bytesOf = (): Uint8Array => new Uint8Array()
      return { values, numbers: fields, times: 0, after: 0, placeOf, bytesOf }
    })
    const plain = batches.map(({ numbers: _numbers, ...batch }) => batch)
    const taken = await takenOf(schema, batches)
    expect(taken, `seed ${seed}`).toStrictEqual(await takenOf(schema, plain))
    expect(taken).toHaveLength(100)
  })
})
