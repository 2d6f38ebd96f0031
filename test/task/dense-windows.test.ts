/** What the windows kept in columns must not forget: failures, timers that wait, and what is in memory. */
import { describe, expect, it } from 'vitest'
import { aggregate, collect, count, job, onEventTime, session, sliding, tumbling } from 'millrace'
import { testJob } from 'millrace/testing'
import * as z from 'zod'

const Item = z.object({ key: z.string(), timestamp: z.number(), n: z.number() })
type Item = z.infer<typeof Item>

interface Total {
  readonly n: number
  readonly isBad: boolean
}

/** A total whose parts cannot be combined when one of them is negative. */
const fragile = (isInvertible: boolean) =>
  aggregate({
    init: (): Total => ({ n: 0, isBad: false }),
    add: (total: Total, { n }: Item) => ({ n: total.n + n, isBad: total.isBad || n < 0 }),
    merge(left: Total, right: Total) {
      if (left.isBad || right.isBad) throw new Error('a bad part')
      return { n: left.n + right.n, isBad: false }
    },
    result({ n, isBad }: Total) {
      if (isBad) throw new Error('a bad part')
      return n
    },
    ...(isInvertible && {
      subtract: (total: Total, part: Total) => ({ n: total.n - part.n, isBad: total.isBad }),
    }),
  })

describe('a window whose slices cannot be combined', () => {
  for (const isInvertible of [true, false]) {
    for (const lateness of [0, 1_000]) {
      it(`spoils no other: inverse ${isInvertible}, lateness ${lateness}`, async () => {
        const t = await testJob(
          job('fragile', ({ source, sink }) =>
            source('items', Item)
              .keyBy(({ key }) => key)
              .window(sliding(30, { every: 20 }).allowedLateness(lateness))
              .aggregate(
                'totals',
                { total: fragile(isInvertible) },
                { onError: { deadLetterAfter: 1 } },
              )
              .map(({ window, value }) => [window.start, value.total])
              .to(sink('rows')),
          ),
        )
        for (let n = 0; n < 12; n++) {
          t.push('items', { key: 'k', timestamp: n * 10, n: n === 5 ? -1 : 1 })
        }
        for (let time = 10; time <= 200; time += 10) t.advanceWatermark('items', time)
        const whole = [0, 20, 60, 80].map((start) => [start, 3])
        expect(await t.output('rows')).toEqual([[-20, 1], ...whole, [100, 2]])
        await t.close()
      })
    }
  }
})

it('timers that one input made due come before the records of another', async () => {
  const windows = tumbling(10).allowedLateness(100_000)
  const t = await testJob(
    job('two', ({ source, sink }) => {
      const all = source('a', Item)
        .union(source('b', Item))
        .keyBy(({ key }) => key)
      const collected = { all: collect<Item>() }
      all.window(windows).aggregate('sliced', collected).to(sink('sliced'))
      all.window(windows.trigger(onEventTime())).aggregate('whole', collected).to(sink('whole'))
    }),
  )
  // More than fire in one turn.
  const keys = 3_000
  for (let key = 0; key < keys; key++) t.push('a', { key: String(key), timestamp: 0, n: 1 })
  t.advanceWatermark('b', 1_000)
  await t.settled()
  t.advanceWatermark('a', 1_000)
  const last = String(keys - 1)
  t.push('b', { key: last, timestamp: 5, n: 2 })
  t.crash()
  for (const name of ['sliced', 'whole']) {
    const rows = await t.output<{ key: string; pane: { timing: string } }>(name)
    const timings = rows.filter(({ key }) => key === last).map(({ pane }) => pane.timing)
    expect(timings).toEqual(['onTime', 'late'])
  }
  await t.close()
})

it('sessions end in the same order, whatever was in memory', async () => {
  const orders = new Set<string>()
  for (const cache of [{ entries: 1_000 }, { entries: 1, bytes: 1 }]) {
    for (const reopens of [false, true]) {
      const t = await testJob(
        job('sessions', ({ source, sink }) =>
          source('items', Item)
            .keyBy(({ key }) => key)
            .window(session(10))
            .aggregate('sessions', { n: count<Item>() })
            .map(({ key, window }) => `${key} ${window.end}`)
            .to(sink('rows')),
        ),
        { cache },
      )
      for (const timestamp of [0, 20, 25]) t.push('items', { key: 'a', timestamp, n: 1 })
      await t.settled()
      if (reopens) t.reopen()
      for (const timestamp of [500, 501]) t.push('items', { key: 'z', timestamp, n: 1 })
      await t.settled()
      t.advanceWatermark('items', 15)
      t.push('items', { key: 'b', timestamp: 25, n: 1 })
      t.advanceWatermark('items', 100)
      orders.add((await t.output<string>('rows')).join())
      await t.close()
    }
  }
  expect(orders.size).toBe(1)
})
