// Restore: state of about a kilobyte a key, and a result for each record.
import { actor, job, value } from 'millrace'
import { z } from 'zod'

const Rating = z.object({
  userId: z.number(),
  movieId: z.number(),
  rating: z.number(),
  publishedAt: z.number(),
})
type Rating = z.infer<typeof Rating>

const TEXT = 'what is known of a user '.repeat(40)

const profile = actor('profile', {
  state: { text: value<string>() },
  onRecord({ userId, movieId }: Rating, key) {
    key.state.text.set(`${TEXT}${userId} ${movieId}`)
    key.emit({ userId, movieId })
  },
})

export default job('bench-large-state', ({ source, sink }) => {
  source('ratings', Rating)
    .keyBy((rating) => rating.userId)
    .process(profile)
    .to(sink('results'))
})
