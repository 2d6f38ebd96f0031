// How long each user kept rating: a session goes on while less than half an hour, or just that, passes
// between two ratings. A window of a session ends a gap behind its last rating; the result ends there.
import { count, job, session } from 'millrace'
import { Rating } from './schemas.ts'

const GAP_MS = 30 * 60_000

export default job('session-length', ({ source, sink }) => {
  source('ratings', Rating)
    .keyBy((rating) => rating.userId)
    .window(session(GAP_MS))
    .aggregate('sessions', { records: count() })
    .map(({ key, value, window }) => ({
      userId: key,
      start: window.start,
      end: window.end - GAP_MS,
      lengthMs: window.end - GAP_MS - window.start,
      records: value.records,
    }))
    .to(sink('sessions'))
})
