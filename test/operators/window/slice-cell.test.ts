import { expect, it } from 'vitest'
import type { StateCell, RowKey } from '../../../operators/state.ts'
import { count } from '../../../operators/aggregate/count.ts'
import { SlidingOperator } from '../../../operators/window/sliding-operator.ts'
import { type SliceCell, sliceCell } from '../../../operators/window/slice-cell.ts'
import { upcast } from '../../../runtime/task/upcast.ts'
import { newSeed, randomFrom } from '../../support/random.ts'

const owner = { changed: () => undefined, undo: null }

/** A cell and its rows, written and read again as an actor's are. */
class StoredCell {
  cell: SliceCell = sliceCell().make(owner)
  #inline: unknown = []
  readonly #rows = new Map<RowKey, unknown>()

  commit(): void {
    this.#inline = structuredClone(this.cell.inline())
    this.cell.rows.takeChanges((key, value) => {
      if (value === undefined) this.#rows.delete(key)
      else this.#rows.set(key, structuredClone(value))
    })
    // Runs of which nothing is left have no row.
    const runs = new Set(this.slices.map(([number]) => Math.floor(number / 32)))
    expect(this.#rows.size).toBe(this.cell.spilled ? runs.size : 0)
  }

  restart(): void {
    this.cell = sliceCell().make(owner)
    this.cell.restoreInline(this.#inline)
    if (!this.cell.spilled) expect(this.#rows.size).toBe(0)
    // Rows are read in order.
    const keys = [...this.#rows.keys()].toSorted((a, b) => Number(a) - Number(b))
    for (const key of keys) this.cell.restoreEntry(key, this.#rows.get(key))
  }

  get slices(): (readonly [number: number, accumulator: unknown])[] {
    const { cell } = this
    return Array.from({ length: cell.size }, (_, i) => [cell.numberAt(i), cell.accumulatorAt(i)])
  }
}

function run(seed: number): void {
  const random = randomFrom(seed)
  const below = (bound: number): number => Math.floor(random() * bound)
  const stored = new StoredCell()
  let model = new Map<number, unknown>()
  let committed = new Map<number, unknown>()
  let newest = below(200) - 100
  const shifts = below(60)
  for (let step = 0; step < 600; step++) {
    const event = below(130)
    if (event < 60) {
      newest += below(10) === 0 ? below(60) : 1
      stored.cell.set(newest, [step])
      model.set(newest, [step])
    } else if (event < 65 && !stored.cell.isEmpty) {
      const late = stored.cell.numberAt(0) + below(newest - stored.cell.numberAt(0) + 1)
      stored.cell.set(late, [step])
      model.set(late, [step])
    } else if (event < 65 + shifts && !stored.cell.isEmpty) {
      model.delete(stored.cell.numberAt(0))
      stored.cell.shift()
    } else if (event > 126) {
      stored.commit()
      committed = new Map(model)
    } else if (event === 126) {
      stored.restart()
      model = new Map(committed)
      const first = Math.min(...model.keys())
      if (model.size === 0) expect(stored.cell.isEmpty).toBe(true)
      // Slices that were removed may be there again: never among those that were not.
      while (!stored.cell.isEmpty && stored.cell.numberAt(0) < first) stored.cell.shift()
    }
    if (step % 8 > 0 && event < 126) continue
    const sorted = [...model].toSorted(([a], [b]) => a - b)
    expect(stored.slices).toEqual(sorted)
    const asked = newest - below(80)
    expect(stored.cell.get(asked)).toEqual(model.get(asked))
    expect(stored.cell.indexFrom(asked)).toBe(sorted.filter(([number]) => number < asked).length)
  }
}

it('the slices of a key are those of a map, also when they were written and read again', () => {
  const seed = newSeed()
  for (let i = 0; i < 60; i++) {
    try {
      run(seed + i)
    } catch (error) {
      throw new Error(`with MILLRACE_SEED=${seed + i}`, { cause: error })
    }
  }
})

it('slices that had a row each are taken up', () => {
  const windows = { sliceMs: 10, slideMs: 10, sizeMs: 1_000, offsetMs: 0, latenessMs: 0 }
  const { state } = new SlidingOperator(windows, count() as never, true)
  const cells: StateCell[] = Object.values(state.cells).map((spec) => spec.make(owner))
  const content = Array.from({ length: 40 }, (_, i) => [i - 3, i])
  const stored = [
    { name: 'slices', kind: 'map', content } as const,
    { name: 'pending', kind: 'value', content: 7 } as const,
  ]
  upcast({ operator: 'windows', key: 'a', version: 1, cells: stored }, state, cells)
  const slices = cells[0] as SliceCell
  expect(content.map(([number]) => slices.get(number as number))).toEqual(content.map(([, n]) => n))
  expect(cells[1]?.inline()).toBe(7)
})
