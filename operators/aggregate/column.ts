/**
 * The accumulators of one aggregate for many keys, in columns. A window that is open for ten thousand
 * keys then is a few arrays that fit the processor's cache, and not ten thousand objects that do not:
 * measured, this is what most of a record's time was spent on.
 *
 * C1 `stage` may throw, and then nothing has changed; `apply` never throws. So of several aggregates
 *    together none is changed when one fails.
 */
import type { Aggregate } from './aggregate.ts'

export interface Column {
  /** Makes a slot hold the accumulator of no values. Slots are made in order, from 0, and made again. */
  init(slot: number): void
  /** Reads a value that is to go into a slot. */
  stage(slot: number, value: unknown): void
  /** Folds what was staged last into the slot. */
  apply(slot: number): void
  /** The accumulator in a slot, as the aggregate's own: plain data. */
  get(slot: number): unknown
  /** Puts an accumulator of the aggregate into a slot that was made. */
  set(slot: number, accumulator: unknown): void
  /** Makes a slot hold what one of a column of the same aggregate does. */
  copy(into: number, of: Column, from: number): void
  /**
   * Makes a slot hold what two others do together, `left` before `right`; it may be the left one itself. User
   * code may throw in it: then what the slot holds is not to be used.
   */
  merge(into: number, left: number, right: number): void
  /** The aggregate's result of a slot. */
  result(slot: number): unknown
}

type AnyAggregate = Aggregate<unknown, unknown, unknown>

/** Columns for an aggregate: its own, or one of whole accumulators. */
export const columnOf = (aggregate: AnyAggregate): Column =>
  aggregate.column?.() ?? new ObjectColumn(aggregate)

/** Whole accumulators, for aggregates without columns of their own. */
class ObjectColumn implements Column {
  readonly #aggregate: AnyAggregate
  readonly #accumulators: unknown[] = []
  #staged: unknown

  constructor(aggregate: AnyAggregate) {
    this.#aggregate = aggregate
  }

  init(slot: number): void {
    this.#accumulators[slot] = this.#aggregate.init()
  }

  stage(slot: number, value: unknown): void {
    const aggregate = this.#aggregate
    this.#staged =
      aggregate.read === undefined
        ? aggregate.add(this.#accumulators[slot], value)
        : aggregate.read(value)
  }

  apply(slot: number): void {
    const aggregate = this.#aggregate
    this.#accumulators[slot] =
      aggregate.fold === undefined
        ? this.#staged
        : aggregate.fold(this.#accumulators[slot], this.#staged)
  }

  get(slot: number): unknown {
    return this.#accumulators[slot]
  }

  set(slot: number, accumulator: unknown): void {
    this.#accumulators[slot] = accumulator
  }

  copy(into: number, of: Column, from: number): void {
    this.#accumulators[into] = (of as ObjectColumn).#accumulators[from]
  }

  merge(into: number, left: number, right: number): void {
    const accumulators = this.#accumulators
    accumulators[into] = this.#aggregate.merge(accumulators[left], accumulators[right])
  }

  result(slot: number): unknown {
    return this.#aggregate.result(this.#accumulators[slot])
  }
}

const CAPACITY_MIN = 64

/** A column of numbers that grows. */
export class Numbers {
  #values = new Float64Array(CAPACITY_MIN)

  get values(): Float64Array {
    return this.#values
  }

  /** Makes room for a slot. */
  reserve(slot: number): void {
    if (slot < this.#values.length) return
    const grown = new Float64Array(this.#values.length * 4)
    grown.set(this.#values)
    this.#values = grown
  }
}
