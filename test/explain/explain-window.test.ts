/** Why a window has not fired: a scenario for each cause that users meet, in whole jobs. */
import { describe, expect, it } from 'vitest'
import {
  count,
  countWindow,
  globalWindow,
  job,
  never,
  onCount,
  onProcessingTime,
  session,
  sliding,
  sum,
  tumbling,
  watermarks,
  type WindowSpec,
} from 'millrace'
import { testJob, type TestEventTime, type TestJob, type TestOptions } from 'millrace/testing'
import * as z from 'zod'

const NOW = Date.UTC(2026, 0, 1)
const Hit = z.object({ key: z.string(), timestamp: z.number() })
type Hit = z.infer<typeof Hit>

/** Seconds behind the start of the clock, in a record. */
const hitAt = (seconds: number, key = 'a'): Hit => ({ key, timestamp: NOW + seconds * 1_000 })
const at = (seconds: number): number => NOW + seconds * 1_000
const text = (seconds: number): string => new Date(at(seconds)).toISOString()

const counting = job('counting', ({ source, sink }) => {
  source('web', Hit)
    .union(source('app', Hit))
    .filter(({ key }) => key !== 'dropped', { name: 'no-drops' })
    .keyBy((hit) => hit.key)
    .window(tumbling('10s'))
    .aggregate('hits', { n: count() })
    .to(sink('hits'))
})

const both = (web: TestEventTime, app: TestEventTime = web): TestOptions => ({
  now: NOW,
  eventTime: { web, app },
})

const BOUND: TestEventTime = { outOfOrder: '2s', idleAfter: '30s' }

/** The sentences as one text. */
const saying = (t: {
  readonly because: readonly string[]
  readonly toDo: readonly string[]
}): string => [...t.because, ...t.toDo].join('\n')

async function opened(options: TestOptions, definition = counting): Promise<TestJob> {
  return testJob(definition, options)
}

describe('a window waits for', () => {
  it('an input that has fallen silent', async () => {
    const t = await opened(both(BOUND))
    t.push('web', hitAt(1), hitAt(40))
    t.push('app', hitAt(2))
    t.advanceClock('20s')
    t.push('web', hitAt(41))
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({
      verdict: 'waits',
      cause: 'silent input',
      holder: 'app/0',
      firesAt: at(10) - 1,
      watermark: at(0) - 1,
      window: { start: at(0), end: at(10), contents: [2] },
    })
    expect(why.inputs.map(({ input, state }) => [input, state])).toEqual([
      ['web/0', 'read'],
      ['app/0', 'silent'],
    ])
    expect(saying(why)).toContain(
      `app/0 has had no record since ${text(0)} (20 s of silence). After 30 s of silence (idleAfter) it is left out (in 10 s); then the watermark comes to ${new Date(at(39) - 1).toISOString()} and the window fires.`,
    )
    t.advanceClock('10s')
    expect(await t.explainWindow('hits', 'a', at(5))).toMatchObject({ verdict: 'over' })
    expect(await t.output('hits')).toHaveLength(1)
    // The silence of the app is over time that did not make anything fire, and is not in a commit.
    t.push('web', hitAt(55))
    const later = await t.explainWindow('hits', 'a', at(55))
    expect(later.inputs.map(({ state }) => state)).toEqual(['read', 'idle'])
    await t.close()
  })

  it('an input that is never taken for idle', async () => {
    const t = await opened(both({ outOfOrder: 0 }))
    t.push('web', hitAt(1), hitAt(40))
    t.push('app', hitAt(2))
    t.advanceClock('1d')
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({ cause: 'silent input', holder: 'app/0' })
    expect(saying(why)).toContain('It is never taken for idle')
    expect(saying(why)).toContain('Set sources.app.eventTime.idleAfter')
    await t.close()
  })

  it('the only input that moves time, though it will be idle', async () => {
    const t = await testJob(windowed(tumbling('10s')), ONE)
    t.push('web', hitAt(1), hitAt(5))
    t.advanceClock('10s')
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({ cause: 'silent input', holder: 'web/0' })
    expect(saying(why)).toContain('then time stays where it is, for nobody else moves it')
    expect(saying(why)).toContain('sources.web.eventTime.whenIdle: advance')
    await t.close()
  })

  it('the last input that is not idle, behind which time is further', async () => {
    const t = await opened(both(BOUND))
    t.push('web', hitAt(40))
    t.advanceClock('20s')
    t.push('app', hitAt(2))
    t.advanceClock('15s')
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why.inputs.map(({ state }) => state)).toEqual(['idle', 'silent'])
    expect(saying(why)).toContain('is left out (in 15 s); then the watermark comes to')
    t.advanceClock('15s')
    expect(await t.output('hits')).toHaveLength(1)
    await t.close()
  })

  it('an empty partition', async () => {
    const t = await opened(both(BOUND))
    t.push('web', hitAt(1), hitAt(40))
    t.advanceClock('10s')
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({ verdict: 'waits', cause: 'empty input', holder: 'app/0' })
    expect(saying(why)).toContain('app/0 has never had a record; it has been listened to for 10 s')
    await t.close()
  })

  it('anybody at all, when all inputs are idle', async () => {
    const t = await opened(both(BOUND))
    t.push('web', hitAt(1), hitAt(5))
    t.push('app', hitAt(2))
    t.advanceClock('1m')
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({ verdict: 'waits', cause: 'all idle', watermark: at(3) - 1 })
    expect(why.holder).toBeUndefined()
    expect(saying(why)).toContain('If no record comes, the window never fires.')
    expect(saying(why)).toContain('sources.web.eventTime.whenIdle: advance')
    await t.close()
  })

  it('a bound that is larger than it has to be', async () => {
    const t = await opened(both({ outOfOrder: '1h', idleAfter: '30s' }))
    for (const source of ['web', 'app']) {
      t.push(source, hitAt(1), hitAt(60), hitAt(59))
      for (let i = 0; i < 100; i++) t.push(source, hitAt(500 + i))
      t.push(source, hitAt(600))
    }
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({ verdict: 'waits', cause: 'bound' })
    expect(saying(why)).toContain('it is the bound that makes the window wait')
    expect(saying(why)).toContain(
      `A record of web with a time of ${text(3_610)} or later moves the watermark there.`,
    )
    expect(saying(why)).toMatch(/outOfOrder: 1s would do/)
    await t.close()
  })

  it('an input whose records are set aside, for their times are seconds', async () => {
    const t = await opened(both({ ...BOUND, minTime: Date.UTC(1990, 0, 1) }))
    t.push('web', hitAt(1), hitAt(40))
    t.push('app', hitAt(2))
    t.push('app', { key: 'a', timestamp: NOW / 1_000 }, { key: 'a', timestamp: NOW / 1_000 + 9 })
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({ cause: 'records set aside', holder: 'app/0' })
    expect(why.inputs[1]?.setAside).toEqual({ 'before minTime': 2 })
    expect(saying(why)).toContain('app/0 has set aside 2 records (before minTime)')
    expect(saying(why)).toContain('sources.app.eventTime.unit: s')
    t.push('app', hitAt(3))
    expect(await t.explainWindow('hits', 'a', at(5))).toMatchObject({ cause: 'slow input' })
    await t.close()
  })

  it('an input that waits for another of its group', async () => {
    const alignment = { maxDrift: '20s' }
    const t = await opened(
      {
        ...both({ outOfOrder: 0 }),
        batchRecordsMax: 1,
        eventTime: {
          web: { outOfOrder: 0, alignment },
          app: { outOfOrder: 0, alignment },
        },
      },
      job('apart', ({ source, sink }) => {
        const sums = source('web', Hit)
          .keyBy((hit) => hit.key)
          .window(tumbling('1m'))
          .aggregate('hits', { n: count() })
        sums.to(sink('hits'))
        source('app', Hit).to(sink('apps'))
      }),
    )
    t.push('app', hitAt(0))
    t.push('web', hitAt(1), hitAt(25), hitAt(70))
    t.advanceClock('5s')
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({ verdict: 'waits', cause: 'alignment', holder: 'web/0' })
    expect(why.inputs[0]).toMatchObject({ state: 'paused', waitsFor: 'app/0' })
    expect(saying(why)).toContain(
      `web/0 is not read: it is more than 20 s ahead of app/0, the slowest of the group 'default'`,
    )
    expect(saying(why)).toContain(`The largest time of app/0 is ${text(0)}`)
    await t.close()
  })

  it('a join upstream that holds time back', async () => {
    const joined = job('joined', ({ source, sink }) => {
      const clicks = source('app', Hit).keyBy((hit) => hit.key)
      source('web', Hit)
        .keyBy((hit) => hit.key)
        .leftJoin('join', clicks, { within: ['0s', '10m'], time: 'left' }, (left) => left)
        .window(tumbling('10s'))
        .aggregate('hits', { n: count() })
        .to(sink('hits'))
    })
    const t = await opened(both({ outOfOrder: 0 }), joined)
    t.push('web', hitAt(1))
    t.push('app', hitAt(2))
    t.push('web', hitAt(60))
    t.push('app', hitAt(60))
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({
      verdict: 'waits',
      cause: 'hold-back',
      watermark: at(60) - 600_000 - 1,
    })
    expect(saying(why)).toContain(
      `Operator 'join' (left join within 0 to 600000 ms, at left time) before it holds time back by 10 m`,
    )
    expect(saying(why)).toContain(`a time of ${text(610)} or later`)
    // It is so.
    t.push('web', hitAt(610))
    t.push('app', hitAt(610))
    expect(await t.output('hits')).toHaveLength(1)
    await t.close()
  })

  it('time behind another operator, which goes on as its inputs fall silent', async () => {
    const layered = job('layered', ({ source, sink }) => {
      source('web', Hit)
        .union(source('app', Hit))
        .keyBy((hit) => hit.key)
        .window(tumbling('10s'))
        .aggregate('hits', { n: count() })
        .keyBy(({ key }) => key)
        .window(tumbling('1m'))
        .aggregate('minutes', { n: count() })
        .to(sink('minutes'))
    })
    const t = await opened(both({ ...BOUND, outOfOrder: 0 }), layered)
    t.push('app', hitAt(2))
    t.push('web', hitAt(3), hitAt(12))
    t.push('app', hitAt(12))
    t.push('web', hitAt(18))
    t.advanceClock('20s')
    t.push('web', hitAt(19))
    const before = await t.explainWindow('minutes', 'a', at(5))
    expect(before).toMatchObject({ verdict: 'waits', holder: 'app/0', watermark: at(12) - 1 })
    // Nothing fires, and nothing is committed.
    t.advanceClock('10s')
    const behind = await t.explainWindow('minutes', 'a', at(5))
    expect(behind.epoch).toBe(before.epoch)
    expect(behind).toMatchObject({ verdict: 'waits', holder: 'web/0', watermark: at(19) - 1 })
    await t.close()
  })

  it("the source's own watermarks", async () => {
    const own = watermarks<Hit, object>({ init: () => ({}), onRecord: () => undefined })
    const t = await opened(
      { now: NOW },
      job('own', ({ source, sink }) => {
        source('web', Hit, { watermark: own })
          .keyBy((hit) => hit.key)
          .window(tumbling('10s'))
          .aggregate('hits', { n: count() })
          .to(sink('hits'))
      }),
    )
    t.push('web', hitAt(1), hitAt(50))
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({ cause: 'own watermarks', holder: 'web/0' })
    await t.close()
  })

  it('the end of a source that tells its time there only', async () => {
    const t = await opened({ now: NOW })
    t.push('web', hitAt(1), hitAt(50))
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({ cause: 'unordered' })
    t.endInput('web')
    t.endInput('app')
    expect(await t.explainWindow('hits', 'a', at(5))).toMatchObject({ cause: 'finished' })
    await t.close()
  })
})

// ── windows that do not wait for time ────────────────────────────────────────────────────────────

/** A job of one source whose windows are the test's. */
function windowed(windows: WindowSpec): ReturnType<typeof job> {
  return job('windowed', ({ source, sink }) => {
    source('web', Hit)
      .keyBy((hit) => hit.key)
      .window(windows)
      .aggregate('hits', { n: count(), total: sum((hit: Hit) => hit.timestamp - NOW) })
      .to(sink('hits'))
  })
}

const ONE: TestOptions = { now: NOW, eventTime: { web: { outOfOrder: 0, idleAfter: '30s' } } }

describe('a window that does not wait for time', () => {
  it('never fires with the trigger never()', async () => {
    const t = await testJob(windowed(globalWindow()), ONE)
    t.push('web', hitAt(1), hitAt(50))
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({ verdict: 'never', cause: 'never fires', window: { records: 2 } })
    await t.close()
    const u = await testJob(windowed(tumbling('10s').trigger(never())), ONE)
    u.push('web', hitAt(1))
    expect(await u.explainWindow('hits', 'a', at(5))).toMatchObject({ cause: 'never fires' })
    await u.close()
  })

  it('fires by count', async () => {
    const t = await testJob(windowed(countWindow(3)), ONE)
    t.push('web', hitAt(1), hitAt(50))
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({ verdict: 'waits', cause: 'count', window: { records: 2 } })
    expect(saying(why)).toContain('at each 3 records of the key: it holds 2 records')
    await t.close()
  })

  it('has a trigger that waits for no time', async () => {
    const windows = tumbling('10s').trigger(onCount(5))
    for (const each of [windows, windows.allowedLateness('5s')]) {
      const t = await testJob(windowed(each), ONE)
      t.push('web', hitAt(1))
      const why = await t.explainWindow('hits', 'a', at(5))
      expect(why).toMatchObject({ verdict: 'waits', cause: 'trigger' })
      expect(saying(why)).toContain('Its trigger onCount(5) waits for no time')
      await t.close()
    }
  })

  it('follows the clock', async () => {
    for (const windows of [
      tumbling('10s', { clock: 'processing' }),
      tumbling('10s').trigger(onProcessingTime()),
    ]) {
      const t = await testJob(windowed(windows), ONE)
      t.push('web', hitAt(4))
      const why = await t.explainWindow('hits', 'a', at(4))
      expect(why).toMatchObject({ verdict: 'waits', cause: 'clock', firesAt: at(10) - 1 })
      expect(saying(why)).toContain('in 9 s 999 ms')
      await t.close()
    }
  })
})

describe('a window that is empty', () => {
  it('since a filter dropped everything', async () => {
    const t = await opened(both(BOUND))
    t.push('web', hitAt(1, 'dropped'))
    const why = await t.explainWindow('hits', 'dropped', at(5))
    expect(why).toMatchObject({ verdict: 'empty', cause: 'no records' })
    expect(saying(why)).toContain(`'hits' has no key at all`)
    expect(saying(why)).toContain(`Before 'hits' records pass no-drops, where they may be dropped.`)
    expect(saying(why)).toContain(`web/0 has taken in 1 record, up to the time ${text(1)}.`)
    await t.close()
  })

  it('since there is no such key', async () => {
    const t = await opened(both(BOUND))
    t.push('web', hitAt(1))
    const why = await t.explainWindow('hits', 'A', at(5))
    expect(why).toMatchObject({ verdict: 'empty', cause: 'no records' })
    expect(saying(why)).toContain(`'hits' has nothing of this key, and has other keys.`)
    const other = await t.explainWindow('hits', 'a', at(25))
    expect(saying(other)).toContain(
      `Open windows of the key, the nearest first: ${text(0)} to ${text(10)}.`,
    )
    await t.close()
  })

  it('since its records were too far ahead, and were set aside', async () => {
    const t = await opened(both({ ...BOUND, maxAhead: '1h' }))
    t.push('web', hitAt(86_400))
    const why = await t.explainWindow('hits', 'a', at(86_405))
    expect(why).toMatchObject({ verdict: 'empty', cause: 'records set aside' })
    expect(saying(why)).toContain('web/0 has set aside 1 record (beyond maxAhead)')
    expect(saying(why)).toContain('raise sources.web.eventTime.maxAhead')
    expect(await t.deadLetters()).toHaveLength(1)
    await t.close()
  })

  it('since no session of the key holds the time', async () => {
    for (const windows of [session('10s'), session('10s', { maxLength: '1h' })]) {
      const t = await testJob(windowed(windows), ONE)
      t.push('web', hitAt(1), hitAt(5))
      expect(await t.explainWindow('hits', 'a', at(14))).toMatchObject({
        verdict: 'waits',
        window: { start: at(1), end: at(15) },
        firesAt: at(15) - 1,
      })
      const why = await t.explainWindow('hits', 'a', at(20))
      expect(why).toMatchObject({ verdict: 'empty', window: undefined })
      expect(saying(why)).toContain(`Open windows of the key, the nearest first: ${text(1)}`)
      await t.close()
    }
  })

  it('since the windows leave it out', async () => {
    const t = await testJob(windowed(sliding('5s', { every: '10s' })), ONE)
    t.push('web', hitAt(1))
    const why = await t.explainWindow('hits', 'a', at(7))
    expect(why).toMatchObject({ verdict: 'empty', cause: 'between windows' })
    await t.close()
  })
})

describe('a window that has fired', () => {
  it('still takes records, within its allowed lateness', async () => {
    for (const windows of [
      tumbling('10s').allowedLateness('1m'),
      tumbling('10s').allowedLateness('1m').discarding(),
    ]) {
      const t = await testJob(windowed(windows), ONE)
      t.push('web', hitAt(1), hitAt(20))
      expect(await t.output('hits')).toHaveLength(1)
      const why = await t.explainWindow('hits', 'a', at(5))
      expect(why).toMatchObject({ verdict: 'fired', cause: 'fired', window: { results: 1 } })
      expect(saying(why)).toContain(
        `until the watermark comes to ${new Date(at(70) - 1).toISOString()}`,
      )
      await t.close()
    }
  })

  it('takes no records any more, and counts them as late', async () => {
    const t = await opened(both(BOUND))
    t.push('web', hitAt(1), hitAt(60))
    t.push('app', hitAt(60))
    t.push('web', hitAt(2))
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({ verdict: 'over', cause: 'late' })
    expect(saying(why)).toContain('The job has counted 1 record that came too late')
    await t.close()
  })

  it('too early, for a record had a time in the future', async () => {
    const t = await testJob(windowed(tumbling('10s')), ONE)
    t.push('web', hitAt(400 * 86_400), hitAt(1))
    const why = await t.explainWindow('hits', 'a', at(5))
    expect(why).toMatchObject({ verdict: 'over', cause: 'time ahead of clock' })
    expect(saying(why)).toContain('which is 400 d ahead of the clock')
    expect(saying(why)).toContain('Lower sources.web.eventTime.maxAhead')
    await t.close()
  })
})

describe('sliding windows', () => {
  it('are told by the first that time has not passed, with all slices that are in it', async () => {
    const t = await testJob(windowed(sliding('10s', { every: '2s' })), ONE)
    t.push('web', hitAt(1), hitAt(3), hitAt(4), hitAt(5))
    const why = await t.explainWindow('hits', 'a', at(4))
    expect(why).toMatchObject({
      verdict: 'waits',
      window: { start: at(-4), end: at(6) },
      firesAt: at(6) - 1,
    })
    expect(why.window?.contents).toHaveLength(3)
    expect(saying(why)).toContain('The time is in 5 windows; this is the first that time has')
    await t.close()
  })
})

describe('windows of other operators', () => {
  it('are those of joins, of two inputs', async () => {
    const joined = job('joined', ({ source, sink }) => {
      const clicks = source('app', Hit).keyBy((hit) => hit.key)
      source('web', Hit)
        .keyBy((hit) => hit.key)
        .windowJoin('pairs', clicks, tumbling('10s'), {}, (left) => left)
        .to(sink('pairs'))
    })
    const t = await opened(both(BOUND), joined)
    t.push('web', hitAt(1), hitAt(40))
    const why = await t.explainWindow('pairs', 'a', at(5))
    expect(why).toMatchObject({ cause: 'empty input', holder: 'app/0', window: { records: 1 } })
    await t.close()
  })

  it('are those over all keys, under the empty key', async () => {
    const all = job('all', ({ source, sink }) => {
      source('web', Hit)
        .windowAll(tumbling('10s'))
        .aggregate('hits', { n: count() })
        .to(sink('hits'))
    })
    const t = await testJob(all, ONE)
    t.push('web', hitAt(1))
    const why = await t.explainWindow('hits', '', at(5))
    expect(why).toMatchObject({ verdict: 'waits', window: { contents: [1] } })
    await t.close()
  })
})

describe('an explanation', () => {
  it('is for operators that keep windows', async () => {
    const t = await opened(both(BOUND))
    await expect(t.explainWindow('hist', 'a', 0)).rejects.toThrow(
      `job 'counting' has no operator 'hist' that keeps windows; hits do`,
    )
    await t.close()
  })

  it('is the same behind a crash', async () => {
    const t = await opened(both(BOUND))
    t.push('web', hitAt(1), hitAt(40))
    t.push('app', hitAt(2))
    const before = await t.explainWindow('hits', 'a', at(5))
    t.kill()
    const behind = await t.explainWindow('hits', 'a', at(5))
    expect(behind).toEqual({ ...before, epoch: behind.epoch })
    await t.close()
  })
})
