import type { Aggregate } from './aggregate.ts'
import { type Distinguishable, distinguishable } from './distinguishable.ts'
import { type Hash, hash } from './hash.ts'
import { forEachSet, raise, rankOf, type RegisterShape, registerShape } from './registers.ts'

export interface ApproxDistinctOptions {
  /** The sketch has 2^precision registers: a whole number from 4 to 16; default 12. */
  readonly precision?: number
}

const PRECISION_DEFAULT = 12
const HASH_BITS = 64

/**
 * About how many different numbers or texts there are; 0 of none. The standard error is 1.04 /
 * √(2^precision): 1.6 % with the default precision of 12, a quarter of that with 16. What is equal,
 * and what is a failure of the record, is as for `distinct`. The result depends on the set of the
 * values alone, and not on their order, their number, or how they were cut into slices.
 *
 * Memory: a number for each register that is set, and at most one for five registers: 820 for the
 * default precision, which is 4 kB in the store.
 *
 * A HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) of a hash of 64 bits, with the estimator
 * of Ertl (arXiv 1702.01284, 2017), which needs no corrections for small and large numbers.
 * @throws RangeError when the precision is not a whole number from 4 to 16.
 */
export function approxDistinct<In>(
  of: (value: In) => Distinguishable,
  options: ApproxDistinctOptions = {},
): Aggregate<In, number[], number> {
  const precision = options.precision ?? PRECISION_DEFAULT
  if (!Number.isInteger(precision) || precision < 4 || precision > 16) {
    throw new RangeError(
      `approxDistinct: the precision must be a whole number from 4 to 16, and is ${String(precision)}`,
    )
  }
  const shape = registerShape(precision)
  const read = (value: In): Distinguishable => distinguishable(of(value), 'approxDistinct')
  const hashed: Hash = { high: 0, low: 0 }
  const fold = (held: number[], value: Distinguishable): number[] => {
    hash(value, hashed)
    const index = hashed.high >>> (32 - precision)
    return raise(held, index, rankOf(hashed, precision), shape)
  }
  return {
    kind: `approxDistinct ${precision}`,
    init: () => [],
    add: (held, value) => fold(held, read(value)),
    read,
    fold: (held, value) => fold(held, value as Distinguishable),
    merge(left, right) {
      let held = left.slice()
      forEachSet(right, shape, (index, rank) => {
        held = raise(held, index, rank, shape)
      })
      return held
    },
    result: (held) => Math.round(estimate(held, shape, HASH_BITS - precision)),
  }
}

/**
 * Ertl's improved raw estimator: `bits` are those of the hash behind the index. Its correction for
 * registers at the largest rank is left out: with 64 bits there are none.
 */
function estimate(held: readonly number[], shape: RegisterShape, bits: number): number {
  const withRank = new Array<number>(bits + 2).fill(0)
  let unset = shape.registers
  forEachSet(held, shape, (_index, rank) => {
    withRank[rank] = (withRank[rank] as number) + 1
    unset -= 1
  })
  const size = shape.registers
  let sum = 0
  for (let rank = bits + 1; rank >= 1; rank--) sum = (sum + (withRank[rank] as number)) / 2
  sum += size * ofUnset(unset / size)
  return (size * size) / (2 * Math.LN2 * sum)
}

/** What the registers that are not set add: x + Σ x^(2^k) · 2^(k-1), infinite when none is set. */
function ofUnset(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY
  let sum = share
  let before = Number.NaN
  for (let power = share * share, weight = 1; sum !== before; power *= power, weight *= 2) {
    before = sum
    sum += power * weight
  }
  return sum
}
