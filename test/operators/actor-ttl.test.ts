import { describe, expect, it } from 'vitest'
import { actor, byTime, job, list, map, value, type KeyTurn, type TimeToLive } from 'millrace'
import { testJob } from 'millrace/testing'
import * as z from 'zod'

const DAY_MS = 86_400_000
const Order = z.object({ key: z.string(), timestamp: z.number(), say: z.string() })
const tell = (timestamp: number, say: string, key = 'k') => ({ key, timestamp, say })

const cells = {
  one: value<number>(),
  byName: map<string, number>(),
  all: list<number>({ ttl: { eventTime: '30ms' } }),
}
type Turn = KeyTurn<typeof cells, string>

function obey(order: z.infer<typeof Order>, key: Turn): void {
  const { one, byName, all } = key.state
  for (const say of order.say.split(' ')) {
    const [verb, name = '', n = '0'] = say.split(':')
    if (verb === 'set') one.set(Number(name))
    else if (verb === 'get') key.emit(`one ${one.get()}`)
    else if (verb === 'put') byName.set(name, Number(n))
    else if (verb === 'look') key.emit(`${name} ${byName.get(name)}`)
    else if (verb === 'names') key.emit([...byName.keys()].join())
    else if (verb === 'push') all.push(Number(name))
    else if (verb === 'all') key.emit(all.toArray().join())
    else if (verb === 'timer') key.timer('t', Number(name))
    else if (verb === 'throw') throw new Error('told to')
  }
}

const living = (ttl: TimeToLive | undefined) =>
  job('living', ({ source, sink }) => {
    const obedient = actor('obedient', {
      state: cells,
      ...(ttl !== undefined && { ttl }),
      onRecord: obey,
      onTimer: { t: (key: Turn) => key.emit(`t one ${key.state.one.get()}`) },
    })
    source('orders', Order)
      .keyBy((order) => order.key)
      .process(obedient, { onError: { deadLetterAfter: 1 } })
      .map((text) => ({ text }))
      .to(sink('out'))
  })

const texts = async (t: Awaited<ReturnType<typeof testJob>>): Promise<string[]> =>
  (await t.output<{ text: string }>('out')).map(({ text }) => text)

describe('a time to live in event time', () => {
  it('is over once the watermark has come so far behind the write, to the millisecond', async () => {
    const t = await testJob(living({ eventTime: '10ms' }))
    t.push('orders', tell(100, 'set:1'))
    t.advanceWatermark('orders', 109)
    t.push('orders', tell(109, 'get'))
    t.advanceWatermark('orders', 110)
    t.push('orders', tell(110, 'get'))
    expect(await texts(t)).toEqual(['one 1', 'one undefined'])
    expect(await t.state('obedient', 'k')).toBeUndefined()
    await t.close()
  })

  it('does not count the time in which the job stood still', async () => {
    const t = await testJob(living({ eventTime: '1d' }))
    t.push('orders', tell(0, 'set:1'))
    await t.settled()
    t.advanceClock('30d')
    t.reopen()
    t.advanceClock('30d')
    t.push('orders', tell(DAY_MS - 1, 'get'))
    expect(await texts(t)).toEqual(['one 1'])
    await t.close()
  })

  it('begins anew with each write, and with each reading where asked', async () => {
    for (const [refresh, expected] of [
      ['write', ['one 1', 'one undefined', 'one undefined']],
      ['readAndWrite', ['one 1', 'one 1', 'one undefined']],
    ] as const) {
      const t = await testJob(living({ eventTime: '10ms', refresh }), { cache: { entries: 1 } })
      t.push('orders', tell(100, 'set:0'), tell(105, 'set:1'))
      t.advanceWatermark('orders', 111)
      t.push('orders', tell(111, 'get'))
      t.crash()
      t.advanceWatermark('orders', 118)
      t.push('orders', tell(118, 'get'))
      t.advanceWatermark('orders', 128)
      t.push('orders', tell(128, 'get'))
      expect(await texts(t)).toEqual(expected)
      await t.close()
    }
  })

  it('is each entry’s own in maps, and each value’s own in lists', async () => {
    const t = await testJob(living({ eventTime: '10ms' }))
    t.push('orders', tell(100, 'put:a:1 put:b:2 push:1'), tell(105, 'put:b:3 push:2'))
    t.advanceWatermark('orders', 112)
    t.push('orders', tell(112, 'names look:a look:b all'))
    t.advanceWatermark('orders', 132)
    t.push('orders', tell(132, 'names all'))
    expect(await texts(t)).toEqual(['b', 'a undefined', 'b 3', '1,2', '', '2'])
    t.advanceWatermark('orders', 200)
    expect(await t.state('obedient', 'k')).toBeUndefined()
    await t.close()
  })

  it('lets what an old record writes live from the watermark on', async () => {
    const t = await testJob(living({ eventTime: '10ms' }))
    t.advanceWatermark('orders', 1_000)
    t.push('orders', tell(5, 'set:1 get'))
    t.advanceWatermark('orders', 1_009)
    t.push('orders', tell(5, 'get'))
    t.advanceWatermark('orders', 1_010)
    t.push('orders', tell(5, 'get'))
    expect(await texts(t)).toEqual(['one 1', 'one 1', 'one undefined'])
    await t.close()
  })

  it('is seen by a timer as of the timer’s time, also when time jumps to its end', async () => {
    for (const jump of ['far', 'end'] as const) {
      const t = await testJob(living({ eventTime: '10ms' }))
      t.push('orders', tell(100, 'set:1 timer:109'), tell(100, 'set:2 timer:110', 'other'))
      if (jump === 'far') t.advanceWatermark('orders', 99_999)
      else t.endInput('orders')
      expect(await texts(t)).toEqual(['t one 1', 't one undefined'])
      // Who reads the state of a job that is over wants to see it.
      const state = await t.state('obedient', 'k')
      if (jump === 'far') expect(state).toBeUndefined()
      else expect(state?.['one']).toBe(1)
      await t.close()
    }
  })

  it('leaves state bounded when every record brings a new entry', async () => {
    const t = await testJob(living({ eventTime: '100ms' }), {
      eventTime: { orders: { outOfOrder: 0 } },
    })
    for (let time = 0; time < 5_000; time += 2) t.push('orders', tell(time, `put:n${time}:1`))
    const state = await t.state('obedient', 'k')
    const size = (state?.['byName'] as Map<string, number> | undefined)?.size
    expect(size).toBeGreaterThanOrEqual(50)
    expect(size).toBeLessThanOrEqual(50 * 1.25 + 1)
    await t.close()
  })

  it('takes no part in a turn that failed', async () => {
    const t = await testJob(living({ eventTime: '10ms' }))
    t.push('orders', tell(100, 'set:1'), tell(108, 'set:2 push:1 throw'))
    t.advanceWatermark('orders', 110)
    t.push('orders', tell(110, 'get'))
    expect(await texts(t)).toEqual(['one undefined'])
    expect(await t.state('obedient', 'k')).toBeUndefined()
    await t.close()
  })
})

describe('a time to live in processing time', () => {
  it('follows the clock of the job, whatever event time does', async () => {
    const t = await testJob(living({ processingTime: '1h' }))
    t.push('orders', tell(0, 'set:1'))
    t.advanceWatermark('orders', 10 * DAY_MS)
    await t.settled()
    t.advanceClock(3_599_999)
    t.push('orders', tell(0, 'get'))
    await t.settled()
    t.advanceClock(1)
    t.push('orders', tell(0, 'get'))
    expect(await texts(t)).toEqual(['one 1', 'one undefined'])
    expect(await t.state('obedient', 'k')).toBeUndefined()
    await t.close()
  })

  it('is over at once for what stood still for longer, and is refreshed by reading where asked', async () => {
    const t = await testJob(living({ processingTime: '1h', refresh: 'readAndWrite' }))
    t.push('orders', tell(0, 'set:1'))
    for (let i = 0; i < 3; i++) {
      await t.settled()
      t.advanceClock('50m')
      t.reopen()
      t.push('orders', tell(0, 'get'))
    }
    await t.settled()
    t.advanceClock('60m')
    t.push('orders', tell(0, 'get'))
    expect(await texts(t)).toEqual(['one 1', 'one 1', 'one 1', 'one undefined'])
    await t.close()
  })
})

describe('a time to live of a cell by time', () => {
  const recent = job('recent', ({ source, sink }) => {
    source('orders', Order)
      .keyBy((order) => order.key)
      .process(
        actor('recent', {
          state: { lately: byTime<string>({ ttl: { eventTime: '10ms' } }) },
          onRecord(
            order: z.infer<typeof Order>,
            key: KeyTurn<
              {
                lately: ReturnType<typeof byTime<string>>
              },
              string
            >,
          ) {
            const { lately } = key.state
            if (order.say !== '') lately.add(order.timestamp, order.say)
            key.emit(`${lately.size} ${lately.range().join(' ')}`)
          },
        }),
      )
      .map((text) => ({ text }))
      .to(sink('out'))
  })

  it('counts from the value’s own time', async () => {
    const t = await testJob(recent, { cache: { entries: 1 } })
    t.push('orders', tell(100, 'a'), tell(95, 'b'), tell(100, 'c'))
    t.advanceWatermark('orders', 105)
    t.push('orders', tell(90, 'over'), tell(96, 'd'))
    t.crash()
    t.advanceWatermark('orders', 109)
    t.push('orders', tell(109, ''))
    expect((await texts(t)).slice(3)).toEqual([
      '2 100,a 100,c',
      '3 96,d 100,a 100,c',
      '2 100,a 100,c',
    ])
    expect(await t.state('recent', 'k')).toMatchObject({
      lately: [
        [100, 'a'],
        [100, 'c'],
      ],
    })
    t.advanceWatermark('orders', 200)
    expect(await t.state('recent', 'k')).toBeUndefined()
    await t.close()
  })

  it('removes from many values those whose time is over, after a load too', async () => {
    const t = await testJob(recent, {
      cache: { entries: 1 },
      eventTime: { orders: { outOfOrder: 0 } },
    })
    const times = Array.from({ length: 300 }, (_, i) => 100 + Math.floor(i / 60))
    t.push('orders', ...times.map((at, i) => tell(at, `v${i}`)))
    t.reopen()
    t.push('orders', tell(113, 'last'), tell(113, ''))
    const [last] = (await texts(t)).slice(-1)
    expect(last).toMatch(/^121 103,v180 103,v181 .*104,v299 113,last$/)
    await t.close()
  })
})

describe('a time to live', () => {
  it('may be given to state that has none, and taken away again', async () => {
    let ttl: TimeToLive | undefined
    const state = { one: value<number>(), byName: map<string, number>(), all: list<number>() }
    const changing = job('changing', ({ source, sink }) => {
      const definition = {
        state,
        // What a deployment of changed code does: the operator is made anew at each start.
        get ttl() {
          return ttl as TimeToLive
        },
        onRecord: obey,
      }
      source('orders', Order)
        .keyBy((order) => order.key)
        .process(actor('obedient', definition))
        .map((text) => ({ text }))
        .to(sink('out'))
    })
    const t = await testJob(changing)
    const names = Array.from({ length: 30 }, (_, i) => `n${i}`)
    const fill = `set:1 ${names.map((name) => `put:${name}:1 push:1`).join(' ')}`
    t.push('orders', tell(100, fill), tell(100, 'set:1', 'asleep'))
    await t.settled()
    ttl = { eventTime: '10ms' }
    t.reopen()
    t.advanceWatermark('orders', 200)
    // What has no stamp begins to live when it is first looked at.
    t.push('orders', tell(200, 'get names all'))
    t.advanceWatermark('orders', 209)
    t.push('orders', tell(209, 'get put:new:1 set:2 push:2'))
    t.crash()
    t.advanceWatermark('orders', 210)
    t.push('orders', tell(210, 'get names all'))
    expect(await texts(t)).toEqual([
      'one 1',
      names.toSorted().join(),
      names.map(() => '1').join(),
      'one 1',
      'one 2',
      'new',
      '2',
    ])
    ttl = undefined
    t.reopen()
    t.advanceWatermark('orders', 999)
    t.push('orders', tell(999, 'get names all'), tell(999, 'get', 'asleep'))
    expect((await texts(t)).slice(7)).toEqual(['one 2', 'new', '2', 'one 1'])
    expect(await t.state('obedient', 'k')).toMatchObject({
      one: 2,
      byName: new Map([['new', 1]]),
      all: [2],
    })
    // Where a stamp is still in its row it counts again: what is over is gone at the first look.
    ttl = { eventTime: '10ms' }
    t.reopen()
    t.push('orders', tell(999, 'get names'))
    expect((await texts(t)).slice(-2)).toEqual(['one 2', ''])
    expect(await t.state('obedient', 'k')).toMatchObject({ byName: new Map() })
    await t.close()
  })

  it('is refused at the definition when it makes no sense', () => {
    const of = (spec: object, ttl?: TimeToLive) => () =>
      actor('visits', {
        state: { cell: spec as ReturnType<typeof value> },
        ...(ttl !== undefined && { ttl }),
        onRecord: () => undefined,
      })
    const wrong = (ttl: object): TimeToLive => ttl as TimeToLive
    for (const [define, text] of [
      [of(value(), { eventTime: 0 }), /operator 'visits': ttl of 'cell': 0 is not positive/],
      [of(value({ ttl: { eventTime: '-1d' } })), /"-1d" is not positive/],
      [of(value(), { processingTime: 'soon' }), /"soon" is not a duration/],
      [of(value(), wrong({})), /write one clock/],
      [of(value(), wrong({ eventTime: 1, processingTime: 1 })), /write one clock/],
      [of(value(), wrong({ eventTime: 1, refresh: 'read' })), /"read" is neither/],
      [of(list(), { eventTime: 1, refresh: 'readAndWrite' }), /live from when it was pushed/],
      [of(byTime(), { eventTime: 1, refresh: 'readAndWrite' }), /live from its own time/],
      [of(byTime(), { processingTime: 1 }), /give it \{ eventTime: … \}/],
    ] as const) {
      expect(define, String(text)).toThrow(text)
      expect(define).toThrow(RangeError)
    }
  })
})
