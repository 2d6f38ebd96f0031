/** What the file benchmarks read. */
import { generateRatings } from '../jobs/ratings-generator.ts'
import { SeededRandom } from '../jobs/seeded-random.ts'
import { dataFile } from './data-file.ts'

export interface BenchData {
  /** CSV with a header, in time order. */
  readonly path: string
  readonly records: number
}

const DAY_SECONDS = 86_400

/** One day of event time with `records` ratings of `users` users, like MovieLens' ratings.csv. */
export async function makeData(records = 5_000_000, users = 10_000): Promise<BenchData> {
  const name = `ratings-${records}-of-${users}.csv`
  return { path: await dataFile(name, 'ratings 1', () => ratingLines(records, users)), records }
}

function* ratingLines(records: number, users: number): Iterable<string> {
  const ratings = generateRatings({
    ratings: records,
    users,
    perSecond: records / DAY_SECONDS,
    outOfOrderShare: 0,
    brokenShare: 0,
  })
  yield 'userId,movieId,rating,timestamp'
  for (const item of ratings) {
    if (typeof item === 'string') continue
    yield `${item.userId},${item.movieId},${item.rating.toFixed(1)},${item.timestamp}`
  }
}

/** 2024-01-01T00:00Z */
const START_MS = 1_704_067_200_000

/** Numbers of random keys, evenly over `seconds` of event time. */
export async function makeNumbers(
  records: number,
  keys: number,
  seconds: number,
): Promise<BenchData> {
  const name = `numbers-${records}-of-${keys}-in-${seconds}s.csv`
  return {
    path: await dataFile(name, 'numbers 1', () => numberLines(records, keys, seconds)),
    records,
  }
}

function* numberLines(records: number, keys: number, seconds: number): Iterable<string> {
  const random = new SeededRandom(1)
  yield 'key,n,timestamp'
  for (let i = 0; i < records; i++) {
    const timestamp = START_MS + Math.floor((i / records) * seconds * 1_000)
    yield `${random.below(keys)},${random.below(1_000)},${timestamp}`
  }
}

/** Numbers of many keys within an hour, and one record two hours later, which makes all of them due at once. */
export async function makeHourThenLater(keys: number): Promise<BenchData> {
  const name = `hour-of-${keys}-keys-then-later.csv`
  const lines = function* (): Iterable<string> {
    yield 'key,n,timestamp'
    for (let key = 0; key < keys; key++) {
      yield `${key},1,${START_MS + Math.floor((key / keys) * 3_599_000)}`
    }
    yield `0,1,${START_MS + 3 * 3_600_000}`
  }
  return { path: await dataFile(name, 'hour then later 1', lines), records: keys + 1 }
}

export interface ImpressionData {
  readonly impressions: string
  readonly clicks: string
  /** Of both files. */
  readonly records: number
}

const CLICKED_SHARE = 0.05
const CLICK_WITHIN_MS = 600_000

/** A day of impressions, and the clicks on one in twenty of them within ten minutes; both in time order. */
export async function makeImpressions(count: number): Promise<ImpressionData> {
  const clicks = clicksOn(count)
  return {
    impressions: await dataFile(`impressions-${count}.csv`, 'impressions 1', () =>
      impressionLines(count),
    ),
    clicks: await dataFile(`clicks-on-${count}.csv`, 'clicks 1', () => clickLines(clicks)),
    records: count + clicks.length,
  }
}

const shownAt = (id: number, count: number): number =>
  START_MS + Math.floor((id / count) * DAY_SECONDS * 1_000)

function* impressionLines(count: number): Iterable<string> {
  const random = new SeededRandom(2)
  yield 'impressionId,userId,itemId,timestamp'
  for (let id = 0; id < count; id++) {
    yield `${id},${random.below(100_000)},${random.below(10_000)},${shownAt(id, count)}`
  }
}

type ClickAt = readonly [impressionId: number, timestamp: number]

function clicksOn(count: number): readonly ClickAt[] {
  const random = new SeededRandom(3)
  const clicks: ClickAt[] = []
  for (let id = 0; id < count; id++) {
    if (random.next() >= CLICKED_SHARE) continue
    clicks.push([id, shownAt(id, count) + random.below(CLICK_WITHIN_MS)])
  }
  return clicks.toSorted(([, a], [, b]) => a - b)
}

function* clickLines(clicks: readonly ClickAt[]): Iterable<string> {
  yield 'impressionId,timestamp'
  for (const [id, timestamp] of clicks) yield `${id},${timestamp}`
}
