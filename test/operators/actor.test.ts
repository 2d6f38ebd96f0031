import { describe, expect, it } from 'vitest'
import { actor, job, list, map, side, value, type KeyTurn } from 'millrace'
import { testJob } from 'millrace/testing'
import * as z from 'zod'
import { ActorOperator, type AnyDefinition } from '../../operators/actor-operator.ts'
import type { StateCell } from '../../operators/state.ts'

const Order = z.object({ key: z.string(), timestamp: z.number(), say: z.string() })
type Order = z.infer<typeof Order>

const cells = { one: value<number>(), all: list<string>(), byName: map<string, number>() }
type Turn = KeyTurn<typeof cells, string, { aside: string }>

/** An actor that does as its record says. */
const obedient = actor('obedient', {
  state: cells,
  sides: { aside: side<string>() },
  onRecord(order: Order, key: Turn) {
    for (const say of order.say.split(' ')) obey(say, key)
  },
  onTimer: {
    t: (key) => key.emit(`t@${key.time}`),
    u: (key) => key.emit(`u@${key.time}`),
    again(key) {
      key.emit(`again@${key.time}`)
      if (key.time < 30) key.timer('again', key.time + 10)
    },
    alarm: (key) => key.emit(`alarm@${key.now}`),
    stuck: (key) => key.timer('stuck', key.time),
    bad() {
      throw new Error('bad timer')
    },
  },
})

function obey(say: string, key: Turn): void {
  const [verb, name = '', number = '0'] = say.split(':')
  const n = Number(number)
  if (verb === 'timer') key.timer(name, n)
  else if (verb === 'alarm') key.alarm('alarm', { in: Number(name) })
  else if (verb === 'cancel') key.cancel(name)
  else if (verb === 'forget') key.forget()
  else if (verb === 'set') key.state.one.set(Number(name))
  else if (verb === 'clear') key.state.one.clear()
  else if (verb === 'push') key.state.all.push(name)
  else if (verb === 'shift') key.state.all.shift()
  else if (verb === 'empty') key.state.all.clear()
  else if (verb === 'put') key.state.byName.set(name, n)
  else if (verb === 'delete') key.state.byName.delete(name)
  else if (verb === 'wipe') key.state.byName.clear()
  else if (verb === 'emit') key.emit(name)
  else if (verb === 'aside') key.emitTo('aside', name)
  else if (verb === 'throw') throw new Error('told to')
  else throw new Error(`no such verb ${verb}`)
}

const obeying = job('obeying', ({ source, sink }) => {
  const out = source('orders', Order)
    .keyBy((order) => order.key)
    .process(obedient, { onError: { deadLetterAfter: 2 } })
  out.to(sink('out'))
  out.side('aside').to(sink('aside'))
})

const tell = (say: string, key = 'k', timestamp = 0): Order => ({ key, timestamp, say })

/** An operator without a runtime, and a turn of its only key that notes for when it asks to be woken. */
function turnOf(of: typeof obedient) {
  const operator = new ActorOperator(of.definition as unknown as AnyDefinition, of.name)
  const owner = { changed: () => undefined, undo: null }
  const cellsOfKey = Object.values(operator.state.cells).map((spec) => spec.make(owner))
  const wakes: number[] = []
  const nothing = (): undefined => undefined
  return {
    operator,
    wakes,
    key: 'k',
    cells: cellsOfKey,
    cell: cellsOfKey[0] as StateCell,
    shared: [],
    watermark: Number.NEGATIVE_INFINITY,
    now: 0,
    wakeAt: (time: number) => void wakes.push(time),
    emit: nothing,
    emitTo: nothing,
    late: nothing,
    savepoint: nothing,
    rollback: nothing,
    recover: (error: unknown) => {
      throw error
    },
  }
}

const withoutTimers = (state: Record<string, unknown> | undefined) =>
  state && { one: state['one'], all: state['all'], byName: state['byName'] }

describe('timers of a key', () => {
  it('fire once, at their own time, in the order of time', async () => {
    const t = await testJob(obeying)
    t.push('orders', tell('timer:u:20 timer:t:10'))
    t.advanceWatermark('orders', 9)
    expect(await t.output('out')).toEqual([])
    t.advanceWatermark('orders', 50)
    t.advanceWatermark('orders', 60)
    expect(await t.output('out')).toEqual(['t@10', 'u@20'])
    await t.close()
  })

  it('are replaced when their name is set again, to later and to earlier', async () => {
    const t = await testJob(obeying)
    t.push('orders', tell('timer:t:10 timer:u:40'))
    t.push('orders', tell('timer:t:30 timer:u:5'))
    t.crash()
    t.advanceWatermark('orders', 10)
    expect(await t.output('out')).toEqual(['u@5'])
    t.advanceWatermark('orders', 100)
    expect(await t.output('out')).toEqual(['u@5', 't@30'])
    await t.close()
  })

  it('that are cancelled or forgotten never fire', async () => {
    const t = await testJob(obeying)
    t.push('orders', tell('timer:t:10 timer:u:20 alarm:5 cancel:t'))
    t.push('orders', tell('timer:t:10 set:1 push:a alarm:5 forget', 'other'))
    t.advanceWatermark('orders', 100)
    t.advanceClock(4)
    expect(await t.output('out')).toEqual(['u@20'])
    t.advanceClock(10)
    expect(await t.output('out')).toEqual(['u@20', 'alarm@5'])
    expect(await t.state('obedient', 'other')).toBeUndefined()
    await t.close()
  })

  it('may set themselves again, and come one by one even when time jumps', async () => {
    for (const between of ['settled', 'crash', 'kill'] as const) {
      const t = await testJob(obeying)
      t.push('orders', tell('timer:again:10'))
      if (between !== 'settled') t[between]()
      t.advanceWatermark('orders', 1_000)
      expect(await t.output('out')).toEqual(['again@10', 'again@20', 'again@30'])
      expect(await t.state('obedient', 'k')).toBeUndefined()
      await t.close()
    }
  })

  it('that lie in the past fire at once', async () => {
    const t = await testJob(obeying)
    t.advanceWatermark('orders', 100)
    t.push('orders', tell('timer:t:50', 'k', 100))
    expect(await t.output('out')).toEqual(['t@50'])
    await t.close()
  })

  it('that lie in the past fire before the next record, whatever the batches', async () => {
    for (const batchRecordsMax of [1, 100]) {
      const t = await testJob(obeying, { batchRecordsMax })
      t.advanceWatermark('orders', 100)
      t.push('orders', tell('timer:u:60 timer:t:50 emit:first', 'k', 100), tell('emit:second'))
      t.push('orders', tell('timer:again:10', 'k', 100), tell('emit:third'))
      expect(await t.output('out')).toEqual([
        'first',
        't@50',
        'u@60',
        'second',
        'again@10',
        'again@20',
        'again@30',
        'third',
      ])
      await t.close()
    }
  })

  it('of one time fire in the order of their names, and as of the time to which they were set last', async () => {
    const t = await testJob(obeying)
    t.push('orders', tell('timer:u:20 timer:t:20 timer:u:30 timer:u:20'))
    t.crash()
    t.advanceWatermark('orders', 20)
    expect(await t.output('out')).toEqual(['t@20', 'u@20'])
    await t.close()
  })

  it('are refused when nothing handles them, or when they are no time', async () => {
    for (const [say, text] of [
      ['timer:typo:10', /no timer 'typo': the actor's onTimer has t, u, again, alarm, stuck, bad/],
      ['cancel:typo', /no timer 'typo'/],
      ['timer:t:NaN', /timer 't': NaN is not a time/],
      ['alarm:-5', /alarm 'alarm': -5 is in the past/],
      ['alarm:0.5', /alarm 'alarm': 0.5 is not a duration/],
    ] as const) {
      const t = await testJob(obeying)
      t.push('orders', tell(say))
      const [letter] = await t.deadLetters()
      expect(letter?.reason).toMatch(text)
      await t.close()
    }
  })

  it('that set each other without time going on are stopped', async () => {
    const t = await testJob(obeying)
    t.push('orders', tell('timer:stuck:10'))
    t.advanceWatermark('orders', 20)
    expect(await t.deadLetters()).toMatchObject([
      {
        reason: expect.stringMatching(/timer 'stuck' came 1000 times at 10 without time going on/),
      },
    ])
    expect(await t.state('obedient', 'k')).toBeUndefined()
    await t.close()
  })

  it('cost one place among the waiting, however often they are put off', () => {
    const { operator, wakes, ...turn } = turnOf(obedient)
    for (let time = 0; time < 1_000; time++) {
      operator.onRecord(turn, tell(`timer:t:${time + 500}`), time)
    }
    expect(wakes).toEqual([500])
    operator.onTimer(turn, 500, 'event')
    expect(wakes).toEqual([500, 1_499])
    operator.onRecord(turn, tell('timer:u:700'), 1_000)
    expect(wakes).toEqual([500, 1_499, 700])
  })

  it('on the clock and in event time do not disturb each other', async () => {
    const t = await testJob(obeying, { now: 1_000 })
    t.push('orders', tell('alarm:500 timer:t:1200'))
    t.advanceWatermark('orders', 1_900)
    expect(await t.output('out')).toEqual(['t@1200'])
    t.advanceClock(499)
    expect(await t.output('out')).toEqual(['t@1200'])
    t.push('orders', tell('alarm:500'))
    t.advanceClock(499)
    expect(await t.output('out')).toEqual(['t@1200'])
    t.advanceClock(1)
    expect(await t.output('out')).toEqual(['t@1200', 'alarm@1999'])
    await t.close()
  })

  it('that fail are set aside once, and do not come again', async () => {
    const t = await testJob(obeying)
    t.push('orders', tell('timer:bad:10 timer:t:20'))
    t.advanceWatermark('orders', 10)
    t.crash()
    t.advanceWatermark('orders', 30)
    expect(await t.output('out')).toEqual(['t@20'])
    expect(await t.deadLetters()).toMatchObject([
      { reason: expect.stringMatching(/bad timer/), operator: 'obedient', key: 'k' },
    ])
    await t.close()
  })
})

describe('a turn that throws', () => {
  const before = 'set:7 push:a push:b push:c put:x:1 put:y:2 put:z:3 timer:t:10'
  const changes = [
    'set:8',
    'clear',
    'push:d',
    'shift push:e',
    'shift shift shift shift',
    'empty push:f',
    'put:x:5',
    'put:new:9',
    'delete:y',
    'delete:y put:y:4',
    'wipe put:q:1',
    'forget set:1 push:a put:x:1',
    'emit:wrong aside:wrong',
    'timer:t:99 timer:u:5',
    'cancel:t',
  ]

  it('leaves nothing behind: state, timers and results are as before', async () => {
    for (const change of [...changes, changes.join(' ')]) {
      const t = await testJob(obeying)
      t.push('orders', tell(before), tell(before, 'other'))
      t.push('orders', tell(`${change} throw`))
      for (const death of ['reopen', 'crash', 'kill'] as const) {
        const state = await t.state('obedient', 'k')
        expect(state?.['one']).toBe(7)
        expect(state?.['all']).toEqual(['a', 'b', 'c'])
        expect(state?.['byName']).toEqual(
          new Map([
            ['x', 1],
            ['y', 2],
            ['z', 3],
          ]),
        )
        t[death]()
      }
      t.advanceWatermark('orders', 100)
      expect(await t.output('out'), change).toEqual(['t@10', 't@10'])
      expect(await t.output('aside')).toEqual([])
      expect(await t.counters()).toMatchObject({ deadLettered: 1 })
      await t.close()
    }
  })

  it('lets the next record of its key, and other keys, go on from there', async () => {
    const t = await testJob(obeying)
    t.push('orders', tell(before), tell('empty wipe clear throw'))
    t.push('orders', tell('push:d put:w:4 emit:right'), tell('emit:too', 'other'))
    t.crash()
    expect(await t.output('out')).toEqual(['right', 'too'])
    expect(withoutTimers(await t.state('obedient', 'k'))).toEqual({
      one: 7,
      all: ['a', 'b', 'c', 'd'],
      byName: new Map([
        ['x', 1],
        ['y', 2],
        ['z', 3],
        ['w', 4],
      ]),
    })
    await t.close()
  })

  it('is undone in collections that have rows of their own, too', async () => {
    const t = await testJob(obeying)
    const many = Array.from({ length: 40 }, (_, i) => `push:${i} put:n${i}:${i}`).join(' ')
    t.push('orders', tell(many))
    t.reopen()
    t.push('orders', tell('shift shift push:x put:n3:99 delete:n4 throw'))
    t.push('orders', tell('delete:n5 shift push:y'))
    t.reopen()
    const state = await t.state('obedient', 'k')
    expect(state?.['all']).toEqual([...Array.from({ length: 39 }, (_, i) => `${i + 1}`), 'y'])
    const expected = new Map(Array.from({ length: 40 }, (_, i) => [`n${i}`, i]))
    expected.delete('n5')
    expect(state?.['byName']).toEqual(expected)
    await t.close()
  })
})
