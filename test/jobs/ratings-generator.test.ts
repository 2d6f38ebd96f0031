import { describe, expect, test } from 'vitest'
import ratings, { films, generateRatings, lineOf } from '../../jobs/ratings-generator.ts'
import type { RatingsOptions } from '../../jobs/ratings-generator.ts'
import { Rating } from '../../jobs/schemas.ts'
import { SeededRandom, WeightedChoice } from '../../jobs/seeded-random.ts'

const sound = (options: Partial<RatingsOptions> = {}): Rating[] =>
  [...generateRatings({ ratings: 50_000, ...options })].filter((item) => typeof item !== 'string')

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length

/** Share of the ratings that go to the busiest tenth of what `by` says. */
function shareOfTopTenth(items: readonly Rating[], by: (rating: Rating) => number): number {
  const counts = new Map<number, number>()
  for (const item of items) counts.set(by(item), (counts.get(by(item)) ?? 0) + 1)
  const sorted = [...counts.values()].toSorted((left, right) => right - left)
  const top = sorted.slice(0, Math.ceil(sorted.length / 10))
  return top.reduce((sum, count) => sum + count, 0) / items.length
}

describe('the stream of ratings', () => {
  test('is a function of its seed and options', () => {
    const once = [...generateRatings({ seed: 7, ratings: 2_000 })]
    expect([...generateRatings({ seed: 7, ratings: 2_000 })]).toEqual(once)
    expect([...generateRatings({ seed: 8, ratings: 2_000 })]).not.toEqual(once)
  })

  test('has as many items as asked, all of the shape of MovieLens', () => {
    expect([...generateRatings({ ratings: 3_000 })]).toHaveLength(3_000)
    const startSeconds = 1_700_000_000
    const options = {
      ratings: 2_000,
      users: 50,
      films: 30,
      startTime: startSeconds * 1_000,
    }
    for (const item of sound(options)) {
      expect(Rating.safeParse(item).success).toBe(true)
      expect(item.userId).toBeGreaterThanOrEqual(1)
      expect(item.userId).toBeLessThanOrEqual(50)
      expect(item.movieId).toBeGreaterThanOrEqual(1)
      expect(item.movieId).toBeLessThanOrEqual(30)
      expect([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).toContain(item.rating * 2)
      expect(Number.isInteger(item.timestamp)).toBe(true)
      expect(item.timestamp).toBeGreaterThanOrEqual(startSeconds)
    }
  })

  test('can be endless', () => {
    let taken = 0
    for (const _ of generateRatings({ ratings: Number.POSITIVE_INFINITY })) {
      taken += 1
      if (taken === 1_000) break
    }
    expect(taken).toBe(1_000)
  })

  test('is skewed: a tenth of the films and of the users have far more than a tenth of it', () => {
    const items = sound({ ratings: 100_000 })
    expect(shareOfTopTenth(items, (item) => item.movieId)).toBeGreaterThan(0.35)
    expect(shareOfTopTenth(items, (item) => item.userId)).toBeGreaterThan(0.25)
  })

  test('users rate the genres they liked before higher again', () => {
    const catalogue = new Map(films(1).map((film) => [film.movieId, film]))
    const items = sound({ users: 100, ratings: 100_000 })
    const gains: number[] = []
    for (let userId = 1; userId <= 100; userId++) {
      const own = items.filter((item) => item.userId === userId)
      const [before, after] = [own.slice(0, own.length / 2), own.slice(own.length / 2)]
      const of = (list: readonly Rating[], genre: string): number[] =>
        list
          .filter(({ movieId }) => catalogue.get(movieId)?.genres.some((one) => one === genre))
          .map(({ rating }) => rating)
      const average = mean(before.map(({ rating }) => rating))
      for (const genre of ['Comedy', 'Drama', 'Horror']) {
        const [first, second] = [of(before, genre), of(after, genre)]
        if (first.length < 5 || second.length < 5 || mean(first) <= average) continue
        gains.push(mean(second) - mean(after.map(({ rating }) => rating)))
      }
    }
    expect(gains.length).toBeGreaterThan(30)
    expect(mean(gains)).toBeGreaterThan(0.1)
  })

  test('evenings are busier than nights', () => {
    const perHour = Array.from({ length: 24 }, () => 0)
    for (const { timestamp } of sound({ ratings: 100_000, perSecond: 100_000 / 86_400 })) {
      const hour = Math.floor(timestamp / 3_600) % 24
      perHour[hour] = (perHour[hour] ?? 0) + 1
    }
    expect(perHour[18]).toBeGreaterThan(2 * (perHour[3] ?? 0))
  })
})

describe('what is wrong with it', () => {
  test('without a share out of order it is in time order', () => {
    const times = sound({ outOfOrderShare: 0 }).map((item) => item.timestamp)
    expect(times).toEqual(times.toSorted((left, right) => left - right))
  })

  test('the stated share comes late, never by more than the bound', () => {
    let newest = 0
    let late = 0
    const items = sound({ outOfOrderShare: 0.1, perSecond: 20 })
    let latest = 0
    for (const { timestamp } of items) {
      newest = Math.max(newest, timestamp)
      latest = Math.max(latest, newest - timestamp)
      if (timestamp < newest) late += 1
    }
    expect(latest).toBe(3)
    expect(late / items.length).toBeGreaterThan(0.09)
    expect(late / items.length).toBeLessThan(0.11)
  })

  test('the stated share is broken, in five ways that a decoder, a schema or a clock can tell', () => {
    const items = [...generateRatings({ ratings: 20_000, brokenShare: 0.05 })]
    const lines = items.filter((item) => typeof item === 'string')
    expect(lines.length / items.length).toBeGreaterThan(0.04)
    expect(lines.length / items.length).toBeLessThan(0.06)
    const yearAhead = Date.UTC(2025, 0, 1) / 1_000
    const kinds = new Set(lines.map((line) => kindOf(line, yearAhead)))
    expect([...kinds].toSorted()).toEqual(['far ahead', 'in ms', 'no time', 'not JSON', 'text'])
  })

  test('a line is the JSON of a rating, or the broken line as it is', () => {
    const rating = { userId: 1, movieId: 31, rating: 2.5, timestamp: 1_260_759_144 }
    expect(lineOf(rating)).toBe('{"userId":1,"movieId":31,"rating":2.5,"timestamp":1260759144}')
    expect(lineOf('{"userId":1,')).toBe('{"userId":1,')
  })

  test('an option of a manifest that does not exist is refused with those that do', () => {
    expect(() => ratings({ user: 5 } as Partial<RatingsOptions>)).toThrow(
      /unknown option 'user'; known are seed, users, films/,
    )
    expect([...ratings({ ratings: 3 })]).toHaveLength(3)
  })
})

function kindOf(line: string, farAhead: number): string {
  let record: Record<string, unknown>
  try {
    record = JSON.parse(line) as Record<string, unknown>
  } catch {
    return 'not JSON'
  }
  const time = record['timestamp']
  if (time === undefined) return 'no time'
  if (typeof time === 'string') return 'text'
  if (typeof time === 'number' && time > 1e12) return 'in ms'
  return typeof time === 'number' && time > farAhead ? 'far ahead' : 'sound'
}

describe('films', () => {
  test('have ids from 1, titles of their own with the year, one to three genres', () => {
    const catalogue = films(3, 1_000)
    expect(catalogue.map((film) => film.movieId)).toEqual(
      Array.from({ length: 1_000 }, (_, index) => index + 1),
    )
    for (const { title, year, genres } of catalogue) {
      expect(title).toMatch(new RegExp(`^[A-Z].+ \\(${year}\\)$`))
      expect(new Set(genres).size).toBe(genres.length)
      expect(genres.length).toBeGreaterThanOrEqual(1)
      expect(genres.length).toBeLessThanOrEqual(3)
    }
    const names = catalogue.map(({ title }) => title.replace(/ \(\d+\)$/, ''))
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('weighted choice', () => {
  test('draws in proportion to the weights', () => {
    const choice = new WeightedChoice([1, 2, 3, 94])
    const random = new SeededRandom(5)
    const counts = [0, 0, 0, 0]
    for (let draw = 0; draw < 100_000; draw++) {
      const index = choice.draw(random)
      counts[index] = (counts[index] ?? 0) + 1
    }
    const shares = counts.map((count) => Math.round(count / 1_000))
    expect(shares).toEqual([1, 2, 3, 94])
  })

  test('of one is that one', () => {
    expect(new WeightedChoice([0.1]).draw(new SeededRandom(1))).toBe(0)
  })
})
