/** What is drawn from a seed. */
import { randomFrom } from '../support/random.ts'

export class Chance {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = randomFrom(seed)
  }

  /** A whole number from 0 to one less than the limit. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  /** True with this probability. */
  is(probability: number): boolean {
    return this.#random() < probability
  }

  of<Choice>(choices: readonly Choice[]): Choice {
    return choices[this.below(choices.length)] as Choice
  }

  /** Some of them, at least one, in their order. */
  someOf<Choice>(choices: readonly Choice[], most: number): Choice[] {
    const left = [...choices]
    while (left.length > most) left.splice(this.below(left.length), 1)
    while (left.length > 1 && this.is(0.4)) left.splice(this.below(left.length), 1)
    return left
  }

  /** Another sequence, for another purpose: what one of them draws does not change the other. */
  fork(): Chance {
    return new Chance(this.below(0x1_0000_0000))
  }
}
