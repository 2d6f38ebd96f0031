/** Silent sources, late records and restarts, in whole jobs. */
import { describe, expect, it } from 'vitest'
import { count, job, tumbling, UserCodeError, watermarks } from 'millrace'
import { testJob, type TestEventTime, type TestJob } from 'millrace/testing'
import * as z from 'zod'

const Hit = z.object({ key: z.string(), timestamp: z.number() })

const counting = job('counting', ({ source, sink }) => {
  const hits = source('web', Hit)
    .union(source('app', Hit))
    .keyBy((hit) => hit.key)
    .window(tumbling(10))
    .aggregate('hits', { n: count() })
  hits.map(({ key, value: { n }, window }) => `${key} ${n} @${window.start}`).to(sink('hits'))
  hits.late.map((hit) => hit.timestamp).to(sink('late'))
})

const hitAt = (timestamp: number): z.infer<typeof Hit> => ({ key: 'a', timestamp })

const both = (eventTime: TestEventTime): { eventTime: Record<string, TestEventTime> } => ({
  eventTime: { web: eventTime, app: eventTime },
})

const DEATHS = ['settled', 'crash', 'kill', 'reopen'] as const

describe('a stream that is idle', () => {
  const options = both({ outOfOrder: 0, idleAfter: '30s' })

  /** The web is at 100; the app was at 20 and has been silent since. */
  async function idleApp(): Promise<TestJob> {
    const t = await testJob(counting, options)
    t.push('app', hitAt(20))
    t.push('web', hitAt(21))
    t.advanceClock('20s')
    t.push('web', hitAt(100))
    t.advanceClock('10s')
    expect(await t.output('hits')).toEqual(['a 2 @20'])
    return t
  }

  it.each(DEATHS)('does not hold time back anew after a restart (I5): %s', async (death) => {
    const t = await idleApp()
    await t[death]()
    t.push('web', hitAt(25))
    expect(await t.output('late')).toEqual([25])
    t.push('web', hitAt(200))
    t.push('app', hitAt(30))
    expect(await t.output('late')).toEqual([25, 30])
    t.push('web', hitAt(300))
    t.advanceClock('1m')
    expect(await t.output('hits')).toEqual(['a 2 @20', 'a 1 @100', 'a 1 @200'])
    await t.close()
  })

  it.each(DEATHS)('comes back and counts once it has caught up: %s', async (death) => {
    const t = await idleApp()
    t.push('app', hitAt(50))
    await t[death]()
    // It is behind what has passed, and nobody waits for it.
    t.push('web', hitAt(120))
    expect(await t.output('hits')).toEqual(['a 2 @20', 'a 1 @100'])
    t.push('app', hitAt(125))
    await t[death]()
    t.push('web', hitAt(190))
    expect(await t.output('late')).toEqual([50])
    expect(await t.output('hits')).toHaveLength(2)
    t.push('app', hitAt(131))
    expect(await t.output('hits')).toEqual(['a 2 @20', 'a 1 @100', 'a 2 @120'])
    await t.close()
  })

  it('and one that has ended do not bring the end of time', async () => {
    const t = await testJob(counting, options)
    t.push('app', hitAt(20))
    t.push('web', hitAt(25))
    t.endInput('web')
    t.advanceClock('1h')
    expect(await t.output('hits')).toEqual([])
    t.push('app', hitAt(27), hitAt(31))
    expect([await t.output('hits'), await t.output('late')]).toEqual([['a 3 @20'], []])
    t.endInput('app')
    expect(await t.finished()).toBe(true)
    await t.close()
  })
})

describe('time at every place of a job', () => {
  /** Windows of both sources, and larger windows of their results. */
  const layered = job('layered', ({ source, sink }) => {
    const small = (name: string) =>
      source(name, Hit)
        .keyBy(({ key }) => key)
        .window(tumbling(10))
        .aggregate(`${name}-small`, { n: count() })
    const large = small('web')
      .union(small('app'))
      .keyBy(({ key }) => key)
      .window(tumbling(100))
      .aggregate('large', { n: count() })
    large.map(({ value: { n }, window }) => `${n} @${window.start}`).to(sink('hits'))
    large.late.map(({ window }) => window.start).to(sink('late'))
  })

  it.each(DEATHS)('is the same after a restart (I5): %s', async (death) => {
    const t = await testJob(layered, both({ outOfOrder: 0 }))
    t.push('app', hitAt(5), hitAt(150))
    t.push('web', hitAt(7), hitAt(950))
    await t[death]()
    expect(await t.output('hits')).toEqual(['2 @0'])
    // The web is far ahead, and what comes of the app is not late for that.
    t.push('web', hitAt(1_250))
    await t[death]()
    t.push('app', hitAt(160), hitAt(170))
    t.push('web', hitAt(1_260))
    await t[death]()
    t.push('app', hitAt(1_300))
    expect(await t.output('late')).toEqual([])
    expect(await t.output('hits')).toEqual(['2 @0', '3 @100', '1 @900'])
    await t.close()
  })

  it.each(DEATHS)('is that of a union of an idle stream and a third: %s', async (death) => {
    const three = job('three', ({ source, sink }) => {
      const [web, app, tv] = [source('web', Hit), source('app', Hit), source('tv', Hit)]
      const hits = web
        .union(app)
        .union(tv)
        .keyBy(({ key }) => key)
        .window(tumbling(10))
        .aggregate('hits', { n: count() })
      hits.map(({ value: { n }, window }) => `${n} @${window.start}`).to(sink('hits'))
      hits.late.map(({ timestamp }) => timestamp).to(sink('late'))
    })
    const eventTime = { outOfOrder: 0, idleAfter: '30s' }
    const t = await testJob(three, { eventTime: { web: eventTime, app: eventTime, tv: eventTime } })
    t.push('app', hitAt(10))
    t.advanceClock('20s')
    t.push('web', hitAt(100))
    t.push('tv', hitAt(50))
    t.advanceClock('10s')
    expect(await t.output('hits')).toEqual(['1 @10'])
    await t[death]()
    // The web holds the tv back, idle as the app was.
    t.push('tv', hitAt(200))
    t.push('web', hitAt(115))
    expect(await t.output('late')).toEqual([])
    expect(await t.output('hits')).toEqual(['1 @10', '1 @50', '1 @100'])
    await t.close()
  })
})

describe('a stream that is idle and goes on with the clock', () => {
  const eventTime: TestEventTime = { outOfOrder: '1s', idleAfter: '30s', whenIdle: 'advance' }

  it.each(DEATHS)('fires windows as time passes, and they stay fired: %s', async (death) => {
    const t = await testJob(counting, both(eventTime))
    t.push('web', hitAt(5), hitAt(30_000))
    t.push('app', hitAt(7))
    t.advanceClock('30s')
    expect(await t.output('hits')).toEqual(['a 2 @0'])
    await t[death]()
    t.push('web', hitAt(8))
    expect(await t.output('late')).toEqual([8])
    // Each input is silent for 30 s first, and then as far as the clock less the bound.
    t.advanceClock('32s')
    expect(await t.output('hits')).toEqual(['a 2 @0', 'a 1 @30000'])
    await t[death]()
    t.push('app', hitAt(30_005))
    expect(await t.output('late')).toEqual([8, 30_005])
    await t.close()
  })
})

describe("a source's own watermarks", () => {
  const punctuated = job('punctuated', ({ source, sink }) => {
    const Marked = Hit.extend({ upTo: z.number().optional() })
    const hits = source('web', Marked, { watermark: ({ upTo }) => upTo })
      .keyBy((hit) => hit.key)
      .window(tumbling(10))
      .aggregate('hits', { n: count() })
    hits.map(({ value: { n }, window }) => `${n} @${window.start}`).to(sink('hits'))
    hits.late.map((hit) => hit.timestamp).to(sink('late'))
  })

  it.each(DEATHS)('are carried by its records: %s', async (death) => {
    const t = await testJob(punctuated)
    t.push('web', hitAt(1), hitAt(500))
    await t[death]()
    t.push('web', hitAt(2), { ...hitAt(30), upTo: 8 }, hitAt(9))
    expect(await t.output('hits')).toEqual([])
    await t[death]()
    t.push('web', { ...hitAt(30), upTo: 9 }, hitAt(3))
    expect([await t.output('hits'), await t.output('late')]).toEqual([['3 @0'], [3]])
    await t.close()
  })

  it('that are no times, or too far ahead, are set aside with their records', async () => {
    const t = await testJob(punctuated, { eventTime: { web: { maxAhead: '1s' } } })
    t.push('web', { ...hitAt(1), upTo: Number.NaN }, { ...hitAt(2), upTo: 1_001 }, hitAt(3))
    t.push('web', { ...hitAt(4), upTo: Number.NEGATIVE_INFINITY }, { ...hitAt(20), upTo: 1_000 })
    const reasons = (await t.deadLetters()).map(({ reason }) => reason)
    expect(reasons).toEqual([
      expect.stringMatching(/upTo|no usable watermark: NaN/),
      "no usable watermark: it is 1001 ms ahead of the message's time in the log; maxAhead is 1000 ms",
      expect.stringMatching(/upTo|no usable watermark: -Infinity/),
    ])
    expect(await t.output('hits')).toEqual(['1 @0', '1 @20'])
    await t.close()
  })

  it('that throw end the job, and the error names the source and the place', async () => {
    const failing = job('failing', ({ source, sink }) => {
      source('web', Hit, {
        watermark: () => {
          throw new Error('no idea')
        },
      }).to(sink('out'))
    })
    const t = await testJob(failing)
    t.push('web', hitAt(1))
    const failure = t.settled()
    await expect(failure).rejects.toThrow(UserCodeError)
    await expect(failure).rejects.toThrow("the watermarks of source 'web' failed at web#1: no idea")
    await t.close()
  })

  it.each(DEATHS)('keep their state with the position: %s', async (death) => {
    // Ten records behind the newest are waited for, whatever time they take.
    const tenBehind = job('ten-behind', ({ source, sink }) => {
      const own = watermarks({
        init: () => ({ newest: [] as number[] }),
        onRecord(state, _hit: z.infer<typeof Hit>, time) {
          state.newest = [...state.newest, time].toSorted((a, b) => b - a).slice(0, 3)
          return state.newest.length === 3 ? state.newest.at(-1) : undefined
        },
      })
      source('web', Hit, { watermark: own })
        .keyBy((hit) => hit.key)
        .window(tumbling(10))
        .aggregate('hits', { n: count() })
        .map(({ value: { n }, window }) => `${n} @${window.start}`)
        .to(sink('hits'))
    })
    const t = await testJob(tenBehind)
    const seen: number[] = []
    for (const time of [1, 20, 5, 21, 22, 31, 32, 33]) {
      t.push('web', hitAt(time))
      await t[death]()
      seen.push((await t.output('hits')).length)
    }
    // The third newest: -, -, 1, 5, 20, 21, 22, 31.
    expect(seen).toEqual([0, 0, 0, 0, 1, 1, 1, 2])
    expect(await t.output('hits')).toEqual(['2 @0', '3 @20'])
    await t.close()
  })
})

describe('bounds of time', () => {
  it('are those of each source', async () => {
    const t = await testJob(counting, {
      now: 1_000,
      eventTime: {
        web: { maxAhead: 100, minTime: 500, outOfOrder: 0 },
        app: { maxAhead: 5_000, outOfOrder: 0 },
      },
    })
    for (const source of ['web', 'app'])
      t.push(source, hitAt(1_100), hitAt(1_101), hitAt(499), hitAt(500))
    expect((await t.deadLetters()).map(({ source, text }) => [source, text])).toEqual([
      ['web', '{"key":"a","timestamp":1101}'],
      ['web', '{"key":"a","timestamp":499}'],
    ])
    expect(await t.counters()).toMatchObject({ records: 6, deadLettered: 2 })
    await t.close()
  })
})
