import { describe, expect, it } from 'vitest'
import { count, job, tumbling } from 'millrace'
import { testJob } from 'millrace/testing'
import * as z from 'zod'

const Hit = z.object({ key: z.string(), timestamp: z.number() })

const counting = job('counting', ({ source, sink }) => {
  const [web, app] = [source('web', Hit), source('app', Hit)]
  web
    .union(app)
    .keyBy((hit) => hit.key)
    .window(tumbling(10))
    .aggregate('hits', { n: count() })
    .map(({ key, value: { n }, window }) => `${key} ${n} @${window.start}`)
    .to(sink('hits'))
  web.map(({ key }) => key).to(sink('web'))
})

describe('a union', () => {
  it('comes as far in time as the slowest of its streams, over crashes', async () => {
    for (const between of ['settled', 'crash', 'kill', 'reopen'] as const) {
      const t = await testJob(counting)
      const step = async (): Promise<void> => {
        await t[between]()
      }
      t.push('web', { key: 'a', timestamp: 1 }, { key: 'b', timestamp: 2 })
      t.advanceWatermark('web', 100)
      await step()
      t.push('app', { key: 'a', timestamp: 3 })
      await step()
      t.advanceWatermark('app', 8)
      await step()
      expect(await t.output('hits')).toEqual([])
      t.advanceWatermark('app', 9)
      await step()
      expect(await t.output<string>('hits')).toEqual(['a 2 @0', 'b 1 @0'])
      expect(await t.output('web')).toEqual(['a', 'b'])
      await t.close()
    }
  })

  it('waits no longer for a stream that is idle, until it speaks again', async () => {
    const eventTime = { outOfOrder: 0, idleAfter: '30s' }
    const t = await testJob(counting, { eventTime: { web: eventTime, app: eventTime } })
    t.push('web', { key: 'a', timestamp: 1 })
    t.advanceClock('20s')
    t.push('web', { key: 'a', timestamp: 50 })
    expect(await t.output('hits')).toEqual([])
    t.advanceClock('10s')
    t.push('web', { key: 'a', timestamp: 61 })
    expect(await t.output('hits')).toEqual(['a 1 @0', 'a 1 @50'])
    t.push('app', { key: 'a', timestamp: 62 })
    t.push('web', { key: 'a', timestamp: 99 })
    expect(await t.output('hits')).toHaveLength(2)
    t.push('app', { key: 'a', timestamp: 99 })
    expect(await t.output('hits')).toEqual(['a 1 @0', 'a 1 @50', 'a 2 @60'])
    await t.close()
  })

  it('ends when all of its streams have', async () => {
    const t = await testJob(counting)
    t.push('web', { key: 'a', timestamp: 1 })
    t.endInput('web')
    expect([await t.finished(), await t.output('hits')]).toEqual([false, []])
    t.crash()
    t.push('app', { key: 'a', timestamp: 2 })
    t.endInput('app')
    expect([await t.finished(), await t.output('hits')]).toEqual([true, ['a 2 @0']])
    await t.close()
  })
})
