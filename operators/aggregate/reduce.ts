import type { Aggregate } from './aggregate.ts'
import type { Column } from './column.ts'

type Reduced<Value> = [] | [Value]

/** A fold of values into one of their own type; the first value is where it starts. */
export const reduction = <Value>(
  reduce: (left: Value, right: Value) => Value,
): Aggregate<Value, Reduced<Value>, Value | undefined> => ({
  kind: 'reduce',
  init: () => [],
  add(held, value) {
    if (held.length === 0) return [value]
    held[0] = reduce(held[0], value)
    return held
  },
  merge(left, right) {
    if (left.length === 0) return [...right]
    return right.length === 0 ? [...left] : [reduce(left[0], right[0])]
  },
  result: (held) => held[0],
  column: () => new ReducedColumn(reduce as (left: unknown, right: unknown) => unknown),
})

class ReducedColumn implements Column {
  readonly #reduce: (left: unknown, right: unknown) => unknown
  /** NOTHING where there is no value. */
  readonly #values: unknown[] = []
  #staged: unknown

  constructor(reduce: (left: unknown, right: unknown) => unknown) {
    this.#reduce = reduce
  }

  init(slot: number): void {
    this.#values[slot] = NOTHING
  }

  stage(slot: number, value: unknown): void {
    const held = this.#values[slot]
    this.#staged = held === NOTHING ? value : this.#reduce(held, value)
  }

  apply(slot: number): void {
    this.#values[slot] = this.#staged
  }

  get(slot: number): Reduced<unknown> {
    const held = this.#values[slot]
    return held === NOTHING ? [] : [held]
  }

  set(slot: number, accumulator: unknown): void {
    const held = accumulator as Reduced<unknown>
    this.#values[slot] = held.length === 0 ? NOTHING : held[0]
  }

  copy(into: number, of: Column, from: number): void {
    this.#values[into] = (of as ReducedColumn).#values[from]
  }

  merge(into: number, left: number, right: number): void {
    const [early, late] = [this.#values[left], this.#values[right]]
    if (early === NOTHING) this.#values[into] = late
    else this.#values[into] = late === NOTHING ? early : this.#reduce(early, late)
  }

  result(slot: number): unknown {
    return this.get(slot)[0]
  }
}

const NOTHING = Symbol('nothing')
