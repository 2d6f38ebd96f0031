/** Randomness that is a function of a seed, so that generated data is the same on every machine. */

const UINT32_RANGE = 4_294_967_296

/** A small fast generator (mulberry32): good enough for data, not for secrets. */
export class SeededRandom {
  #state: number

  constructor(seed: number) {
    this.#state = Math.trunc(seed) | 0
  }

  /** A number in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / UINT32_RANGE
  }

  /** A whole number in [0, count). */
  below(count: number): number {
    return Math.floor(this.next() * count)
  }

  /** One of a list that must not be empty. */
  oneOf<Item>(items: readonly Item[]): Item {
    // The index is in range by construction.
    return items[this.below(items.length)] as Item
  }

  /** About normal with mean 0 and deviation 1: three uniform draws, so never beyond ±3. */
  bell(): number {
    return (this.next() + this.next() + this.next() - 1.5) * 2
  }
}

/**
 * Draws indexes in proportion to weights, in constant time (Vose's alias method): each column of
 * the table holds its own index up to a limit and one other index above it.
 */
export class WeightedChoice {
  readonly #limits: Float64Array
  readonly #others: Int32Array

  /** @param weights at least one, all finite and above 0. */
  constructor(weights: readonly number[]) {
    const count = weights.length
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / count
    const scaled = weights.map((weight) => weight / mean)
    this.#limits = new Float64Array(count).fill(1)
    this.#others = new Int32Array(count)
    const small: number[] = []
    const large: number[] = []
    scaled.forEach((weight, index) => (weight < 1 ? small : large).push(index))
    for (let low = small.pop(), high = large.pop(); ; low = small.pop()) {
      if (low === undefined || high === undefined) break
      const limit = scaled[low] ?? 1
      this.#limits[low] = limit
      this.#others[low] = high
      const rest = (scaled[high] ?? 1) - (1 - limit)
      scaled[high] = rest
      if (rest < 1) {
        small.push(high)
        high = large.pop()
      }
    }
  }

  /** One index, from one random draw. */
  draw(random: SeededRandom): number {
    const place = random.next() * this.#limits.length
    const column = Math.floor(place)
    return place - column < (this.#limits[column] ?? 1) ? column : (this.#others[column] ?? column)
  }
}
