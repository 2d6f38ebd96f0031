// Live latency: keyed state and a result for each record, which carries when it was published.
import { actor, job, value } from 'millrace'
import { z } from 'zod'

const Published = z.object({
  userId: z.number(),
  movieId: z.number(),
  rating: z.number(),
  publishedAt: z.number(),
})
type Published = z.infer<typeof Published>

interface Tally {
  readonly userId: number
  readonly count: number
  readonly movieId: number
  readonly publishedAt: number
}

const tally = actor('tally', {
  state: { count: value<number>() },
  onRecord(record: Published, key) {
    const count = (key.state.count.get() ?? 0) + 1
    key.state.count.set(count)
    const { userId, movieId, publishedAt } = record
    key.emit({ userId, count, movieId, publishedAt } satisfies Tally)
  },
})

export default job('bench-live', ({ source, sink }) => {
  source('ratings', Published)
    .keyBy((record) => record.userId)
    .process(tally)
    .to(sink('results'))
})
