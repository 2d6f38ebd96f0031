/** What the hand-written loops must give, computed slowly and obviously. */
import { readFileSync } from 'node:fs'

interface Row {
  readonly userId: number
  readonly movieId: number
  readonly rating: number
  readonly timestamp: number
}

export function rowsOf(csv: string): readonly Row[] {
  const [, ...lines] = readFileSync(csv, 'utf8').trimEnd().split('\n')
  return lines.map((line) => {
    const [userId = 0, movieId = 0, rating = 0, timestamp = 0] = line.split(',').map(Number)
    return { userId, movieId, rating, timestamp }
  })
}

/** The rows of each user and window, and the last of them with the largest time. */
function windowsOf(
  csv: string,
  sizeSeconds: number,
): readonly { start: number; rows: readonly Row[]; latest: Row }[] {
  const groups = new Map<string, Row[]>()
  for (const row of rowsOf(csv)) {
    const window = `${row.userId} ${Math.floor(row.timestamp / sizeSeconds)}`
    groups.set(window, [...(groups.get(window) ?? []), row])
  }
  return [...groups.values()].map((rows) => {
    const newest = Math.max(...rows.map(({ timestamp }) => timestamp))
    const latest = rows.findLast(({ timestamp }) => timestamp === newest)
    if (latest === undefined) throw new Error('a group is never empty')
    return { start: Math.floor(newest / sizeSeconds) * sizeSeconds * 1_000, rows, latest }
  })
}

export function hourlyOracle(csv: string): readonly string[] {
  return windowsOf(csv, 3_600).map(({ start, rows, latest }) =>
    JSON.stringify({
      userId: latest.userId,
      windowStart: start,
      windowEnd: start + 3_600_000,
      mean: rows.reduce((sum, { rating }) => sum + rating, 0) / rows.length,
      movieId: latest.movieId,
      rating: latest.rating,
      timestamp: latest.timestamp,
    }),
  )
}

export function secondOracle(csv: string): readonly string[] {
  return windowsOf(csv, 1).map(({ start, latest }) =>
    JSON.stringify({ ...latest, windowStart: start, windowEnd: start + 1_000 }),
  )
}
