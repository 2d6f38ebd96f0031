import type { Aggregate } from './aggregate.ts'
import { type Column, Numbers } from './column.ts'
import { finite } from './sum.ts'

type Selected<In> = In | null

/** The value with the largest number; of equal ones the later in input order. Null of no values. */
export const maxBy = <In>(by: (value: In) => number): Aggregate<In, Selected<In>, Selected<In>> =>
  select(by, 'maxBy', (candidate, held) => candidate >= held)

/** The value with the smallest number; of equal ones the later in input order. Null of no values. */
export const minBy = <In>(by: (value: In) => number): Aggregate<In, Selected<In>, Selected<In>> =>
  select(by, 'minBy', (candidate, held) => candidate <= held)

function select<In>(
  by: (value: In) => number,
  name: string,
  wins: (candidate: number, held: number) => boolean,
): Aggregate<In, Selected<In>, Selected<In>> {
  const better = (held: Selected<In>, candidate: Selected<In>): Selected<In> => {
    if (candidate === null) return held
    const number = finite(by(candidate), name)
    return held === null || wins(number, by(held)) ? candidate : held
  }
  return {
    kind: name,
    init: () => null,
    add: better,
    merge: better,
    result: (held) => held,
    column: () => new SelectedColumn((value) => finite(by(value as In), name), wins),
  }
}

/** The selected value of each slot beside its number, which is then read once. */
class SelectedColumn implements Column {
  readonly #read: (value: unknown) => number
  readonly #wins: (candidate: number, held: number) => boolean
  readonly #values: unknown[] = []
  /** NaN where there is no value. */
  readonly #numbers = new Numbers()
  #staged: unknown = null
  #stagedNumber = 0.5

  constructor(
    read: (value: unknown) => number,
    wins: (candidate: number, held: number) => boolean,
  ) {
    this.#read = read
    this.#wins = wins
  }

  init(slot: number): void {
    this.#numbers.reserve(slot)
    this.#numbers.values[slot] = Number.NaN
    this.#values[slot] = null
  }

  stage(_slot: number, value: unknown): void {
    this.#stagedNumber = this.#read(value)
    this.#staged = value
  }

  apply(slot: number): void {
    const { values } = this.#numbers
    const held = values[slot] as number
    if (held === held && !this.#wins(this.#stagedNumber, held)) return
    values[slot] = this.#stagedNumber
    this.#values[slot] = this.#staged
  }

  get(slot: number): unknown {
    return this.#values[slot]
  }

  set(slot: number, accumulator: unknown): void {
    this.#values[slot] = accumulator
    this.#numbers.values[slot] = accumulator === null ? Number.NaN : this.#read(accumulator)
  }

  copy(into: number, of: Column, from: number): void {
    const other = of as SelectedColumn
    this.#numbers.values[into] = other.#numbers.values[from] as number
    this.#values[into] = other.#values[from]
  }

  merge(into: number, left: number, right: number): void {
    const { values } = this.#numbers
    const [early, late] = [values[left] as number, values[right] as number]
    const isLate = late === late && (early !== early || this.#wins(late, early))
    this.copy(into, this, isLate ? right : left)
  }

  result(slot: number): unknown {
    return this.#values[slot]
  }
}

/** The largest number; null of no values. */
export const max = <In>(of: (value: In) => number): Aggregate<In, number | null, number | null> =>
  extreme(of, 'max', Math.max)

/** The smallest number; null of no values. */
export const min = <In>(of: (value: In) => number): Aggregate<In, number | null, number | null> =>
  extreme(of, 'min', Math.min)

function extreme<In>(
  of: (value: In) => number,
  name: string,
  choose: (left: number, right: number) => number,
): Aggregate<In, number | null, number | null> {
  const both = (left: number | null, right: number | null): number | null =>
    left === null ? right : right === null ? left : choose(left, right)
  return {
    kind: name,
    init: () => null,
    add: (held, value) => both(held, finite(of(value), name)),
    merge: both,
    result: (held) => held,
  }
}
