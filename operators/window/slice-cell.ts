/**
 * The slices of one key: accumulators by number, in order. Written as a map cell is: inline while they
 * are few, else an entry a row. Slices mostly come at the end and go from the beginning.
 */
import {
  type CellOwner,
  type CellSpec,
  type EntryRows,
  INLINE_ENTRIES_MAX,
  type RowKey,
  type StateCell,
} from '../state.ts'

export class SliceCell implements StateCell, EntryRows {
  readonly #owner: CellOwner
  readonly #numbers: number[] = []
  readonly #accumulators: unknown[] = []
  /** Slices put or removed since the last commit; kept only while they have rows of their own. */
  #changes: Set<number> | undefined = undefined
  /** What the operator combined of these slices; it can be made again of them. */
  combination: unknown = undefined

  constructor(owner: CellOwner) {
    this.#owner = owner
  }

  get isEmpty(): boolean {
    return this.#numbers.length === 0
  }

  get size(): number {
    return this.#numbers.length
  }

  numberAt(index: number): number {
    return this.#numbers[index] as number
  }

  accumulatorAt(index: number): unknown {
    return this.#accumulators[index]
  }

  /** The index of the first slice with at least this number; the size when there is none. */
  indexFrom(number: number): number {
    const numbers = this.#numbers
    // Most look-ups are for the newest.
    if (numbers.length === 0 || number > (numbers.at(-1) as number)) return numbers.length
    let [low, high] = [0, numbers.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((numbers[middle] as number) < number) low = middle + 1
      else high = middle
    }
    return low
  }

  get(number: number): unknown {
    const index = this.indexFrom(number)
    return this.#numbers[index] === number ? this.#accumulators[index] : undefined
  }

  set(number: number, accumulator: unknown): void {
    this.#note(number)
    this.#put(number, accumulator)
  }

  /** Removes the first slice. */
  shift(): void {
    this.#note(this.#numbers[0] as number)
    this.#numbers.shift()
    this.#accumulators.shift()
  }

  clear(): void {
    while (!this.isEmpty) this.shift()
    this.combination = undefined
  }

  #put(number: number, accumulator: unknown): void {
    const index = this.indexFrom(number)
    if (this.#numbers[index] === number) this.#accumulators[index] = accumulator
    else {
      this.#numbers.splice(index, 0, number)
      this.#accumulators.splice(index, 0, accumulator)
    }
  }

  #note(number: number): void {
    this.#owner.changed()
    this.#changes?.add(number)
  }

  get rows(): EntryRows {
    return this
  }

  get spilled(): boolean {
    return this.#changes !== undefined
  }

  get entriesInMemory(): number {
    return this.#numbers.length
  }

  inline(): unknown {
    if (this.size > INLINE_ENTRIES_MAX) this.#changes ??= new Set(this.#numbers)
    if (this.#changes !== undefined) return null
    return this.#numbers.flatMap((number, i) => [number, this.#accumulators[i]])
  }

  restoreInline(stored: unknown): void {
    if (stored === null) {
      this.#changes = new Set()
      return
    }
    const flat = stored as unknown[]
    for (let i = 0; i < flat.length; i += 2) this.#put(flat[i] as number, flat[i + 1])
  }

  takeChanges(change: (key: RowKey, value: unknown) => void): void {
    if (this.#changes === undefined) return
    for (const number of this.#changes) change(number, this.get(number))
    this.#changes.clear()
    // Emptied slices start over in their key's row.
    if (this.isEmpty) this.#changes = undefined
  }

  restoreEntry(key: RowKey, value: unknown): void {
    this.#put(key as number, value)
  }
}

/** Declares the slices of a key. They look as a map does from outside. */
export const sliceCell = (): CellSpec<SliceCell> => ({
  kind: 'map',
  make: (owner) => new SliceCell(owner),
})
