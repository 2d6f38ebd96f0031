/** A catalogue of films that never were, with the qualities from which ratings follow. */
import { SeededRandom } from './seeded-random.ts'

export const GENRES = [
  'Action',
  'Adventure',
  'Animation',
  'Comedy',
  'Crime',
  'Documentary',
  'Drama',
  'Fantasy',
  'Horror',
  'Mystery',
  'Romance',
  'Sci-Fi',
  'Thriller',
  'Western',
] as const

export type Genre = (typeof GENRES)[number]

export interface Film {
  readonly movieId: number
  /** With the year, as in MovieLens: `The Silent Harbour (1994)`. */
  readonly title: string
  readonly year: number
  /** One to three. */
  readonly genres: readonly Genre[]
  /** Stars an average user gives: about 2 to 4.5. */
  readonly quality: number
  /** How often it is watched, relative to the others: a few films take most of it. */
  readonly popularity: number
}

export const FILMS_DEFAULT = 400

const OPENINGS = ['The', 'A', 'My', 'One', 'No', 'Our', 'Every', 'Last of the', 'Night of the']
const ADJECTIVES =
  'Silent Golden Broken Distant Electric Hollow Burning Paper Crooked Velvet Frozen Patient Wandering Secret Little Iron Forgotten Crimson Gentle Stolen'.split(
    ' ',
  )
const NOUNS =
  'Harbour Lantern Orchard Clock River Stranger Garden Empire Winter Machine Sparrow Mountain Letter Station Dancer Island Shadow Comet Highway Violin Tiger Summer Witness Balloon Cathedral'.split(
    ' ',
  )

/** The films of a seed; ids are 1 to `count`. */
export function films(seed: number, count: number = FILMS_DEFAULT): readonly Film[] {
  const random = new SeededRandom(seed)
  const taken = new Map<string, number>()
  return Array.from({ length: count }, (_, index): Film => {
    const genres = genresOf(random)
    const year = 2024 - Math.floor(random.next() ** 2 * 90)
    const quality = Math.min(4.6, Math.max(1.6, 3.4 + random.bell() * 0.55))
    // Good films are watched more, but fame is mostly luck; the rank makes the tail a long one.
    const popularity = (1 / (index + 4)) * Math.exp((quality - 3.4) * 0.8)
    return {
      movieId: index + 1,
      title: `${nameOf(random, taken)} (${year})`,
      year,
      genres,
      quality,
      popularity,
    }
  })
}

function genresOf(random: SeededRandom): readonly Genre[] {
  const count = 1 + random.below(3)
  const picked = new Set<Genre>()
  while (picked.size < count) picked.add(random.oneOf(GENRES))
  return [...picked].toSorted()
}

/** A name not yet taken: a second film of the same name is its sequel. */
function nameOf(random: SeededRandom, taken: Map<string, number>): string {
  const name = [random.oneOf(OPENINGS), random.oneOf(ADJECTIVES), random.oneOf(NOUNS)].join(' ')
  const part = (taken.get(name) ?? 0) + 1
  taken.set(name, part)
  return part === 1 ? name : `${name} ${part}`
}
