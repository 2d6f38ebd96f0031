/** What the job has to make of its ratings: an independent computation, kept slow and obvious. */
import type { Rating } from '../../jobs/schemas.ts'

/** A line of results for each user and second: the rating with the larger timestamp, of equal ones the later. */
export function latestRatings(ratings: Iterable<Rating>): string[] {
  const latest = new Map<string, Rating>()
  for (const rating of ratings) {
    const second = `${rating.userId} ${Math.floor(rating.timestamp)}`
    const known = latest.get(second)
    if (known === undefined || rating.timestamp >= known.timestamp) latest.set(second, rating)
  }
  return [...latest.values()].map(({ userId, movieId, rating, timestamp }) => {
    const windowStart = Math.floor(timestamp) * 1_000
    const windowEnd = windowStart + 1_000
    return JSON.stringify({ userId, movieId, rating, timestamp, windowStart, windowEnd })
  })
}

/** Each user's newest rating, as the demo's table keeps it. */
export function lastFilms(ratings: Iterable<Rating>): Map<number, Omit<Rating, 'userId'>> {
  const last = new Map<number, Omit<Rating, 'userId'>>()
  for (const { userId, movieId, rating, timestamp } of ratings) {
    const known = last.get(userId)
    if (known === undefined || timestamp >= known.timestamp)
      last.set(userId, { movieId, rating, timestamp })
  }
  return last
}

/** How two lists of lines differ, as multisets: nothing missing, nothing twice. Empty when they do not. */
export function differences(found: readonly string[], expected: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const line of expected) counts.set(line, (counts.get(line) ?? 0) + 1)
  for (const line of found) counts.set(line, (counts.get(line) ?? 0) - 1)
  const wrong: string[] = []
  for (const [line, count] of counts) {
    if (count > 0) wrong.push(`missing ${count} time(s): ${line}`)
    if (count < 0) wrong.push(`${-count} time(s) too often: ${line}`)
  }
  if (wrong.length > 10) wrong.splice(10, wrong.length, `… ${wrong.length} differences in all`)
  return wrong
}
