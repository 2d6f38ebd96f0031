/**
 * The slices of one key, of many keys whose accumulators share a column: of each slice its slot is held. A
 * slice then is a few numbers in arrays that all keys share, and no object that the garbage collector moves.
 *
 * Slices are combined as TwoStacks does, and with the same result to the last bit; what it makes anew is
 * folded in place here, and the ends of a block go as windows move over them.
 */
import type { Column } from '../aggregate/column.ts'
import type { ColumnSlots } from '../aggregate/column-slots.ts'
import { SliceCell } from './slice-cell.ts'

/** In place of a slot: there is none. */
export const NO_ACCUMULATOR = -1

/** Changes are noted by the holder of the slices, and never taken back. */
const OWNER = { changed: () => undefined, undo: null }

export class SlotSlices extends SliceCell {
  readonly #slots: ColumnSlots
  /** Slices in a window. */
  readonly #length: number
  /** Of the slices of a block from each on to its end: the first one is at the top. */
  #endsBlock = Number.NaN
  readonly #endNumbers: number[] = []
  readonly #endSlots: number[] = []
  /** No window that begins earlier can be asked for of these ends. */
  #endsFrom = Number.NaN
  /** Of the slices of a block from its beginning up to and including a number. */
  #beginningBlock = Number.NaN
  #beginning = NO_ACCUMULATOR
  #hasBeginning = false
  #beginningTo = Number.NEGATIVE_INFINITY
  /** What both come to. */
  readonly #both: number

  /** @param both a slot of the column for what is asked for; all keys may share it. */
  constructor(slots: ColumnSlots, length: number, both: number) {
    super(OWNER)
    this.#slots = slots
    this.#length = length
    this.#both = both
  }

  slotAt(index: number): number {
    return this.accumulatorAt(index) as number
  }

  /** Takes in what a slice came to. */
  take(number: number, column: Column, from: number): void {
    const slot = this.#slots.make()
    this.#slots.column.copy(slot, column, from)
    this.set(number, slot)
    this.#changed(number)
  }

  /** Makes a slice anew that was there. */
  replace(number: number, accumulator: unknown): void {
    const slot = this.get(number) as number
    this.#slots.column.set(slot, accumulator)
    this.set(number, slot)
    this.#changed(number)
  }

  /** Lets the first slice go. */
  removeFirst(): void {
    const slot = this.slotAt(0)
    this.shift()
    this.#slots.free(slot)
  }

  /** Lets all slots go; nothing may be asked for any more. */
  release(): void {
    for (let i = 0; i < this.size; i++) this.#slots.free(this.slotAt(i))
    this.#dropEnds(Number.POSITIVE_INFINITY)
    if (this.#beginning !== NO_ACCUMULATOR) this.#slots.free(this.#beginning)
  }

  /** The slot of the slices numbered from `from` to `to`, until the next call; -1 when there is none. */
  over(from: number, to: number): number {
    const block = Math.floor(to / this.#length)
    const beginning = this.#beginningUpTo(block, to)
    if (from === block * this.#length) return beginning
    const end = this.#endFrom(block - 1, from)
    if (end === NO_ACCUMULATOR) return beginning
    if (beginning === NO_ACCUMULATOR) return end
    this.#slots.column.merge(this.#both, end, beginning)
    return this.#both
  }

  /** What was combined may be half done: it is made again of the slices. */
  forget(): void {
    this.#endsBlock = Number.NaN
    this.#beginningBlock = Number.NaN
  }

  #beginningUpTo(block: number, to: number): number {
    if (block !== this.#beginningBlock || to < this.#beginningTo) {
      this.#beginningBlock = block
      this.#hasBeginning = false
      this.#beginningTo = block * this.#length - 1
    }
    for (let i = this.indexFrom(this.#beginningTo + 1); i < this.size; i++) {
      if (this.numberAt(i) > to) break
      this.#append(this.slotAt(i))
    }
    this.#beginningTo = to
    return this.#hasBeginning ? this.#beginning : NO_ACCUMULATOR
  }

  #append(slice: number): void {
    const { column } = this.#slots
    if (this.#beginning === NO_ACCUMULATOR) this.#beginning = this.#slots.make()
    if (this.#hasBeginning) column.merge(this.#beginning, this.#beginning, slice)
    else column.copy(this.#beginning, column, slice)
    this.#hasBeginning = true
  }

  #endFrom(block: number, from: number): number {
    if (block !== this.#endsBlock || from < this.#endsFrom) this.#makeEnds(block, from)
    this.#dropEnds(from)
    this.#endsFrom = from
    return this.#endSlots.at(-1) ?? NO_ACCUMULATOR
  }

  /** What no window asks for is not combined: it might fail, or cost memory, for nothing. */
  #makeEnds(block: number, from: number): void {
    this.#dropEnds(Number.POSITIVE_INFINITY)
    this.#endsBlock = Number.NaN
    const { column } = this.#slots
    let behind = NO_ACCUMULATOR
    for (let i = this.indexFrom((block + 1) * this.#length) - 1; i >= 0; i--) {
      const number = this.numberAt(i)
      if (number < from) break
      const end = this.#slots.make()
      this.#endNumbers.push(number)
      this.#endSlots.push(end)
      if (behind === NO_ACCUMULATOR) column.copy(end, column, this.slotAt(i))
      else column.merge(end, this.slotAt(i), behind)
      behind = end
    }
    this.#endsBlock = block
  }

  #dropEnds(before: number): void {
    const numbers = this.#endNumbers
    while (numbers.length > 0 && (numbers.at(-1) as number) < before) {
      numbers.pop()
      this.#slots.free(this.#endSlots.pop() as number)
    }
  }

  #changed(number: number): void {
    const block = Math.floor(number / this.#length)
    if (block === this.#endsBlock) this.#endsBlock = Number.NaN
    if (block === this.#beginningBlock && number <= this.#beginningTo) {
      this.#beginningBlock = Number.NaN
    }
  }

  protected override stored(slot: unknown): unknown {
    return this.#slots.column.get(slot as number)
  }

  protected override restored(accumulator: unknown): number {
    const slot = this.#slots.make()
    this.#slots.column.set(slot, accumulator)
    return slot
  }
}
