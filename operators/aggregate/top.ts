import type { Aggregate } from './aggregate.ts'
import { howMany } from './how-many.ts'
import { finite } from './sum.ts'

/** The numbers in falling order, and beside each the value it is of. */
type Ranked<In> = [numbers: number[], values: In[]]

/**
 * The n values with the largest number, the largest first. Of equal numbers the later value comes
 * first, so that `topN(1, by)` is `maxBy(by)`; later by arrival, and where a window is made of
 * slices, first by slice. An empty list of no values. Memory: n values and their numbers; `by` is
 * asked once for each value.
 *
 * How the values were cut into slices never changes which numbers are in the result. For the n
 * smallest give the number with its sign changed.
 * @throws RangeError when n is not a whole number from 1 to 10000. A number that is not finite is a
 * failure of the record.
 */
export function topN<In>(
  n: number,
  by: (value: In) => number,
): Aggregate<In, Ranked<In>, readonly In[]> {
  howMany(n, 'topN')
  const read = (value: In): readonly [number, In] => [finite(by(value), 'topN'), value]
  const fold = (ranked: Ranked<In>, [number, value]: readonly [number, In]): Ranked<In> => {
    const [numbers, values] = ranked
    const rank = rankOf(number, numbers)
    if (rank < n) {
      numbers.splice(rank, 0, number)
      values.splice(rank, 0, value)
      if (numbers.length > n) {
        numbers.pop()
        values.pop()
      }
    }
    return ranked
  }
  return {
    kind: `top ${n}`,
    init: () => [[], []],
    add: (ranked, value) => fold(ranked, read(value)),
    read,
    fold: (ranked, entry) => fold(ranked, entry as readonly [number, In]),
    merge: (left, right) => highest(n, left, right),
    result: ([, values]) => values.slice(),
  }
}

/** The place of a number that comes now: before all that are not larger. */
function rankOf(number: number, falling: readonly number[]): number {
  let low = 0
  let high = falling.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((falling[middle] as number) > number) low = middle + 1
    else high = middle
  }
  return low
}

/** The n highest of both; of equal numbers those of the right part come first, being later. */
function highest<In>(n: number, left: Ranked<In>, right: Ranked<In>): Ranked<In> {
  const both: Ranked<In> = [[], []]
  const size = Math.min(n, left[0].length + right[0].length)
  for (let ofLeft = 0, ofRight = 0; both[0].length < size;) {
    const [early, late] = [left[0][ofLeft], right[0][ofRight]]
    const isLate = late !== undefined && (early === undefined || late >= early)
    const [numbers, values] = isLate ? right : left
    const place = isLate ? ofRight++ : ofLeft++
    both[0].push(numbers[place] as number)
    both[1].push(values[place] as In)
  }
  return both
}
