// A rating of each of so many users, one after the other, and then of any of them for ever.

interface Options {
  readonly keys: number
}

export default function* ratingsForEver(options: unknown): Generator<object> {
  const { keys } = options as Options
  const publishedAt = Date.UTC(2024, 0, 1)
  for (let userId = 1; userId <= keys; userId++) {
    yield { userId, movieId: 1, rating: 3.5, publishedAt }
  }
  // Numerical Recipes' generator: which user comes next is the same in every run.
  for (let state = 1; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const userId = 1 + Math.floor((state / 2 ** 32) * keys)
    yield { userId, movieId: 2, rating: 4, publishedAt }
  }
}
