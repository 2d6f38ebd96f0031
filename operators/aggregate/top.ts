import type { Aggregate } from './aggregate.ts'
import { type Column, Numbers } from './column.ts'
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
  const number = (value: In): number => finite(by(value), 'topN')
  const read = (value: In): readonly [number, In] => [number(value), value]
  const fold = (ranked: Ranked<In>, [rankedBy, value]: readonly [number, In]): Ranked<In> => {
    const [numbers, values] = ranked
    const rank = rankOf(rankedBy, numbers)
    if (rank < n) {
      const length = Math.min(n, numbers.length + 1)
      insert(numbers, rank, rankedBy, length)
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
    ...(n <= FLAT_MAX && { column: () => new TopColumn(n, number as (value: unknown) => number) }),
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

/** Up to this many values a slot has places for all of them from the start. */
const FLAT_MAX = 32

/** Rankings side by side: n places a slot for the numbers, and as many for their values. */
class TopColumn implements Column {
  readonly #n: number
  readonly #by: (value: unknown) => number
  readonly #numbers = new Numbers()
  readonly #values: unknown[] = []
  readonly #sizes: number[] = []
  #stagedNumber = 0.5
  #staged: unknown
  /** A ranking that is being merged: it may come to stand where it was read from. */
  readonly #mergedNumbers: Float64Array
  readonly #mergedValues: unknown[]

  constructor(n: number, by: (value: unknown) => number) {
    this.#n = n
    this.#by = by
    this.#mergedNumbers = new Float64Array(n)
    this.#mergedValues = Array.from({ length: n })
  }

  init(slot: number): void {
    const [from, behind] = [slot * this.#n, (slot + 1) * this.#n]
    this.#numbers.reserve(behind - 1)
    if (this.#sizes[slot] === 0) return
    for (let i = from; i < behind; i++) this.#values[i] = undefined
    this.#sizes[slot] = 0
  }

  stage(_slot: number, value: unknown): void {
    this.#stagedNumber = this.#by(value)
    this.#staged = value
  }

  apply(slot: number): void {
    const n = this.#n
    const { values: numbers } = this.#numbers
    const values = this.#values
    const number = this.#stagedNumber
    const size = this.#sizes[slot] as number
    const from = slot * n
    if (size === n && (numbers[from + n - 1] as number) > number) return
    if (size < n) this.#sizes[slot] = size + 1
    let at = from + Math.min(size, n - 1)
    // Before all that are not larger: of equal numbers the later value comes first.
    for (; at > from && (numbers[at - 1] as number) <= number; at--) {
      numbers[at] = numbers[at - 1] as number
      values[at] = values[at - 1]
    }
    numbers[at] = number
    values[at] = this.#staged
  }

  get(slot: number): Ranked<unknown> {
    const from = slot * this.#n
    const size = this.#sizes[slot] as number
    const numbers = new Array<number>(size)
    for (let i = 0; i < size; i++) numbers[i] = this.#numbers.values[from + i] as number
    return [numbers, this.#values.slice(from, from + size)]
  }

  set(slot: number, accumulator: unknown): void {
    const [numbers, values] = accumulator as Ranked<unknown>
    this.#put(slot, numbers, values, numbers.length)
  }

  #put(slot: number, numbers: ArrayLike<number>, values: readonly unknown[], size: number): void {
    const from = slot * this.#n
    const held = this.#numbers.values
    for (let i = 0; i < size; i++) {
      held[from + i] = numbers[i] as number
      this.#values[from + i] = values[i]
    }
    this.#shrink(slot, size)
  }

  /** Lets values go that stand behind those that are held now. */
  #shrink(slot: number, size: number): void {
    const from = slot * this.#n
    const before = this.#sizes[slot] as number
    for (let i = from + size; i < from + before; i++) this.#values[i] = undefined
    this.#sizes[slot] = size
  }

  copy(into: number, of: Column, from: number): void {
    const n = this.#n
    const other = of as TopColumn
    const size = other.#sizes[from] as number
    const [numbers, others] = [this.#numbers.values, other.#numbers.values]
    for (let i = 0; i < size; i++) {
      numbers[into * n + i] = others[from * n + i] as number
      this.#values[into * n + i] = other.#values[from * n + i]
    }
    this.#shrink(into, size)
  }

  merge(into: number, left: number, right: number): void {
    const n = this.#n
    const { values: numbers } = this.#numbers
    const values = this.#values
    let [early, late] = [left * n, right * n]
    const earlyEnd = early + (this.#sizes[left] as number)
    const lateEnd = late + (this.#sizes[right] as number)
    const size = Math.min(n, earlyEnd - early + lateEnd - late)
    for (let i = 0; i < size; i++) {
      const isLate =
        late < lateEnd &&
        (early === earlyEnd || (numbers[late] as number) >= (numbers[early] as number))
      const at = isLate ? late++ : early++
      this.#mergedNumbers[i] = numbers[at] as number
      this.#mergedValues[i] = values[at]
    }
    this.#put(into, this.#mergedNumbers, this.#mergedValues, size)
  }

  result(slot: number): readonly unknown[] {
    const from = slot * this.#n
    return this.#values.slice(from, from + (this.#sizes[slot] as number))
  }
}
