/**
 * A stream of ratings like MovieLens', made from a seed. Users rate in sittings of a few films,
 * mostly in the evening; they pick popular films and such as they like, and give more stars to what
 * they like, on better days more than on others. Some ratings arrive out of order, a few are broken.
 */
import { FILMS_DEFAULT, films, GENRES } from './films.ts'
import type { Film } from './films.ts'
import type { Rating } from './schemas.ts'
import { SeededRandom, WeightedChoice } from './seeded-random.ts'

export { films } from './films.ts'
export type { Film } from './films.ts'

export interface RatingsOptions {
  /** The same seed and options give the same ratings. */
  readonly seed: number
  readonly users: number
  readonly films: number
  /** How many items are made, the broken ones included. */
  readonly ratings: number
  /** Ratings in a second of event time, as the mean of a day. */
  readonly perSecond: number
  /** Share of ratings that arrive 1 to `outOfOrderMaxSeconds` too late, 0 to 1. */
  readonly outOfOrderShare: number
  readonly outOfOrderMaxSeconds: number
  /** Share of items that are a broken line instead of a rating, 0 to 1. */
  readonly brokenShare: number
  /** Event time of the first rating: milliseconds since the epoch. */
  readonly startTime: number
}

export const RATINGS_DEFAULTS: RatingsOptions = {
  seed: 1,
  users: 1_000,
  films: FILMS_DEFAULT,
  ratings: 100_000,
  perSecond: 50,
  outOfOrderShare: 0.05,
  outOfOrderMaxSeconds: 3,
  brokenShare: 0.000_2,
  startTime: Date.UTC(2024, 0, 1),
}

/** A raw line of JSON as a client with a bug would send it. */
export type BrokenLine = string

/** Ratings in arrival order; a string is a broken raw line. Endless when `ratings` is Infinity. */
export function* generateRatings(
  options: Partial<RatingsOptions> = {},
): Generator<Rating | BrokenLine, void, undefined> {
  const settings = { ...RATINGS_DEFAULTS, ...options }
  const random = new SeededRandom(settings.seed)
  const rhythm = new Rhythm(settings)
  const audience = new Audience(settings, random)
  for (let made = 0; made < settings.ratings; made++) {
    const rating = audience.rate(random, rhythm.next(random))
    yield random.next() < settings.brokenShare ? broken(rating, random) : rating
  }
}

/** An item as the line of JSON that travels; a broken one as it is. */
export function lineOf(item: Rating | BrokenLine): string {
  return typeof item === 'string' ? item : JSON.stringify(item)
}

/** For a manifest: `generator: { module: ratings-generator.ts, options: { seed: 7, … } }`. */
export default function ratings(options: Partial<RatingsOptions>): Iterable<Rating | BrokenLine> {
  for (const name of Object.keys(options)) {
    if (!(name in RATINGS_DEFAULTS)) {
      const known = Object.keys(RATINGS_DEFAULTS).join(', ')
      throw new RangeError(`ratings generator: unknown option '${name}'; known are ${known}`)
    }
  }
  return generateRatings(options)
}

const DAY_SECONDS = 86_400

/** When the next rating arrives, in whole seconds: a Poisson process with a quiet night. */
class Rhythm {
  readonly #options: RatingsOptions
  #seconds: number

  constructor(options: RatingsOptions) {
    this.#options = options
    this.#seconds = options.startTime / 1_000
  }

  next(random: SeededRandom): number {
    const { perSecond, outOfOrderShare, outOfOrderMaxSeconds } = this.#options
    // Between 0.3 and 1.7 times the mean: least at four in the morning, most at four in the
    // afternoon, one on the average of a day.
    const hourAngle = ((this.#seconds % DAY_SECONDS) / DAY_SECONDS - 4 / 24) * 2 * Math.PI
    const rate = perSecond * (1 - 0.7 * Math.cos(hourAngle))
    this.#seconds -= Math.log(1 - random.next()) / rate
    const delayed = random.next() < outOfOrderShare
    const delay = delayed ? 1 + random.below(outOfOrderMaxSeconds) : 0
    return Math.max(this.#options.startTime / 1_000, Math.floor(this.#seconds) - delay)
  }
}

/** A sitting is this many ratings on average, one every so many seconds. */
const SITTING_RATINGS = 8
const SITTING_PAUSE_SECONDS = 20

/** The users and what they think of the films. */
class Audience {
  readonly #films: readonly Film[]
  readonly #popular: WeightedChoice
  readonly #active: WeightedChoice
  /** Stars that a user adds (or takes) for each film, by user and film, without mood and chance. */
  readonly #tastes: Float32Array
  readonly #genres: readonly (readonly number[])[]
  readonly #moods: Float32Array
  /** Who sits and rates now. */
  readonly #seats: Int32Array

  constructor(options: RatingsOptions, random: SeededRandom) {
    this.#films = films(options.seed, options.films)
    this.#popular = new WeightedChoice(this.#films.map((film) => film.popularity))
    this.#genres = this.#films.map((film) => film.genres.map((genre) => GENRES.indexOf(genre)))
    this.#active = new WeightedChoice(activities(options.users, random))
    this.#tastes = Float32Array.from({ length: options.users * GENRES.length }, () => random.bell())
    this.#moods = new Float32Array(options.users)
    const seats = Math.ceil(options.perSecond * SITTING_PAUSE_SECONDS)
    this.#seats = Int32Array.from({ length: Math.min(seats, options.users) }, () =>
      this.#active.draw(random),
    )
  }

  rate(random: SeededRandom, timestamp: number): Rating {
    const user = this.#next(random)
    // Of two popular films a user takes the one that is more to the taste.
    const one = this.#popular.draw(random)
    const other = this.#popular.draw(random)
    const likesOne = this.#likes(user, one)
    const likesOther = this.#likes(user, other)
    const film = likesOne >= likesOther ? one : other
    const mood = (this.#moods[user] ?? 0) * 0.9 + (random.next() - 0.5) * 0.3
    this.#moods[user] = mood
    const stars = Math.max(likesOne, likesOther) - 0.4 + mood + random.bell() * 0.4
    return {
      userId: user + 1,
      movieId: film + 1,
      rating: Math.min(10, Math.max(1, Math.round(stars * 2))) / 2,
      timestamp,
    }
  }

  /** One of those who sit and rate; now and then one leaves and another takes the seat. */
  #next(random: SeededRandom): number {
    const seat = random.below(this.#seats.length)
    if (random.next() * SITTING_RATINGS < 1) this.#seats[seat] = this.#active.draw(random)
    return this.#seats[seat] ?? 0
  }

  /** Stars of a film for a user, before mood and chance. */
  #likes(user: number, film: number): number {
    const genres = this.#genres[film] ?? []
    let taste = 0
    for (const genre of genres) taste += this.#tastes[user * GENRES.length + genre] ?? 0
    return (this.#films[film]?.quality ?? 0) + (taste / genres.length) * 0.8
  }
}

/** Few users rate much and many a little: a Pareto tail, cut at 40 times the least. */
function activities(users: number, random: SeededRandom): readonly number[] {
  return Array.from({ length: users }, () => Math.min(40, (1 - random.next()) ** -0.8))
}

/** The rating as a client with a bug would send it: each kind is refused for another reason. */
function broken(rating: Rating, random: SeededRandom): BrokenLine {
  const { userId, movieId, timestamp } = rating
  const line = JSON.stringify(rating)
  switch (random.below(5)) {
    case 0:
      return line.slice(0, 1 + random.below(line.length - 2))
    case 1:
      return JSON.stringify({ userId, movieId, rating: rating.rating })
    case 2:
      return JSON.stringify({ ...rating, timestamp: new Date(timestamp * 1_000).toISOString() })
    case 3:
      return JSON.stringify({ ...rating, timestamp: timestamp * 1_000 })
    default:
      return JSON.stringify({ ...rating, timestamp: timestamp + 100 * 365 * DAY_SECONDS })
  }
}
