import { afterEach, describe, expect, it } from 'vitest'
import { count, job, sum, tumbling } from 'millrace'
import { testJob, type TestJob } from 'millrace/testing'
import * as z from 'zod'

const Click = z.object({ user: z.string(), page: z.string(), timestamp: z.number() })

/** Clicks a user and second, and of these the sum a page-less minute: a window behind a window. */
const chained = job('chained', ({ source, sink }) => {
  source('clicks', Click)
    .keyBy((click) => click.user)
    .window(tumbling('1s'))
    .aggregate('seconds', { clicks: count() })
    .keyBy(() => 'all')
    .window(tumbling('1s'))
    .aggregate('total', { clicks: sum((second) => second.value.clicks) })
    .map(({ value, window }) => ({ start: window.start, clicks: value.clicks }))
    .to(sink('totals'))
})

const click = (user: string, timestamp: number): z.infer<typeof Click> => ({
  user,
  page: 'home',
  timestamp,
})

const jobs: TestJob[] = []
afterEach(async () => {
  for (const t of jobs.splice(0)) await t.close()
})

async function start(): Promise<TestJob> {
  const t = await testJob(chained)
  jobs.push(t)
  return t
}

describe('a window behind a window', () => {
  //  a ──x───────x──────────x────────▷   0.1 s, 1.2 s, 4.0 s
  //  b ──x───────────────────────────▷   0.2 s; then one step of the watermark to 9 s
  it('gets the results of the first one in time, however far the watermark jumps', async () => {
    const t = await start()
    t.push('clicks', click('a', 100), click('b', 200), click('a', 1_200), click('a', 4_000))
    t.advanceWatermark('clicks', 9_000)
    expect(await t.output('totals')).toEqual([
      { start: 0, clicks: 2 },
      { start: 1_000, clicks: 1 },
      { start: 4_000, clicks: 1 },
    ])
    expect((await t.counters()).late).toBe(0)
  })

  it('gets all of them when more timers are due than one turn of the loop fires', async () => {
    const t = await start()
    const users = Array.from({ length: 5_000 }, (_, i) => click(`user ${i}`, 500))
    t.push('clicks', ...users)
    t.advanceWatermark('clicks', 60_000)
    expect(await t.output('totals')).toEqual([{ start: 0, clicks: 5_000 }])
    expect((await t.counters()).late).toBe(0)
  })

  it('does so over a crash between the windows', async () => {
    const t = await start()
    t.push('clicks', click('a', 100), click('b', 200))
    t.crash()
    t.push('clicks', click('c', 300))
    t.endInput('clicks')
    expect(await t.output('totals')).toEqual([{ start: 0, clicks: 3 }])
  })
})
