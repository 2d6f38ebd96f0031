/** What an interval join says of bad settings, and what it does when its function fails. */
import { describe, expect, it } from 'vitest'
import { job, tumbling, count, type JobDefinition } from 'millrace'
import { testJob } from 'millrace/testing'
import * as z from 'zod'
import { randomFrom } from '../../support/random.ts'
import {
  holdBackOf,
  intervalJoin,
  type IntervalOptions,
} from '../../../operators/join/interval-join.ts'

const Row = z.object({ key: z.string(), timestamp: z.number(), n: z.number() })
type Row = z.infer<typeof Row>

const row = (timestamp: number, n: number, key = 'k'): Row => ({ key, timestamp, n })

const left = (
  options: IntervalOptions,
  join: (l: Row, r: Row | undefined) => unknown,
): JobDefinition =>
  job('joining', ({ source, sink }) => {
    source('left', Row)
      .keyBy(({ key }) => key)
      .leftJoin(
        'join',
        source('right', Row).keyBy(({ key }) => key),
        { ...options, onError: { deadLetterAfter: 2 } },
        join,
      )
      .to(sink('out'))
  })

describe('the settings of an interval join', () => {
  it.each([
    [{ within: ['1s', '0s'] }, /join 'j': no time is within 1s and 0s; the lower end comes first/],
    [{ within: [0, 1], exclusive: 'both' }, /no time is within 0 and 1 without its ends/],
    [{ within: [0, 0], exclusive: 'upper' }, /without its upper end/],
    [{ within: ['soon', '1s'] }, /join 'j', lower end: "soon" is not a duration/],
    [{ within: [0, 0.5] }, /join 'j', upper end: 0.5 is not a duration/],
    [{ within: [0, Infinity] }, /join 'j', upper end/],
    [{ within: [0] }, /within takes a lower and an upper end/],
    [{ within: [0, 1], kind: 'full' }, /the kind "full" is none of inner, left, right, outer/],
    [{ within: [0, 1], time: 'min' }, /the result time "min" is none of left, right, max/],
    [{ within: [0, 1], exclusive: 'all' }, /exclusive "all" is none of lower, upper, both/],
  ])('%j are refused where the job is defined', (options, message) => {
    expect(() => intervalJoin('j', options as never)).toThrow(message)
    expect(() => intervalJoin('j', options as never)).toThrow(RangeError)
  })

  it.each([
    ['inner', 'max', 0],
    ['inner', 'left', 9],
    ['inner', 'right', 4],
    ['left', 'max', 9],
    ['left', 'right', 9],
    ['right', 'max', 4],
    ['right', 'left', 9],
    ['outer', 'max', 9],
  ] as const)('%s at %s time hold back by %d', (kind, time, holdBackMs) => {
    expect(holdBackOf({ lowerMs: -4, upperMs: 9, kind, time })).toBe(holdBackMs)
  })

  it('hold back nothing where partners are always earlier', () => {
    expect(holdBackOf({ lowerMs: -9, upperMs: -4, kind: 'left', time: 'left' })).toBe(0)
    expect(holdBackOf({ lowerMs: 4, upperMs: 9, kind: 'right', time: 'right' })).toBe(0)
  })
})

describe('a left record without a partner', () => {
  it('leaves as soon as none can come, with its own time', async () => {
    const t = await testJob(left({ within: [0, 10] }, (l, r) => [l.n, r?.n ?? null]))
    t.push('left', row(5, 1), row(6, 2))
    t.push('right', row(7, 3), row(15, 4))
    t.advanceWatermark('left', 100)
    t.advanceWatermark('right', 14)
    expect(await t.output('out')).toEqual([
      [1, 3],
      [2, 3],
      [1, 4],
      [2, 4],
    ])
    t.push('left', row(101, 5))
    t.advanceWatermark('left', 110)
    t.advanceWatermark('right', 110)
    expect((await t.output('out')).slice(4)).toEqual([])
    t.crash()
    t.advanceWatermark('right', 111)
    expect((await t.output('out')).slice(4)).toEqual([])
    t.advanceWatermark('left', 111)
    expect((await t.output('out')).slice(4)).toEqual([[5, null]])
    expect(await t.state('join', 'k')).toBeUndefined()
    await t.close()
  })

  it('leaves at once when its partners would have been earlier', async () => {
    const t = await testJob(left({ within: [-5, -2] }, (l, r) => [l.n, r?.n ?? null]))
    t.advanceWatermark('left', 10)
    t.advanceWatermark('right', 10)
    t.push('left', row(11, 1), row(12, 2), row(13, 3))
    expect(await t.output('out')).toEqual([
      [1, null],
      [2, null],
    ])
    await t.close()
  })

  it('is on time for a window of its own time behind the join', async () => {
    const t = await testJob(
      job('counted', ({ source, sink }) => {
        const clicks = source('right', Row).keyBy(({ key }) => key)
        source('left', Row)
          .keyBy(({ key }) => key)
          .leftJoin('join', clicks, { within: [0, 100], time: 'left' }, (_, r) => r !== undefined)
          .keyBy((isClicked) => String(isClicked))
          .window(tumbling(10))
          .aggregate('counted', { n: count() })
          .map(({ key, value: { n }, window }) => [window.start, key, n])
          .to(sink('out'))
      }),
    )
    t.push('left', row(1, 1, 'a'), row(2, 2, 'b'), row(12, 3, 'c'))
    t.push('right', row(90, 4, 'b'))
    t.advanceWatermark('left', 108)
    t.advanceWatermark('right', 108)
    expect(await t.output('out')).toEqual([])
    t.advanceWatermark('left', 109)
    t.advanceWatermark('right', 109)
    expect(await t.output('out')).toEqual([
      [0, 'true', 1],
      [0, 'false', 1],
    ])
    expect(await t.counters()).toMatchObject({ late: 0 })
    await t.close()
  })
})

describe('a function that fails in an interval join', () => {
  const failing = left({ within: [0, 10] }, (l, r) => {
    if (r?.n === 13 || l.n === 13) throw new Error('unlucky')
    if (r?.n === 14) return undefined
    if (r?.n === 15) return Promise.reject(new Error('lost'))
    return [l.n, r?.n ?? null]
  })

  it('leaves nothing behind of the record it failed for', async () => {
    const t = await testJob(failing)
    t.push('left', row(1, 1), row(2, 2))
    t.push('right', row(3, 13), row(3, 14), row(3, 15), row(4, 6))
    t.crash()
    t.push('left', row(5, 13), row(6, 7, 'other'))
    t.endInput('left')
    t.endInput('right')
    expect(await t.output('out')).toEqual([
      [1, 6],
      [2, 6],
      [7, null],
    ])
    expect((await t.deadLetters()).map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/'join' failed: unlucky/),
      expect.stringMatching(/'join' failed: the function of the join returned nothing/),
      expect.stringMatching(/'join' failed: the function of the join returned a promise/),
      expect.stringMatching(/'join' failed: unlucky/),
    ])
    await t.close()
  })

  it('ends the job by default, with operator, key and place', async () => {
    const t = await testJob(
      job('failing', ({ source, sink }) => {
        const right = source('right', Row).keyBy(({ key }) => key)
        source('left', Row)
          .keyBy(({ key }) => key)
          .innerJoin('join', right, { within: [0, 10] }, () => undefined)
          .to(sink('out'))
      }),
    )
    t.push('left', row(1, 1))
    t.push('right', row(1, 1))
    await expect(t.settled()).rejects.toThrow(
      /operator 'join' failed for key "k" at right#1: the function of the join returned nothing/,
    )
    await t.close()
  })
})

describe('a key with many records', () => {
  it('keeps an entry a row, and gives the same after each crash', async () => {
    const t = await testJob(left({ within: [-50, 50] }, (l, r) => [l.n, r?.n ?? null]))
    const expected: [number, number | null][] = []
    for (let n = 0; n < 60; n++) {
      t.push('left', row(n, n))
      if (n % 10 === 9) t.crash()
    }
    t.advanceWatermark('left', 70)
    t.advanceWatermark('right', 70)
    for (let n = 0; n <= 20; n++) expected.push([n, null])
    expect(await t.output('out')).toEqual(expected)
    t.reopen()
    t.push('right', row(71, 1_000))
    for (let n = 21; n < 60; n++) expected.push([n, 1_000])
    t.kill()
    const results = await t.output<[number, number | null]>('out')
    expect(results).toEqual(expected)
    await t.close()
  })

  it('gives results in one order, whenever it commits, of keys with few records and with many', async () => {
    const Item = Row.extend({ side: z.enum(['left', 'right']) })
    const joining = job('joining', ({ source, sink }) => {
      const items = source('items', Item)
      const rights = items.filter(({ side }) => side === 'right').keyBy(({ key }) => key)
      items
        .filter(({ side }) => side === 'left')
        .keyBy(({ key }) => key)
        .outerJoin('join', rights, { within: [-20, 20] }, (l, r) => [l?.n ?? null, r?.n ?? null])
        .to(sink('out'))
    })
    const outputOf = async (records: number, batchRecordsMax: number): Promise<unknown[]> => {
      const t = await testJob(joining, { batchRecordsMax, commit: { every: '1h', records } })
      const random = randomFrom(7)
      for (let step = 0, now = 0; step < 60; step++, now += 3) {
        const items = Array.from({ length: 12 }, (_, n) => {
          // Half of all is of one key, more than a row takes; none of it meets a partner.
          const key = random() < 0.5 ? 'many' : `k${Math.floor(random() * 40)}`
          const side = key === 'many' || random() < 0.7 ? 'left' : 'right'
          // Several records a time, nearly always in order.
          const time = now + (random() < 0.05 ? 0 : Math.floor(n / 4))
          return { ...row(time, step * 100 + n, key), side }
        })
        t.push('items', ...items)
        t.advanceWatermark('items', now - 1)
      }
      t.endInput('items')
      const output = await t.output('out')
      await t.close()
      return output
    }
    const expected = await outputOf(1, 1)
    expect(expected.length).toBeGreaterThan(400)
    expect(await outputOf(7, 3)).toEqual(expected)
    expect(await outputOf(1_000_000, 2_048)).toEqual(expected)
  })
})
