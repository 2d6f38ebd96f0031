// The demo: each user's latest rating by second, and a table of the film each user saw last.
import { job, tumbling } from 'millrace'
import { Rating } from './schemas.ts'

export default job('demo', ({ source, sink }) => {
  const latest = source('ratings', Rating)
    .keyBy((rating) => rating.userId)
    .window(tumbling('1s'))
    .reduce('latest', (a, b) => (b.timestamp >= a.timestamp ? b : a))
    // Field by field: Node 20 takes two microseconds for a spread with fields behind it.
    .map(({ value, window }) => ({
      userId: value.userId,
      movieId: value.movieId,
      rating: value.rating,
      timestamp: value.timestamp,
      windowStart: window.start,
      windowEnd: window.end,
    }))

  latest.to(sink('latestRatings'))
  latest
    .map(({ movieId, rating, timestamp }) => ({ movieId, rating, timestamp }))
    .to(sink('lastFilm'))
})
