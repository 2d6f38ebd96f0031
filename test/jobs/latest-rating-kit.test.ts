import { testJob } from 'millrace/testing'
import { expect, test } from 'vitest'
import latestRating from '../../jobs/latest-rating.ts'

test('of two ratings in the same second the later one wins, also over a crash', async () => {
  const t = await testJob(latestRating, { eventTime: { ratings: { unit: 's' } } })
  t.push('ratings', { userId: 1, movieId: 31, rating: 4, timestamp: 10 })
  t.push('ratings', { userId: 1, movieId: 29, rating: 5, timestamp: 10 })
  t.crash()
  t.advanceWatermark('ratings', 11_000)
  expect((await t.output('latest')).map((row) => row['movieId'])).toEqual([29])
})
