/** Records that cannot be used, and user code that fails: counted, kept with their reason, and nothing else disturbed (I6). */
import { describe, expect, it } from 'vitest'
import { actor, count, job, list, mean, sum, tumbling, UserCodeError } from 'millrace'
import { testJob, Undecodable, type TestEventTime } from 'millrace/testing'
import * as z from 'zod'
import { BAD_KEYS, NASTY_KEYS } from '../support/keys.ts'

const Loose = z.looseObject({})

const passing = job('passing', ({ source, sink }) => {
  source('items', Loose).to(sink('out'))
})

const reasons = async (
  eventTime: TestEventTime,
  values: readonly unknown[],
): Promise<(string | undefined)[]> => {
  const t = await testJob(passing, { now: 1_000_000_000_000, eventTime: { items: eventTime } })
  const good = { timestamp: eventTime.unit === 's' ? 1_000_000_000 : 1_000_000_000_000 }
  for (const value of values) t.push('items', value, good)
  const letters = await t.deadLetters()
  expect(await t.output('out')).toHaveLength(values.length)
  expect(await t.counters()).toMatchObject({
    records: values.length,
    deadLettered: values.length,
  })
  await t.close()
  return letters.map(({ reason }) => reason)
}

describe('a record without a usable time', () => {
  it.each([
    ['missing', {}],
    ['null', { timestamp: null }],
    ['text', { timestamp: '1000000000000' }],
    ['NaN', { timestamp: Number.NaN }],
    ['infinite', { timestamp: Number.POSITIVE_INFINITY }],
    ['infinitely old', { timestamp: Number.NEGATIVE_INFINITY }],
    ['an object', { timestamp: {} }],
  ])('is set aside when it is %s', async (_what, value) => {
    expect(await reasons({}, [value])).toEqual([
      "no usable time: the field 'timestamp' is not a finite number of the configured unit",
    ])
  })

  it('is set aside when it lies before minTime, which finds seconds taken for milliseconds', async () => {
    const minTime = Date.UTC(1990, 0, 1)
    expect(await reasons({ minTime }, [{ timestamp: 1_000_000_000 }])).toEqual([
      expect.stringMatching(/before minTime 1990-01-01.*seconds taken for milliseconds/),
    ])
  })

  it('is set aside when it lies further back than dates reach', async () => {
    expect(await reasons({}, [{ timestamp: -1e300 }, { timestamp: -9e15 - 1e14 }])).toEqual([
      expect.stringMatching(/-1e\+300 ms is before minTime/),
      expect.stringMatching(/is before minTime/),
    ])
  })

  it('is set aside when it lies too far ahead, and does not move the watermark', async () => {
    const t = await testJob(passing, {
      now: 1_000,
      eventTime: { items: { maxAhead: '1s', outOfOrder: 0 } },
    })
    t.push('items', { timestamp: 2_001 }, { timestamp: 2_000 })
    expect((await t.deadLetters()).map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/1001 ms ahead of the message's time in the log; maxAhead is 1000 ms/),
    ])
    expect(await t.output('out')).toEqual([{ timestamp: 2_000 }])
    await t.close()
  })
})

describe('a dead letter', () => {
  it('has the reason, the place and the original', async () => {
    const t = await testJob(
      job('strict', ({ source, sink }) => {
        source('items', z.object({ n: z.number(), timestamp: z.number() })).to(sink('out'))
      }),
    )
    t.push('items', { n: 1, timestamp: 1 }, { n: 'x', timestamp: 1 }, new Undecodable('not JSON'))
    expect(await t.deadLetters()).toEqual([
      {
        reason: expect.stringMatching(/^does not fit the schema: n: /),
        source: 'items',
        place: 'items#2',
        text: '{"n":"x","timestamp":1}',
      },
      { reason: 'not JSON', source: 'items', place: 'items#3', text: '' },
    ])
    await t.close()
  })
})

describe('keyBy', () => {
  const counting = job('counting', ({ source, sink }) => {
    const counted = actor('counted', {
      state: { all: list<number>() },
      onRecord(item: { n: number }, key) {
        key.state.all.push(item.n)
        key.emit({ key: key.id, count: key.state.all.length })
      },
    })
    source('items', z.object({ key: z.unknown(), n: z.number(), timestamp: z.number() }))
      .keyBy((item) => item.key as string)
      .process(counted)
      .to(sink('out'))
  })

  it('keeps every key apart that can be a key, in memory, in the store and back', async () => {
    const t = await testJob(counting, { cache: { entries: 2 } })
    for (const [n, key] of NASTY_KEYS.entries()) t.push('items', { key, n, timestamp: 0 })
    t.crash()
    for (const [n, key] of NASTY_KEYS.entries()) t.push('items', { key, n: n + 1, timestamp: 0 })
    expect(
      (await t.output('out')).filter((row) => row['count'] === 2).map((row) => row['key']),
    ).toEqual(NASTY_KEYS)
    for (const [n, key] of NASTY_KEYS.entries()) {
      expect((await t.state('counted', key))?.['all']).toEqual([n, n + 1])
    }
    expect(await t.deadLetters()).toEqual([])
    await t.close()
  })

  it('takes 0 and -0 for one key', async () => {
    const t = await testJob(counting)
    t.push('items', { key: -0, n: 1, timestamp: 0 }, { key: 0, n: 2, timestamp: 0 })
    expect(await t.output('out')).toEqual([
      { key: 0, count: 1 },
      { key: 0, count: 2 },
    ])
    await t.close()
  })

  it('sets records aside whose key cannot be one', async () => {
    const t = await testJob(counting)
    for (const [key] of BAD_KEYS) t.push('items', { key, n: 1, timestamp: 0 })
    t.push('items', { key: 'good', n: 1, timestamp: 0 })
    const letters = await t.deadLetters()
    expect(letters).toHaveLength(BAD_KEYS.length)
    for (const [i, [, reason]] of BAD_KEYS.entries()) expect(letters[i]?.reason).toMatch(reason)
    expect(await t.output('out')).toHaveLength(1)
    await t.close()
  })
})

describe('user code that fails', () => {
  const Item = z.object({ key: z.string(), n: z.number(), timestamp: z.number() })
  const refuse = (n: number): void => {
    if (n < 0) throw new Error(`refuses ${n}`)
  }
  let attempts = 0
  const failing = job('failing', ({ source, sink }) => {
    const items = source('items', Item)
    items
      .map(
        ({ key, n }) => {
          attempts += 1
          refuse(n)
          return { key, n }
        },
        { name: 'map' },
      )
      .to(sink('mapped'))
    items
      .flatMap(
        function* ({ n }) {
          yield 'half'
          refuse(n)
          yield 'whole'
        },
        { name: 'flatMap' },
      )
      .to(sink('flat'))
    items
      .keyBy((item) => item.key)
      .window(tumbling(10))
      .aggregate('sums', {
        n: sum((item) => {
          refuse(item.n)
          return item.n
        }),
      })
      .map(({ key, value: { n } }) => `${key} ${n}`)
      .to(sink('sums'))
  })
  const setAside = { onError: { deadLetterAfter: 3 } }
  const operators = { map: setAside, flatMap: setAside, sums: setAside }

  it('ends the job by default, with operator, place and cause', async () => {
    const t = await testJob(failing)
    t.push('items', { key: 'a', n: 1, timestamp: 0 }, { key: 'a', n: -1, timestamp: 0 })
    const error: unknown = await t.settled().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(UserCodeError)
    expect(error).toMatchObject({
      operator: 'map',
      position: 'items#2',
      cause: new Error('refuses -1'),
    })
    expect(await t.output('mapped')).toEqual([])
    await t.close()
  })

  it('sets the record aside after so many attempts, and goes on as if it had not come', async () => {
    attempts = 0
    const t = await testJob(failing, { operators })
    const n = (key: string, number: number) => ({ key, n: number, timestamp: 0 })
    t.push('items', n('a', 1), n('b', 10), n('a', -1), n('a', 2), n('c', -2), n('b', 20))
    expect(attempts).toBe(0)
    expect(await t.output('mapped')).toHaveLength(4)
    expect(attempts).toBe(4 + 2 * 3)
    expect(await t.output('flat')).toEqual(
      Array.from({ length: 4 }, () => ['half', 'whole']).flat(),
    )
    t.crash()
    t.endInput('items')
    expect(await t.output('sums')).toEqual(['a 3', 'b 30'])
    expect((await t.deadLetters()).map(({ operator, key }) => [operator, key])).toEqual([
      ['map', undefined],
      ['flatMap', undefined],
      ['sums', 'a'],
      ['map', undefined],
      ['flatMap', undefined],
      ['sums', 'c'],
    ])
    expect(await t.counters()).toMatchObject({ records: 6, deadLettered: 6 })
    await t.close()
  })

  it('in one of several aggregates leaves none of them changed', async () => {
    const summing = job('summing', ({ source, sink }) => {
      source('items', Item)
        .keyBy((item) => item.key)
        .window(tumbling(10))
        .aggregate('all', {
          n: count(),
          mean: mean((item) => item.n),
          checked: sum((item) => {
            refuse(item.n)
            return item.n
          }),
        })
        .map(({ value: { n, mean: average, checked } }) => [n, average, checked])
        .to(sink('out'))
    })
    const t = await testJob(summing, { operators: { all: setAside } })
    for (const n of [2, -100, 4]) t.push('items', { key: 'a', n, timestamp: 0 })
    t.endInput('items')
    expect(await t.output('out')).toEqual([[2, 3, 6]])
    await t.close()
  })

  it('that comes right at a later attempt is as if it had never failed', async () => {
    let left = 2
    const flaky = job('flaky', ({ source, sink }) => {
      source('items', Item)
        .map(({ n }) => {
          if (left-- > 0) throw new Error('not yet')
          return n
        })
        .to(sink('out'))
    })
    const t = await testJob(flaky, { operators: { 'map#1': setAside } })
    t.push('items', { key: 'a', n: 7, timestamp: 0 })
    expect(await t.output('out')).toEqual([7])
    expect(await t.deadLetters()).toEqual([])
    await t.close()
  })
})

describe('a result that cannot be written down', () => {
  const odd = job('odd', ({ source, sink }) => {
    source('items', z.object({ n: z.number(), timestamp: z.number() }))
      .map(({ n }) => (n < 0 ? { n: BigInt(n) } : { n }))
      .to(sink('out'))
  })

  it('fails the job and names the sink and the place', async () => {
    const t = await testJob(odd)
    t.push('items', { n: 1, timestamp: 0 }, { n: -1, timestamp: 0 })
    await expect(t.settled()).rejects.toThrow(/at items#2 cannot be written to the sink 'out'/)
    await t.close()
  })
})
