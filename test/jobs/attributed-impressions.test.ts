import { testJob, type TestJob } from 'millrace/testing'
import { expect, test } from 'vitest'
import attributedImpressions from '../../jobs/attributed-impressions.ts'

const MINUTE = 60_000
const shown = (impressionId: number, timestamp: number) => ({
  impressionId,
  userId: 7,
  itemId: 31,
  timestamp,
})

function advance(t: TestJob, time: number): void {
  t.advanceWatermark('impressions', time)
  t.advanceWatermark('clicks', time)
}

const clicksOf = async (t: TestJob) =>
  (await t.output('attributed')).map((row) => [row['impressionId'], row['clickedAt']])

test('an impression has its click when one came within ten minutes, also over a crash', async () => {
  const t = await testJob(attributedImpressions)
  t.push('impressions', shown(1, 0), shown(2, 1_000), shown(3, 2_000))
  t.push('clicks', { impressionId: 1, timestamp: 5_000 })
  t.crash()
  t.push('clicks', { impressionId: 2, timestamp: 1_000 + 10 * MINUTE })
  t.push('clicks', { impressionId: 3, timestamp: 2_001 + 10 * MINUTE })
  t.push('clicks', { impressionId: 99, timestamp: 3_000 })
  advance(t, 1_000 + 10 * MINUTE)
  expect(await clicksOf(t)).toEqual([
    [1, 5_000],
    [2, 1_000 + 10 * MINUTE],
  ])
  advance(t, 2_000 + 10 * MINUTE)
  expect(await clicksOf(t)).toHaveLength(3)
  expect((await t.output('attributed')).at(-1)).toEqual({
    impressionId: 3,
    userId: 7,
    itemId: 31,
    shownAt: 2_000,
    clickedAt: null,
  })
  advance(t, 3 * 10 * MINUTE)
  for (const id of [1, 2, 3, 99]) expect(await t.state('attributed', id)).toBeUndefined()
  await t.close()
})

test('a click that comes before its impression waits for it', async () => {
  const t = await testJob(attributedImpressions)
  t.push('clicks', { impressionId: 1, timestamp: 9_000 })
  t.kill()
  t.push('impressions', shown(1, 4_000))
  t.endInput('impressions')
  t.endInput('clicks')
  expect(await clicksOf(t)).toEqual([[1, 9_000]])
  expect(await t.finished()).toBe(true)
  await t.close()
})

test('what comes too late is counted and kept', async () => {
  const t = await testJob(attributedImpressions)
  advance(t, MINUTE)
  t.push('impressions', shown(1, MINUTE))
  t.push('clicks', { impressionId: 1, timestamp: MINUTE + 1 })
  expect(await t.counters()).toMatchObject({ late: 1 })
  expect(await t.deadLetters()).toMatchObject([{ operator: 'attributed', key: 1, time: MINUTE }])
  await t.close()
})
