import { describe, expect, it } from 'vitest'
import { job, list, map, side, value } from 'millrace'
import { testJob } from 'millrace/testing'
import * as z from 'zod'

const Order = z.object({ key: z.string(), timestamp: z.number(), cents: z.number() })
const Payment = z.object({ key: z.string(), timestamp: z.number(), cents: z.number() })

const paying = job('paying', ({ source, sink }) => {
  const results = source('orders', Order)
    .keyBy(({ key }) => key)
    .connect(
      'paying',
      source('payments', Payment).keyBy(({ key }) => key),
      {
        state: { owed: value<number>(), paid: list<number>() },
        sides: { unpaid: side<string>() },
        onLeft(order, key) {
          key.state.owed.set((key.state.owed.get() ?? 0) + order.cents)
          key.timer('due', order.timestamp + 10)
        },
        onRight(payment, key) {
          if (payment.cents < 0) throw new Error('a refund')
          key.state.paid.push(payment.cents)
          key.emit({ key: key.id, owed: key.state.owed.get() ?? 0, paid: key.state.paid.toArray() })
        },
        onTimer: {
          due(key) {
            if (key.state.paid.length === 0) key.emitTo('unpaid', key.id)
            key.forget()
          },
        },
      },
      { onError: { deadLetterAfter: 1 } },
    )
  results.to(sink('out'))
  results.side('unpaid').to(sink('unpaid'))
})

describe('an actor of two inputs', () => {
  it('keeps one state for both, with its timers, over crashes', async () => {
    for (const between of ['settled', 'crash', 'kill', 'reopen'] as const) {
      const t = await testJob(paying)
      t.push('orders', { key: 'a', timestamp: 1, cents: 500 }, { key: 'b', timestamp: 1, cents: 7 })
      await t[between]()
      t.push('payments', { key: 'a', timestamp: 3, cents: 200 })
      await t[between]()
      t.push('orders', { key: 'a', timestamp: 2, cents: 50 })
      await t[between]()
      t.push('payments', { key: 'a', timestamp: 4, cents: -1 })
      t.push('payments', { key: 'a', timestamp: 4, cents: 300 })
      await t[between]()
      expect(await t.output('out')).toEqual([
        { key: 'a', owed: 500, paid: [200] },
        { key: 'a', owed: 550, paid: [200, 300] },
      ])
      t.advanceWatermark('orders', 100)
      t.advanceWatermark('payments', 11)
      await t[between]()
      expect(await t.output('unpaid')).toEqual(['b'])
      expect(await t.state('paying', 'b')).toBeUndefined()
      expect((await t.deadLetters()).map(({ reason }) => reason)).toEqual([
        expect.stringMatching(/'paying' failed: a refund/),
      ])
      await t.close()
    }
  })
})

const Rule = z.object({ name: z.string(), timestamp: z.number(), least: z.number() })
const Spent = z.object({ key: z.string(), timestamp: z.number(), cents: z.number() })

const checking = job('checking', ({ source, sink }) => {
  source('spent', Spent)
    .keyBy(({ key }) => key)
    .withBroadcast(
      'checking',
      source('rules', Rule),
      {
        shared: { rules: map<string, number>(), seen: value<number>(), order: list<string>() },
        state: { total: value<number>() },
        onBroadcast(rule, { rules, seen, order }) {
          rules.set(rule.name, rule.least)
          seen.set((seen.get() ?? 0) + 1)
          order.push(rule.name)
          if (rule.least < 0) throw new Error('no such rule')
        },
        onRecord(spent, key, { rules, seen }) {
          key.state.total.set((key.state.total.get() ?? 0) + spent.cents)
          const total = key.state.total.get() ?? 0
          const broken = [...rules].filter(([, least]) => total >= least).map(([name]) => name)
          key.emit({ key: key.id, broken, rules: seen.get() ?? 0 })
          if (spent.cents === 13) (rules as ReturnType<typeof Object>)['clear']()
        },
      },
      { onError: { deadLetterAfter: 1 } },
    )
    .to(sink('out'))
})

const rule = (name: string, least: number) => ({ name, least, timestamp: 0 })
const spent = (key: string, cents: number) => ({ key, cents, timestamp: 0 })

describe('a broadcast', () => {
  it('is seen by all keys, and kept over crashes', async () => {
    for (const between of ['settled', 'crash', 'kill', 'reopen'] as const) {
      const t = await testJob(checking)
      t.push('rules', rule('much', 100), rule('some', 10))
      await t[between]()
      t.push('spent', spent('a', 50), spent('b', 5))
      await t[between]()
      t.push('rules', rule('much', 60))
      await t[between]()
      t.push('spent', spent('a', 10), spent('b', 5), spent('', 1))
      await t[between]()
      expect(await t.output('out')).toEqual([
        { key: 'a', broken: ['some'], rules: 2 },
        { key: 'b', broken: [], rules: 2 },
        { key: 'a', broken: ['much', 'some'], rules: 3 },
        { key: 'b', broken: ['some'], rules: 3 },
        { key: '', broken: [], rules: 3 },
      ])
      expect(await t.state('checking.shared', '')).toEqual({
        rules: new Map([
          ['much', 60],
          ['some', 10],
        ]),
        seen: 3,
        order: ['much', 'some', 'much'],
      })
      await t.close()
    }
  })

  it('that fails leaves what is shared as it was', async () => {
    const t = await testJob(checking)
    t.push('rules', rule('some', 10), rule('bad', -1), rule('much', 100))
    t.crash()
    t.push('spent', spent('a', 200))
    expect(await t.output('out')).toEqual([{ key: 'a', broken: ['much', 'some'], rules: 2 }])
    expect((await t.deadLetters()).map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/'checking' failed: no such rule/),
    ])
    await t.close()
  })

  it('is for keys to read: one that changes it fails, and changes nothing', async () => {
    const t = await testJob(checking)
    t.push('rules', rule('some', 10))
    t.push('spent', spent('a', 13), spent('a', 10))
    expect(await t.output('out')).toEqual([{ key: 'a', broken: ['some'], rules: 1 }])
    expect((await t.deadLetters()).map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/shared state is changed in onBroadcast/),
    ])
    await t.close()
  })

  it('of many entries writes an entry a row, and all of them are there again', async () => {
    const t = await testJob(checking)
    for (let i = 0; i < 200; i++) {
      t.push('rules', rule(`r${i}`, i))
      if (i % 40 === 39) t.crash()
    }
    t.reopen()
    t.push('spent', spent('a', 99))
    const [first] = await t.output<{ broken: string[]; rules: number }>('out')
    expect([first?.broken.length, first?.rules]).toEqual([100, 200])
    await t.close()
  })

  it('from an input that ends is read whole before all else, over crashes', async () => {
    for (const between of ['settled', 'crash', 'kill', 'reopen'] as const) {
      const t = await testJob(checking, { bounded: ['rules'], batchRecordsMax: 2 })
      t.push('spent', spent('a', 50))
      t.push('rules', rule('much', 100), rule('some', 10), rule('more', 40))
      await t[between]()
      t.push('spent', spent('b', 5))
      t.push('rules', rule('little', 1))
      await t[between]()
      expect(await t.output('out')).toEqual([])
      t.endInput('rules')
      await t[between]()
      expect(await t.output('out')).toEqual([
        { key: 'a', broken: ['little', 'more', 'some'], rules: 4 },
        { key: 'b', broken: ['little'], rules: 4 },
      ])
      t.endInput('spent')
      expect(await t.finished(), between).toBe(true)
      await t.close()
    }
  })

  it('makes nobody idle who waits for its end', async () => {
    const t = await testJob(checking, {
      bounded: ['rules'],
      eventTime: { spent: { outOfOrder: 0, idleAfter: '5s' } },
    })
    t.push('spent', spent('a', 50))
    t.advanceClock('20s')
    t.push('rules', rule('some', 10))
    t.endInput('rules')
    expect(await t.output('out')).toEqual([{ key: 'a', broken: ['some'], rules: 1 }])
    await t.close()
  })

  it('has no state that ends by itself', () => {
    expect(() =>
      job('bad', ({ source, sink }) => {
        source('spent', Spent)
          .keyBy(({ key }) => key)
          .withBroadcast('checking', source('rules', Rule), {
            shared: { rules: map<string, number>({ ttl: { after: '1h' } } as never) },
            onBroadcast: () => undefined,
            onRecord: () => undefined,
          })
          .to(sink('out'))
      }),
    ).toThrow(/the shared cell 'rules' cannot have a time to live/)
  })
})
