/**
 * Combines a key's slices into its windows, at a cost that does not grow with the number of slices in
 * a window. What is kept here is made of the slices and can be made of them again; so that it comes
 * out the same after a restart, how slices are grouped depends on their numbers alone.
 */
import type { Aggregate } from '../aggregate/aggregate.ts'
import type { SliceCell } from './slice-cell.ts'

export interface Combination {
  /** The accumulator of the slices numbered from `from` to `to`; undefined when there is none. */
  over(from: number, to: number): unknown
  /** A slice that may have been combined has changed. */
  changed(number: number): void
  /** The first slice is about to be removed. */
  removing(number: number, accumulator: unknown): void
}

type AnyAggregate = Aggregate<unknown, unknown, unknown>

/** @param length slices in a window. */
export function combinationOf(
  aggregate: AnyAggregate,
  cell: SliceCell,
  length: number,
): Combination {
  if (aggregate.subtract !== undefined) return new RunningTotal(aggregate, cell)
  return aggregate.grows === true
    ? new Recombined(aggregate, cell)
    : new TwoStacks(aggregate, cell, length)
}

/**
 * For accumulators that grow with what they hold, of which nothing is kept beside the slices: each window
 * is combined anew, by halves, so that a long list is copied a few times and not once a slice.
 */
class Recombined implements Combination {
  readonly #aggregate: AnyAggregate
  readonly #cell: SliceCell

  constructor(aggregate: AnyAggregate, cell: SliceCell) {
    this.#aggregate = aggregate
    this.#cell = cell
  }

  over(from: number, to: number): unknown {
    const [first, behind] = [this.#cell.indexFrom(from), this.#cell.indexFrom(to + 1)]
    return first === behind ? undefined : this.#combined(first, behind)
  }

  #combined(first: number, behind: number): unknown {
    if (behind - first === 1) return this.#cell.accumulatorAt(first)
    const middle = (first + behind) >> 1
    return this.#aggregate.merge(this.#combined(first, middle), this.#combined(middle, behind))
  }

  changed(): void {}

  removing(): void {}
}

/** For aggregates with an exact inverse: the newest slices are added to a total, the oldest taken from it. */
class RunningTotal implements Combination {
  readonly #aggregate: AnyAggregate
  readonly #cell: SliceCell
  #total: unknown = undefined
  /** Slices in the total: numbers from `#from` up to and including `#to`, this many. */
  #from = Number.POSITIVE_INFINITY
  #to = Number.NEGATIVE_INFINITY
  #count = 0

  constructor(aggregate: AnyAggregate, cell: SliceCell) {
    this.#aggregate = aggregate
    this.#cell = cell
  }

  over(from: number, to: number): unknown {
    const cell = this.#cell
    if (from < this.#from || to < this.#to) this.#reset(from)
    for (let i = cell.indexFrom(this.#from); i < cell.size && cell.numberAt(i) < from; i++) {
      if (cell.numberAt(i) <= this.#to) this.#take(cell.accumulatorAt(i))
    }
    const next = Math.max(from, this.#to + 1)
    this.#from = from
    for (let i = cell.indexFrom(next); i < cell.size && cell.numberAt(i) <= to; i++) {
      this.#total = this.#aggregate.merge(this.#total, cell.accumulatorAt(i))
      this.#count += 1
    }
    this.#to = to
    return this.#count === 0 ? undefined : this.#total
  }

  changed(number: number): void {
    if (number <= this.#to) this.#reset(Number.POSITIVE_INFINITY)
  }

  removing(number: number, accumulator: unknown): void {
    if (number >= this.#from && number <= this.#to) this.#take(accumulator)
  }

  #take(accumulator: unknown): void {
    this.#total = this.#aggregate.subtract?.(this.#total, accumulator)
    this.#count -= 1
  }

  #reset(from: number): void {
    this.#total = this.#aggregate.init()
    this.#count = 0
    this.#from = from
    this.#to = Number.NEGATIVE_INFINITY
  }
}

/**
 * For all others, in blocks as long as a window: any window is the end of one block and the beginning
 * of the next. The ends are combined once, backwards, when the first window reaches into the block
 * behind; the beginning grows with each slice. (van Herk 1992, Gil and Werman 1993, for running minima.)
 */
class TwoStacks implements Combination {
  readonly #aggregate: AnyAggregate
  readonly #cell: SliceCell
  readonly #length: number
  /** Of the slices of a block from each on to its end: numbers ascend. */
  #endsBlock = Number.NaN
  #ends: readonly { readonly number: number; readonly accumulator: unknown }[] = []
  /** The first slice that was looked at for them. */
  #endsFrom = Number.NaN
  /** Of these, the place of the one asked for last. */
  #endsAt = 0
  /** Of the slices of a block from its beginning up to and including a number. */
  #beginningBlock = Number.NaN
  #beginning: unknown = undefined
  #beginningTo = Number.NEGATIVE_INFINITY

  constructor(aggregate: AnyAggregate, cell: SliceCell, length: number) {
    this.#aggregate = aggregate
    this.#cell = cell
    this.#length = length
  }

  over(from: number, to: number): unknown {
    const block = Math.floor(to / this.#length)
    const beginning = this.#beginningUpTo(block, to)
    if (from === block * this.#length) return beginning
    const end = this.#endFrom(block - 1, from)
    if (end === undefined || beginning === undefined) return end ?? beginning
    return this.#aggregate.merge(end, beginning)
  }

  #beginningUpTo(block: number, to: number): unknown {
    if (block !== this.#beginningBlock || to < this.#beginningTo) {
      this.#beginningBlock = block
      this.#beginning = undefined
      this.#beginningTo = block * this.#length - 1
    }
    const cell = this.#cell
    for (
      let i = cell.indexFrom(this.#beginningTo + 1);
      i < cell.size && cell.numberAt(i) <= to;
      i++
    ) {
      this.#beginning = this.#joined(this.#beginning, cell.accumulatorAt(i))
    }
    this.#beginningTo = to
    return this.#beginning
  }

  #endFrom(block: number, from: number): unknown {
    // What no window asks for is not combined: it might fail, or cost memory, for nothing.
    if (block !== this.#endsBlock || from < this.#endsFrom) this.#makeEnds(block, from)
    // Windows move on; only a late record makes an earlier one fire again.
    if ((this.#ends[this.#endsAt - 1]?.number ?? Number.NEGATIVE_INFINITY) >= from) this.#endsAt = 0
    while ((this.#ends[this.#endsAt]?.number ?? Number.POSITIVE_INFINITY) < from) this.#endsAt += 1
    return this.#ends[this.#endsAt]?.accumulator
  }

  #makeEnds(block: number, from: number): void {
    const cell = this.#cell
    const ends = []
    let accumulator: unknown = undefined
    const first = block * this.#length
    for (let i = cell.indexFrom(first + this.#length) - 1; i >= 0; i--) {
      const number = cell.numberAt(i)
      if (number < from) break
      const slice = cell.accumulatorAt(i)
      accumulator = accumulator === undefined ? slice : this.#aggregate.merge(slice, accumulator)
      ends.push({ number, accumulator })
    }
    this.#endsBlock = block
    this.#endsFrom = from
    this.#ends = ends.toReversed()
    this.#endsAt = 0
  }

  #joined(left: unknown, right: unknown): unknown {
    return left === undefined ? right : this.#aggregate.merge(left, right)
  }

  changed(number: number): void {
    const block = Math.floor(number / this.#length)
    if (block === this.#endsBlock) this.#endsBlock = Number.NaN
    if (block === this.#beginningBlock && number <= this.#beginningTo) {
      this.#beginningBlock = Number.NaN
    }
  }

  /** What is removed lies before every window that is still to come. */
  removing(): void {}
}
