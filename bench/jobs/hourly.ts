// Row 1: each user's mean and latest rating by hour.
import { job, maxBy, mean, tumbling } from 'millrace'
import { Rating } from '../../jobs/schemas.ts'

export default job('bench-hourly', ({ source, sink }) => {
  source('ratings', Rating)
    .keyBy((rating) => rating.userId)
    .window(tumbling('1h'))
    .aggregate('hourly', {
      mean: mean((rating) => rating.rating),
      latest: maxBy((rating) => rating.timestamp),
    })
    .map(({ key, value, window }) => ({
      userId: key,
      windowStart: window.start,
      windowEnd: window.end,
      mean: value.mean,
      movieId: value.latest?.movieId,
      rating: value.latest?.rating,
      timestamp: value.latest?.timestamp,
    }))
    .to(sink('results'))
})
