/**
 * The hand-written loop of row 1: mean and latest rating per user and hour, from a file in time order
 * to a file. No durability: a Map of users for each open hour, written when time has passed its end.
 */
import { readRatings } from './read-ratings.ts'
import { LineWriter } from './line-writer.ts'

const HOUR_SECONDS = 3_600
const OUT_OF_ORDER_SECONDS = 5

interface Hourly {
  sum: number
  count: number
  movieId: number
  rating: number
  timestamp: number
}

/** @returns how many ratings were read. */
export function hourlyLoop(input: string, output: string): number {
  const writer = new LineWriter(output)
  const open = new Map<number, Map<number, Hourly>>()
  let currentHour = -1
  let current = new Map<number, Hourly>()
  let maxTime = 0
  let nextEnd = Number.POSITIVE_INFINITY

  const closeUpTo = (time: number): void => {
    nextEnd = Number.POSITIVE_INFINITY
    for (const [hour, users] of open) {
      const end = (hour + 1) * HOUR_SECONDS
      if (end <= time) {
        writeHour(writer, hour, users)
        open.delete(hour)
      } else if (end < nextEnd) nextEnd = end
    }
  }

  const records = readRatings(input, (userId, movieId, rating, timestamp) => {
    const hour = Math.floor(timestamp / HOUR_SECONDS)
    if (hour !== currentHour) {
      currentHour = hour
      let users = open.get(hour)
      if (users === undefined) open.set(hour, (users = new Map<number, Hourly>()))
      current = users
      nextEnd = Math.min(nextEnd, (hour + 1) * HOUR_SECONDS)
    }
    const known = current.get(userId)
    if (known === undefined) {
      current.set(userId, { sum: rating, count: 1, movieId, rating, timestamp })
    } else {
      known.sum += rating
      known.count += 1
      if (timestamp >= known.timestamp) {
        known.movieId = movieId
        known.rating = rating
        known.timestamp = timestamp
      }
    }
    if (timestamp > maxTime) {
      maxTime = timestamp
      if (maxTime - OUT_OF_ORDER_SECONDS >= nextEnd) {
        closeUpTo(maxTime - OUT_OF_ORDER_SECONDS)
        currentHour = -1
      }
    }
  })
  closeUpTo(Number.POSITIVE_INFINITY)
  writer.close()
  return records
}

function writeHour(writer: LineWriter, hour: number, users: Map<number, Hourly>): void {
  const start = hour * HOUR_SECONDS * 1_000
  // The same for the whole window; big numbers are slow to turn into text.
  const window = `,"windowStart":${start},"windowEnd":${start + HOUR_SECONDS * 1_000}`
  for (const [userId, { sum, count, movieId, rating, timestamp }] of users) {
    writer.write(
      `{"userId":${userId}${window},"mean":${sum / count},"movieId":${movieId},"rating":${rating},"timestamp":${timestamp}}\n`,
    )
  }
}
