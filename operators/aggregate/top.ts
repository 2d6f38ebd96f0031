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
      const length = Math.min(n, numbers.length + 1)
      insert(numbers, rank, number, length)
      insert(values, rank, value, length)
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

/** Beyond this many places to move up, the built-in way is the faster one. */
const MOVED_MAX = 64

/** Puts an item at a place, what is there and behind it up by one; the list then has a length. */
function insert<Item>(list: Item[], place: number, item: Item, length: number): void {
  if (length - place > MOVED_MAX) {
    list.splice(place, 0, item)
    list.length = length
    return
  }
  for (let i = length - 1; i > place; i--) list[i] = list[i - 1] as Item
  list[place] = item
}

/** The n highest of both; of equal numbers those of the right part come first, being later. */
function highest<In>(n: number, [early, earlyValues]: Ranked<In>, right: Ranked<In>): Ranked<In> {
  const [late, lateValues] = right
  const size = Math.min(n, early.length + late.length)
  // As large as they will be: there are two such lists for each slice of a long window.
  const numbers = new Array<number>(size)
  const values = new Array<In>(size)
  for (let at = 0, ofEarly = 0, ofLate = 0; at < size; at++) {
    const isLate =
      ofLate < late.length &&
      (ofEarly === early.length || (late[ofLate] as number) >= (early[ofEarly] as number))
    numbers[at] = (isLate ? late[ofLate] : early[ofEarly]) as number
    values[at] = (isLate ? lateValues[ofLate++] : earlyValues[ofEarly++]) as In
  }
  return [numbers, values]
}
