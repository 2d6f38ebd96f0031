/**
 * The commit protocol, a rule a test. The job's user code gives another value at every call, so that
 * what was made twice never looks like what was made once.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { actor, job, list, UnavailableError } from 'millrace'
import { MOMENTS, testJob, type TestJob, type TestOptions } from 'millrace/testing'
import * as z from 'zod'

const Item = z.object({ key: z.string(), timestamp: z.number() })

let draws = 0
const drawing = job('drawing', ({ source, sink }) => {
  const draw = actor('draw', {
    state: { drawn: list<number>() },
    onRecord(_: z.infer<typeof Item>, key) {
      draws += 1
      key.state.drawn.push(draws)
      key.emit({ key: key.id, drawn: draws })
    },
  })
  source('items', Item)
    .keyBy((item) => item.key)
    .process(draw)
    .to(sink('drawn'))
})

const item = (key: string): z.infer<typeof Item> => ({ key, timestamp: 0 })

let t: TestJob
const start = async (options?: TestOptions): Promise<void> => {
  draws = 0
  t = await testJob(drawing, options)
}
afterEach(async () => {
  await t.close()
})

/** What the sink has is what the state has: one history, each record in it once. */
async function expectOneHistory(records: number): Promise<void> {
  const rows = await t.output<{ key: string; drawn: number }>('drawn')
  expect(rows).toHaveLength(records)
  for (const key of new Set(rows.map((row) => row.key))) {
    const drawn = rows.filter((row) => row.key === key).map((row) => row.drawn)
    expect(await t.state('draw', key)).toMatchObject({ drawn })
  }
  expect((await t.counters()).records).toBe(records)
}

describe('the commit protocol', () => {
  it('hands nothing over before the epoch that made it is durable (I3)', async () => {
    await start()
    t.push('items', item('a'))
    // Committed and not flushed: had it left, the sink would hold what the state forgets here.
    t.crash()
    await expectOneHistory(1)
    expect(draws).toBe(2)
  })

  it('flushes what a killed process had committed before it hands it over (I3)', async () => {
    await start()
    t.crash('sent')
    t.push('items', item('a'))
    // Killed before the flush; the next process finds the epoch, sends it, and loses power.
    t.kill()
    await expectOneHistory(1)
    expect(draws).toBe(1)
  })

  it('commits state, positions and results together or not at all (I2)', async () => {
    for (const keptCommits of [0, 1, 2]) {
      await start()
      t.push('items', item('a'), item('b'), item('a'))
      await t.settled()
      t.push('items', item('a'), item('c'))
      t.crash({ keptCommits })
      await expectOneHistory(5)
      if (keptCommits < 2) await t.close()
    }
  })

  it('keeps results until they are taken, through any number of restarts (I4)', async () => {
    await start()
    t.kill('flushed')
    t.push('items', item('a'))
    await t.settled()
    for (const death of ['crash', 'kill', 'crash'] as const) {
      // Each new process dies once its opening is durable, before it delivers anything.
      t[death]('flushed')
      t.kill()
      t.push('items', item('a'))
      await t.settled()
    }
    await expectOneHistory(4)
  })

  it('adopts results that were taken and not acknowledged (I4)', async () => {
    for (const death of ['crash', 'kill'] as const) {
      await start()
      t[death]('sent')
      t.push('items', item('a'), item('b'))
      await t.settled()
      t[death]('acknowledged')
      t.push('items', item('a'))
      await expectOneHistory(3)
      if (death === 'crash') await t.close()
    }
  })

  it.each(MOMENTS)('survives two deaths in a row at the moment %s', async (moment) => {
    await start()
    t.push('items', item('a'), item('b'))
    await t.settled()
    t.crash(moment)
    t.push('items', item('c'))
    await t.settled()
    t.kill(moment)
    t.push('items', item('a'))
    t.push('items', item('a'))
    await t.settled()
    await expectOneHistory(5)
  })

  it('numbers epochs without holes, also over crashes (I1)', async () => {
    await start()
    let before = await t.epoch()
    for (let round = 0; round < 4; round++) {
      t.push('items', item('a'))
      const after = await t.epoch()
      expect(after).toBe(before + 1)
      t.push('items', item('a'))
      t.crash()
      // The lost epoch's number is given again: two for the opening, one for what was read again.
      before = await t.epoch()
      expect(before).toBe(after + 3)
    }
    await expectOneHistory(8)
  })

  it('stops at a failed flush, and goes on from what is durable when opened again', async () => {
    await start()
    t.push('items', item('a'))
    await t.settled()
    t.failFlush()
    t.push('items', item('b'))
    await expect(t.settled()).rejects.toThrow(UnavailableError)
    t.crash()
    await expectOneHistory(2)
    t.failFlush()
    t.push('items', item('b'))
    await expect(t.settled()).rejects.toThrow(UnavailableError)
    t.kill()
    await expectOneHistory(3)
  })

  it('reads each record once whatever the batches and the epochs are', async () => {
    await start({ batchRecordsMax: 2, commit: { records: 3 } })
    t.push('items', ...'abcabcabcabc'.split('').map(item))
    t.crash('applied')
    t.push('items', item('a'))
    await expectOneHistory(13)
    t.reopen({ batchRecordsMax: 100, commit: { records: 1 } })
    t.push('items', item('a'), item('b'))
    await expectOneHistory(15)
  })
})
