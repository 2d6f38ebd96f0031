import { afterEach, describe, expect, it } from 'vitest'
import { actor, job, list, map, tumbling, UserCodeError, value } from 'millrace'
import { MOMENTS, testJob, Undecodable, type TestJob, type TestOptions } from 'millrace/testing'
import * as z from 'zod'
import latestRating from '../../jobs/latest-rating.ts'
import { ConfigError } from '../../runtime/errors.ts'
import type { JobDefinition } from '../../runtime/pipeline/job.ts'

const Seen = z.object({ userId: z.string(), film: z.number(), timestamp: z.number() })

const open: TestJob[] = []
const start = async (definition: JobDefinition, options?: TestOptions): Promise<TestJob> => {
  const t = await testJob(definition, options)
  open.push(t)
  return t
}
afterEach(async () => {
  for (const t of open.splice(0)) await t.close()
})

const visits = job('visits', ({ source, sink }) => {
  const presence = actor('presence', {
    state: { since: value<number>(), films: list<number>(), seen: map<string, number>() },
    onRecord(record: z.infer<typeof Seen>, key) {
      if (record.film < 0) throw new Error('no such film')
      if (key.state.since.isEmpty) key.state.since.set(key.time)
      key.state.films.push(record.film)
      key.state.seen.set(`film ${record.film}`, key.time)
      key.timer('left', key.time + 1_000)
      key.alarm('lost', { in: '1m' })
    },
    onTimer: {
      left(key) {
        key.emit({ userId: key.id, films: key.state.films.toArray(), why: 'left' })
        key.forget()
      },
      lost(key) {
        key.emit({ userId: key.id, films: key.state.films.toArray(), why: 'lost' })
        key.forget()
      },
    },
  })
  source('seen', Seen)
    .keyBy((record) => record.userId)
    .process(presence)
    .to(sink('visits'))
})

const seen = (userId: string, film: number, timestamp: number): z.infer<typeof Seen> => ({
  userId,
  film,
  timestamp,
})

describe('testJob', () => {
  it('reads as a script in which a crash is a word', async () => {
    const t = await start(latestRating)
    t.push('ratings', { userId: 1, movieId: 31, rating: 4, timestamp: 10 })
    t.push('ratings', { userId: 1, movieId: 29, rating: 5, timestamp: 10 })
    t.crash()
    t.advanceWatermark('ratings', 11_000)
    expect((await t.output('latest')).map((row) => row['movieId'])).toEqual([29])
  })

  it('takes the event time in the unit it is told', async () => {
    const t = await start(latestRating, { eventTime: { ratings: { unit: 's' } } })
    t.push('ratings', { userId: 1, movieId: 31, rating: 4, timestamp: 10 })
    t.advanceWatermark('ratings', 10_998)
    expect(await t.output('latest')).toEqual([])
    t.advanceWatermark('ratings', 10_999)
    expect(await t.output('latest')).toEqual([
      {
        userId: 1,
        movieId: 31,
        rating: 4,
        timestamp: 10,
        windowStart: 10_000,
        windowEnd: 11_000,
      },
    ])
  })

  it('lets the watermark follow the values when it is given a bound', async () => {
    const t = await start(latestRating, { eventTime: { ratings: { unit: 's', outOfOrder: '5s' } } })
    const at = (timestamp: number): object => ({ userId: 1, movieId: 1, rating: 1, timestamp })
    t.push('ratings', at(10), at(15))
    expect(await t.output('latest')).toEqual([])
    t.push('ratings', at(16), at(9))
    expect(await t.output('latest')).toHaveLength(1)
    expect(await t.counters()).toEqual({ records: 4, late: 1, deadLettered: 0, windows: 1 })
    expect(await t.deadLetters()).toMatchObject([
      { reason: 'late: its window had fired', operator: 'latest', key: 1, place: 'ratings#4' },
    ])
  })

  it('fires what is open when all inputs have ended, and says that it is finished', async () => {
    const t = await start(visits)
    t.push('seen', seen('a', 1, 0))
    expect(await t.finished()).toBe(false)
    t.endInput('seen')
    expect(await t.output('visits')).toEqual([{ userId: 'a', films: [1], why: 'left' }])
    expect(await t.finished()).toBe(true)
    t.reopen()
    expect(await t.output('visits')).toHaveLength(1)
    t.push('seen', seen('a', 1, 0))
    await expect(t.settled()).rejects.toThrow("source 'seen' has ended")
  })

  it('rings alarms by its clock alone', async () => {
    const t = await start(visits, { now: 5_000 })
    t.push('seen', seen('a', 1, 0), seen('b', 2, 0))
    t.advanceClock('30s')
    t.push('seen', seen('b', 3, 0))
    t.advanceClock('29999ms')
    expect(await t.output('visits')).toEqual([])
    t.advanceClock(1)
    expect(await t.output('visits')).toEqual([{ userId: 'a', films: [1], why: 'lost' }])
    t.crash()
    t.advanceClock('30s')
    expect(await t.output('visits')).toEqual([
      { userId: 'a', films: [1], why: 'lost' },
      { userId: 'b', films: [2, 3], why: 'lost' },
    ])
  })

  it('shows the state of a key', async () => {
    const t = await start(visits)
    t.push('seen', seen('a', 1, 10), seen('a', 2, 20))
    expect(await t.state('presence', 'a')).toMatchObject({
      since: 10,
      films: [1, 2],
      seen: new Map([
        ['film 1', 10],
        ['film 2', 20],
      ]),
    })
    expect(await t.state('presence', 'b')).toBeUndefined()
    t.advanceWatermark('seen', 1_020)
    expect(await t.state('presence', 'a')).toBeUndefined()
    await expect(t.state('absence', 'a')).rejects.toThrow("no operator or table 'absence'")
  })

  it('reads sinks as tables', async () => {
    const both = job('both', ({ source, sink }) => {
      const windows = source('seen', Seen)
        .keyBy((record) => record.userId)
        .window(tumbling('1s'))
        .reduce('last', (_, last) => last)
        .map(({ value: { film } }) => film)
      windows.to(sink('newest'))
      windows.to(sink('byWindow'))
    })
    const t = await start(both, { tables: { newest: 'key', byWindow: 'window' } })
    t.push('seen', seen('a', 1, 10), seen('a', 2, 1_020))
    t.advanceWatermark('seen', 5_000)
    expect(await t.table('newest', 'a')).toBe(2)
    expect(await t.table('newest', 'b')).toBeUndefined()
    expect(await t.table('byWindow', 'a')).toEqual(
      new Map([
        [999, 1],
        [1_999, 2],
      ]),
    )
    await expect(t.output('newest')).rejects.toThrow(/is a table; read it with table/)
  })

  it('sets aside what cannot be decoded, fits no schema or has no time', async () => {
    const t = await start(visits)
    t.push('seen', new Undecodable('torn'), { userId: 7 }, { ...seen('a', 1, 0), timestamp: '1' })
    t.push('seen', seen('a', 1, -1))
    expect((await t.deadLetters()).map(({ reason, place }) => [place, reason])).toEqual([
      ['seen#1', 'torn'],
      ['seen#2', expect.stringMatching(/does not fit the schema: userId: /)],
      ['seen#3', expect.stringMatching(/does not fit the schema: timestamp: /)],
    ])
    expect((await t.counters()).records).toBe(1)
  })

  it('tells what ended the job, and can open it again', async () => {
    const t = await start(visits)
    t.push('seen', seen('a', 1, 0), seen('b', -1, 0))
    await expect(t.settled()).rejects.toThrow(UserCodeError)
    t.reopen()
    await expect(t.settled()).rejects.toThrow(/operator 'presence' failed for key "b" at seen#2/)
  })

  it('applies the error policy it is told', async () => {
    const t = await start(visits, { operators: { presence: { onError: { deadLetterAfter: 2 } } } })
    t.push('seen', seen('a', 1, 0), seen('b', -1, 0), seen('b', 2, 0))
    t.endInput('seen')
    expect((await t.output('visits')).length).toBe(2)
    expect((await t.deadLetters()).map(({ key }) => key)).toEqual(['b'])
  })

  it('refuses names that the job does not have', async () => {
    const t = await start(visits)
    expect(() => t.push('saw', {})).toThrow(
      new ConfigError("the job has no source 'saw'; it has seen"),
    )
    expect(() => t.advanceWatermark('seen', Number.NaN)).toThrow(RangeError)
    expect(() => t.advanceClock(-1)).toThrow(RangeError)
    await expect(t.output('visit')).rejects.toThrow("no sink 'visit'")
    await expect(t.table('visits', 'a')).rejects.toThrow(/is not a table in this test/)
    await expect(testJob(visits, { eventTime: { saw: {} } })).rejects.toThrow(ConfigError)
    await expect(testJob(visits, { tables: { saw: 'key' } })).rejects.toThrow(ConfigError)
    await expect(testJob(visits, { operators: { saw: { onError: 'fail' } } })).rejects.toThrow(
      ConfigError,
    )
  })
})

describe('a crash in a test', () => {
  it('loses what was pushed right before it, until it is read again', async () => {
    let turns = 0
    const counting = job('counting', ({ source, sink }) => {
      const step = actor('step', {
        state: { turns: list<number>() },
        onRecord(_: z.infer<typeof Seen>, key) {
          turns += 1
          key.state.turns.push(turns)
          key.emit(turns)
        },
      })
      source('seen', Seen)
        .keyBy((record) => record.userId)
        .process(step)
        .to(sink('turns'))
    })
    const t = await start(counting)
    t.push('seen', seen('a', 1, 0))
    t.crash()
    // The first turn left nothing behind: not in the state, and not in the sink.
    expect(await t.output('turns')).toEqual([2])
    expect(await t.state('step', 'a')).toMatchObject({ turns: [2] })
    t.push('seen', seen('a', 1, 0))
    t.kill()
    // What was committed outlives the process, and leaves once it is durable.
    expect(await t.output('turns')).toEqual([2, 3])
    t.push('seen', seen('a', 1, 0))
    await t.settled()
    t.crash()
    expect(await t.output('turns')).toEqual([2, 3, 4])
    expect(await t.state('step', 'a')).toMatchObject({ turns: [2, 3, 4] })
    expect(turns).toBe(4)
  })

  it.each(MOMENTS)('leaves each result once when it comes at the moment %s', async (moment) => {
    for (const death of ['crash', 'kill'] as const) {
      const t = await testJob(visits)
      t[death](moment)
      t.push('seen', seen('a', 1, 0), seen('b', 2, 500))
      t.advanceWatermark('seen', 1_200)
      t.push('seen', seen('c', 3, 1_300))
      t.endInput('seen')
      expect(await t.output('visits')).toEqual([
        { userId: 'a', films: [1], why: 'left' },
        { userId: 'b', films: [2], why: 'left' },
        { userId: 'c', films: [3], why: 'left' },
      ])
      expect((await t.counters()).records).toBe(3)
      await t.close()
    }
  })

  it('that never came is told at the end', async () => {
    const t = await testJob(visits)
    t.crash('sent')
    await expect(t.close()).rejects.toThrow("a crash was to come at the moment 'sent'")
  })
})

describe('reopening', () => {
  it('keeps the state, with other settings', async () => {
    const t = await start(visits)
    t.push('seen', seen('a', 1, 0))
    t.reopen({ batchRecordsMax: 1, commit: { every: '1s', records: 1 } })
    t.push('seen', seen('a', 2, 0))
    t.endInput('seen')
    expect(await t.output('visits')).toEqual([{ userId: 'a', films: [1, 2], why: 'left' }])
  })

  it('counts what is there over all lives', async () => {
    const t = await start(visits)
    t.push('seen', seen('a', 1, 0))
    const epoch = await t.epoch()
    t.reopen()
    t.push('seen', seen('a', 1, 0))
    expect((await t.counters()).records).toBe(2)
    expect(await t.epoch()).toBeGreaterThan(epoch)
  })
})
