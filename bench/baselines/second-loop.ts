/**
 * The hand-written loop of row 2: the latest rating per user and second, from a file in time order to
 * a file. Nearly every record is a result. No durability.
 */
import { readRatings } from './read-ratings.ts'
import { LineWriter } from './line-writer.ts'

const OUT_OF_ORDER_SECONDS = 5

interface Latest {
  movieId: number
  rating: number
  timestamp: number
}

/** @returns how many ratings were read. */
export function secondLoop(input: string, output: string): number {
  const writer = new LineWriter(output)
  const open = new Map<number, Map<number, Latest>>()
  let currentSecond = -1
  let current = new Map<number, Latest>()
  let maxTime = Number.NEGATIVE_INFINITY

  const closeUpTo = (time: number): void => {
    for (const [second, users] of open) {
      if (second + 1 > time) continue
      writeSecond(writer, second, users)
      open.delete(second)
    }
  }

  const records = readRatings(input, (userId, movieId, rating, timestamp) => {
    if (timestamp !== currentSecond) {
      currentSecond = timestamp
      let users = open.get(timestamp)
      if (users === undefined) open.set(timestamp, (users = new Map<number, Latest>()))
      current = users
      if (timestamp > maxTime) {
        maxTime = timestamp
        closeUpTo(timestamp - OUT_OF_ORDER_SECONDS)
      }
    }
    const known = current.get(userId)
    if (known === undefined) current.set(userId, { movieId, rating, timestamp })
    else if (timestamp >= known.timestamp) {
      known.movieId = movieId
      known.rating = rating
      known.timestamp = timestamp
    }
  })
  closeUpTo(Number.POSITIVE_INFINITY)
  writer.close()
  return records
}

function writeSecond(writer: LineWriter, second: number, users: Map<number, Latest>): void {
  const start = second * 1_000
  // The same for the whole window; big numbers are slow to turn into text.
  const tail = `,"windowStart":${start},"windowEnd":${start + 1_000}}\n`
  for (const [userId, { movieId, rating, timestamp }] of users) {
    writer.write(
      `{"userId":${userId},"movieId":${movieId},"rating":${rating},"timestamp":${timestamp}` + tail,
    )
  }
}
