/** The ratings that the crash tests run on. */
import { generateRatings, lineOf } from '../../jobs/ratings-generator.ts'
import type { Rating } from '../../jobs/schemas.ts'

export interface TestInput {
  /** What travels: a line of JSON each, the broken ones as they are. */
  readonly lines: readonly string[]
  /** The ratings among them. */
  readonly ratings: readonly Rating[]
  readonly brokenCount: number
}

/** Some out of order within the bound of the job's manifest, so nothing is late; a few broken. */
export function testInput(count: number, seed: number): TestInput {
  const items = [
    ...generateRatings({ ratings: count, seed, users: 200, perSecond: 20, brokenShare: 0.002 }),
  ]
  const ratings = items.filter((item) => typeof item !== 'string')
  return { lines: items.map(lineOf), ratings, brokenCount: items.length - ratings.length }
}

/** A rating so late that every window before it fires; its own stays open in a live job. */
export function closingRating(ratings: readonly Rating[]): Rating {
  const timestamp = ratings.reduce((latest, rating) => Math.max(latest, rating.timestamp), 0) + 60
  return { userId: 0, movieId: 0, rating: 0, timestamp }
}

/** The ratings of a CSV file with MovieLens' columns, read in the simplest way there is. */
export function ratingsOfCsv(text: string): Rating[] {
  const [header = '', ...lines] = text.trim().split(/\r?\n/)
  const columns = header.split(',')
  return lines.map((line) => {
    const fields = line.split(',')
    const field = (name: keyof Rating): number => Number(fields[columns.indexOf(name)])
    return {
      userId: field('userId'),
      movieId: field('movieId'),
      rating: field('rating'),
      timestamp: field('timestamp'),
    }
  })
}

/** … and the text of such a file. */
export function csvOfRatings(ratings: readonly Rating[]): string {
  const lines = ratings.map((row) => `${row.userId},${row.movieId},${row.rating},${row.timestamp}`)
  return `userId,movieId,rating,timestamp\n${lines.join('\n')}\n`
}
