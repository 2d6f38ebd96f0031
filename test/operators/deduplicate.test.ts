import { describe, expect, it } from 'vitest'
import { job, type DeduplicateOptions } from 'millrace'
import { testJob, type TestJob } from 'millrace/testing'
import * as z from 'zod'
import { newSeed, randomFrom } from '../support/random.ts'

const Seen = z.object({ key: z.string(), timestamp: z.number(), id: z.number() })
type Seen = z.infer<typeof Seen>

const deduplicating = (options: DeduplicateOptions) =>
  job('deduplicating', ({ source, sink }) => {
    const first = source('seen', Seen)
      .keyBy((seen) => seen.key)
      .deduplicate('first', options)
    first.to(sink('out'))
    first.duplicates.to(sink('duplicates'))
    first.late.to(sink('late'))
  })

let ids = 0
const seen = (timestamp: number, key = 'k'): Seen => ({ key, timestamp, id: ids++ })
const SINKS = ['out', 'duplicates', 'late'] as const
const timesOf = async (t: TestJob): Promise<Record<string, number[]>> => {
  const times = SINKS.map(async (sink) => {
    const rows = await t.output<Seen>(sink)
    return [sink, rows.map(({ timestamp }) => timestamp)] as const
  })
  return Object.fromEntries(await Promise.all(times)) as Record<string, number[]>
}

describe('deduplicate', () => {
  it('keeps the first that comes, and sets aside what is less than `within` away, earlier or later', async () => {
    const t = await testJob(deduplicating({ within: '10ms' }))
    t.push('seen', ...[100, 100, 109, 91, 110, 90, 115, 95, 130].map((at) => seen(at)))
    t.push('seen', seen(100, 'other'))
    expect(await timesOf(t)).toEqual({
      out: [100, 110, 90, 130, 100],
      duplicates: [100, 109, 91, 115, 95],
      late: [],
    })
    await t.close()
  })

  it('is not prolonged by duplicates', async () => {
    const t = await testJob(deduplicating({ within: '10ms' }))
    t.push('seen', ...[0, 9, 10, 18, 20].map((at) => seen(at)))
    expect((await timesOf(t))['out']).toEqual([0, 10, 20])
    await t.close()
  })

  it('forgets a key once no duplicate can come any more, and not before', async () => {
    const t = await testJob(deduplicating({ within: '10ms' }))
    t.push('seen', seen(100))
    t.advanceWatermark('seen', 108)
    expect(await t.state('first', 'k')).toEqual({ kept: new Map([[10, 100]]) })
    t.push('seen', seen(109))
    t.crash()
    t.advanceWatermark('seen', 109)
    expect(await t.state('first', 'k')).toBeUndefined()
    t.push('seen', seen(110))
    expect(await timesOf(t)).toEqual({ out: [100, 110], duplicates: [109], late: [] })
    await t.close()
  })

  it('takes what is too late to tell for late, and remembers as long as it is told', async () => {
    const t = await testJob(deduplicating({ within: '10ms' }))
    t.push('seen', seen(100))
    t.advanceWatermark('seen', 105)
    t.push('seen', seen(99), seen(50), seen(105, 'new'), seen(106, 'new'))
    expect(await timesOf(t)).toEqual({ out: [100, 106], duplicates: [99], late: [50, 105] })
    expect(await t.counters()).toMatchObject({ late: 2 })
    await t.close()

    const patient = await testJob(deduplicating({ within: '10ms', allowedLateness: '100ms' }))
    patient.push('seen', seen(100))
    patient.advanceWatermark('seen', 199)
    patient.push('seen', seen(99), seen(100, 'new'), seen(109), seen(99, 'new'), seen(88, 'late'))
    expect(await timesOf(patient)).toEqual({
      out: [100, 100],
      duplicates: [99, 109, 99],
      late: [88],
    })
    await patient.close()
  })

  it('is refused at the definition when a duration makes no sense', () => {
    for (const [options, text] of [
      [{ within: 0 }, /deduplicate 'first': within 0 is not positive/],
      [{ within: '-1s' }, /not positive/],
      [{ within: 1.5 }, /within: 1.5 is not a duration/],
      [{ within: 'soon' }, /within: "soon" is not a duration/],
      [{ within: 1, allowedLateness: -1 }, /allowedLateness -1 is negative/],
    ] as const) {
      expect(() => deduplicating(options), JSON.stringify(options)).toThrow(text)
    }
  })

  it('agrees with a list of all that was kept, whatever the batches, evictions and crashes', async () => {
    const seed = newSeed()
    for (let round = 0; round < 60; round++) {
      const random = randomFrom(seed + round)
      const below = (limit: number): number => Math.floor(random() * limit)
      const scale = round % 2 === 0 ? 1 : 100
      const [withinMs, boundMs, latenessMs] = [1 + below(30), below(20), below(2) * below(40)].map(
        (ms) => ms * scale,
      ) as [number, number, number]
      let time = below(1_000) - 500
      const all = Array.from({ length: 120 }, () => {
        time += below(8 * scale)
        return seen(time - below((random() < 0.1 ? 80 : 15) * scale), `k${below(4)}`)
      })
      const t = await testJob(deduplicating({ within: withinMs, allowedLateness: latenessMs }), {
        eventTime: { seen: { outOfOrder: boundMs } },
        cache: { entries: 1 + below(5) },
        batchRecordsMax: 1 + below(30),
        commit: { records: 1 + below(40) },
      })
      for (let at = 0; at < all.length;) {
        const run = 1 + below(20)
        t.push('seen', ...all.slice(at, (at += run)))
        const choice = random()
        if (choice < 0.1) t.crash()
        else if (choice < 0.2) t.kill()
        else if (choice < 0.25) t.reopen({ batchRecordsMax: 1 + below(9) })
      }
      const routes = new Map<number, string>()
      for (const sink of SINKS) {
        for (const { id } of await t.output<Seen>(sink)) {
          expect(routes.has(id)).toBe(false)
          routes.set(id, sink)
        }
      }
      const kept: Seen[] = []
      let watermark = Number.NEGATIVE_INFINITY
      for (const record of all) {
        const hint = `seed ${seed + round}, record ${JSON.stringify(record)}`
        const { key, timestamp } = record
        const isNear = kept.some(
          (other) => other.key === key && Math.abs(other.timestamp - timestamp) < withinMs,
        )
        const isLate = timestamp + latenessMs <= watermark
        const route = routes.get(record.id)
        if (!isLate) expect(route, hint).toBe(isNear ? 'duplicates' : 'out')
        else if (!isNear) expect(route, hint).toBe('late')
        else expect(['late', 'duplicates'], hint).toContain(route)
        if (route === 'out') kept.push(record)
        watermark = Math.max(watermark, timestamp - boundMs - 1)
      }
      t.endInput('seen')
      for (const key of ['k0', 'k1', 'k2', 'k3'])
        expect(await t.state('first', key)).toBeUndefined()
      await t.close()
    }
  })
})
