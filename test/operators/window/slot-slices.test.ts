/** The slices of many keys in one column come to the same, bit for bit, as those of a key actor. */
import { expect, it } from 'vitest'
import { type Aggregate, together } from '../../../operators/aggregate/aggregate.ts'
import { ColumnSlots } from '../../../operators/aggregate/column-slots.ts'
import { type Column, columnOf } from '../../../operators/aggregate/column.ts'
import { sum } from '../../../operators/aggregate/sum.ts'
import { topN } from '../../../operators/aggregate/top.ts'
import { aggregate } from '../../../operators/aggregate/user-defined.ts'
import { combinationOf } from '../../../operators/window/combination.ts'
import { type SliceCell, sliceCell } from '../../../operators/window/slice-cell.ts'
import { NO_ACCUMULATOR, SlotSlices } from '../../../operators/window/slot-slices.ts'
import { newSeed, randomFrom } from '../../support/random.ts'

type Opaque = Aggregate<unknown, unknown, unknown>

const all = (): Opaque =>
  together({
    sum: sum((n: number) => n),
    top: topN(3, (n: number) => n % 1),
    order: aggregate({
      init: () => '',
      add: (text: string, n: number) => `${text} ${n}`,
      merge: (left: string, right: string) => left + right,
      result: (text: string) => text,
    }),
  })

/** Counts the slots that are in use. */
class CountedSlots extends ColumnSlots {
  used = 0

  override make(): number {
    this.used += 1
    return super.make()
  }

  override free(slot: number): void {
    this.used -= 1
    super.free(slot)
  }
}

/** One key: in a column, and as an actor has it. */
class BothWays {
  readonly slices: SlotSlices
  readonly cell: SliceCell = sliceCell().make({ changed: () => undefined, undo: null })
  readonly #aggregate: Opaque
  readonly #slots: ColumnSlots
  readonly #length: number

  constructor(of: Opaque, slots: ColumnSlots, both: number, length: number) {
    this.#aggregate = of
    this.#slots = slots
    this.#length = length
    this.slices = new SlotSlices(slots, length, both)
  }

  add(number: number, accumulator: unknown, column: Column): void {
    const held = this.cell.get(number)
    const whole = held === undefined ? accumulator : this.#aggregate.merge(held, accumulator)
    this.#combination.changed(number)
    this.cell.set(number, whole)
    if (held === undefined) this.slices.take(number, column, 0)
    else this.slices.replace(number, whole)
  }

  removeBefore(number: number): void {
    while (!this.cell.isEmpty && this.cell.numberAt(0) < number) {
      this.#combination.removing(this.cell.numberAt(0), this.cell.accumulatorAt(0))
      this.cell.shift()
      this.slices.removeFirst()
    }
  }

  expectWindow(from: number, message: string): void {
    const to = from + this.#length - 1
    const expected = this.#combination.over(from, to)
    const slot = this.slices.over(from, to)
    const made = slot === NO_ACCUMULATOR ? undefined : this.#slots.column.get(slot)
    expect(made, message).toEqual(expected)
  }

  expectStored(message: string): void {
    const [ours, theirs] = [this.slices, this.cell]
    expect(ours.inline(), message).toEqual(theirs.inline())
    const [written, expected]: unknown[][] = [[], []]
    ours.takeChanges((run, row) => written?.push([run, row]))
    theirs.takeChanges((run, row) => expected?.push([run, row]))
    expect(written, message).toEqual(expected)
  }

  get #combination() {
    this.cell.combination ??= combinationOf(this.#aggregate, this.cell, this.#length)
    return this.cell.combination as ReturnType<typeof combinationOf>
  }
}

it('windows of slices in a column are those of slices held one by one, to the last bit', () => {
  for (let run = 0; run < 60; run++) {
    const seed = newSeed()
    const message = `MILLRACE_SEED=${seed}`
    const random = randomFrom(seed)
    const below = (limit: number): number => Math.floor(random() * limit)
    const of = all()
    const slots = new CountedSlots(columnOf(of))
    const both = slots.make()
    const length = 1 + below(50)
    const keys = Array.from({ length: 1 + below(3) }, () => new BothWays(of, slots, both, length))
    const part = columnOf(of)
    let window = below(300) - 150
    const gaps = random()
    for (let step = 0; step < 400; step++) {
      for (const key of keys) {
        if (random() < gaps) continue
        // Mostly the slice that closed last; else one that is late, or comes early.
        const number = window + length - 1 + (random() < 0.9 ? 0 : below(4) - below(length))
        if (number < window) continue
        part.init(0)
        part.stage(0, random() * 10)
        part.apply(0)
        key.add(number, part.get(0), part)
      }
      for (const key of keys) {
        key.expectWindow(window, message)
        if (random() < 0.05) key.expectWindow(window, message)
        if (random() < 0.05) key.slices.forget()
        if (random() < 0.05) key.expectStored(message)
        key.removeBefore(window + 1)
      }
      window += 1
      if (random() < 0.02) window += below(length * 3)
      for (const key of keys) key.removeBefore(window)
    }
    for (const { slices } of keys) slices.release()
    // The one that windows are put together in is left.
    expect(slots.used, message).toBe(1)
  }
})
