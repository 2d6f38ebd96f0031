import type { Aggregate } from './aggregate.ts'
import { type Column, Numbers } from './column.ts'

/** The sum of a number of each value, in float64. A number that is not finite is a failure of the record. */
export const sum = <In>(of: (value: In) => number): Aggregate<In, number, number> => ({
  kind: 'sum',
  init: () => 0,
  add: (total, value) => total + summable(of(value), 'sum'),
  merge: (left, right) => left + right,
  result: (total) => total,
  column: () => new SumColumn((value) => summable(of(value as In), 'sum')),
})

type MeanAccumulator = [sum: number, count: number]

/** The mean of a number of each value; NaN of no values. */
export const mean = <In>(of: (value: In) => number): Aggregate<In, MeanAccumulator, number> => {
  const read = (value: In): number => summable(of(value), 'mean')
  const fold = (accumulator: MeanAccumulator, number: unknown): MeanAccumulator => {
    accumulator[0] += number as number
    accumulator[1] += 1
    return accumulator
  }
  return {
    kind: 'mean',
    init: () => [0, 0],
    add: (accumulator, value) => fold(accumulator, read(value)),
    read,
    fold,
    merge: (left, right) => [left[0] + right[0], left[1] + right[1]],
    result: ([total, count]) => total / count,
    column: () => new MeanColumn(read as (value: unknown) => number),
  }
}

class SumColumn implements Column {
  readonly #read: (value: unknown) => number
  readonly #sums = new Numbers()
  #staged = 0.5

  constructor(read: (value: unknown) => number) {
    this.#read = read
  }

  init(slot: number): void {
    this.#sums.reserve(slot)
    this.#sums.values[slot] = 0
  }

  stage(_slot: number, value: unknown): void {
    this.#staged = this.#read(value)
  }

  apply(slot: number): void {
    const { values } = this.#sums
    values[slot] = (values[slot] as number) + this.#staged
  }

  get(slot: number): number {
    return this.#sums.values[slot] as number
  }

  set(slot: number, accumulator: unknown): void {
    this.#sums.values[slot] = accumulator as number
  }

  copy(into: number, of: Column, from: number): void {
    this.#sums.values[into] = (of as SumColumn).#sums.values[from] as number
  }

  merge(into: number, left: number, right: number): void {
    const { values } = this.#sums
    values[into] = (values[left] as number) + (values[right] as number)
  }

  result(slot: number): number {
    return this.get(slot)
  }
}

class MeanColumn implements Column {
  readonly #read: (value: unknown) => number
  /** Sum and count of each slot, side by side. */
  readonly #pairs = new Numbers()
  #staged = 0.5

  constructor(read: (value: unknown) => number) {
    this.#read = read
  }

  init(slot: number): void {
    this.#pairs.reserve(2 * slot + 1)
    this.set(slot, [0, 0])
  }

  stage(_slot: number, value: unknown): void {
    this.#staged = this.#read(value)
  }

  apply(slot: number): void {
    const { values } = this.#pairs
    const at = 2 * slot
    values[at] = (values[at] as number) + this.#staged
    values[at + 1] = (values[at + 1] as number) + 1
  }

  get(slot: number): MeanAccumulator {
    const { values } = this.#pairs
    return [values[2 * slot] as number, values[2 * slot + 1] as number]
  }

  set(slot: number, accumulator: unknown): void {
    const [total, size] = accumulator as MeanAccumulator
    this.#pairs.values[2 * slot] = total
    this.#pairs.values[2 * slot + 1] = size
  }

  copy(into: number, of: Column, from: number): void {
    this.set(into, (of as MeanColumn).get(from))
  }

  merge(into: number, left: number, right: number): void {
    const { values } = this.#pairs
    for (let i = 0; i < 2; i++) {
      values[2 * into + i] = (values[2 * left + i] as number) + (values[2 * right + i] as number)
    }
  }

  result(slot: number): number {
    const [total, count] = this.get(slot)
    return total / count
  }
}

/** A total that took in NaN or an infinity would stay so for ever: the record fails instead. */
export function finite(number: number, aggregate: string): number {
  if (!Number.isFinite(number)) {
    throw new TypeError(`${aggregate}: ${String(number)} is not a finite number`)
  }
  // Plus 0: -0 is 0 wherever it would show.
  return number + 0
}

/** Numbers up to this stay finite when 2^53 of them are added, in whatever order. */
const SUMMABLE_MAX = 2 ** 970

function summable(number: number, aggregate: string): number {
  if (Math.abs(finite(number, aggregate)) > SUMMABLE_MAX) {
    throw new TypeError(
      `${aggregate}: ${number} is beyond ±2^970, where totals are not numbers any more`,
    )
  }
  return number
}
