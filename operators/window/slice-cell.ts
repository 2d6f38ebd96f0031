/**
 * The slices of one key: accumulators by number, in order. Written inline while they are few, else in
 * runs of neighbours, a run a row: a commit in the middle of a long window writes hundreds of slices a
 * key, each too small for a row of its own. Slices mostly come at the end and go from the beginning.
 *
 * A slice that was removed may stay in its run's row until that is written again or empty. Read again
 * after a restart it is what it was before: a slice that no window needs, and is removed at the next
 * turn.
 */
import {
  type CellOwner,
  type CellSpec,
  type EntryRows,
  INLINE_ENTRIES_MAX,
  type RowKey,
  type StateCell,
} from '../state.ts'

/** Slices in a run. */
const RUN = 32
/** Places freed at the front of the line beyond which it moves up. */
const FREE_PLACES_MAX = 64

export class SliceCell implements StateCell, EntryRows {
  readonly #owner: CellOwner
  /** In order, from #first on; places before it are free. */
  #numbers: number[] = []
  #accumulators: unknown[] = []
  #first = 0
  /** Runs to write with the next commit; kept only while they have rows of their own. */
  #changes: Set<number> | undefined = undefined
  /** The run noted last: neighbours mostly change together. */
  #changed = Number.NaN
  /** What the operator combined of these slices; it can be made again of them. */
  combination: unknown = undefined

  constructor(owner: CellOwner) {
    this.#owner = owner
  }

  get isEmpty(): boolean {
    return this.#first === this.#numbers.length
  }

  get size(): number {
    return this.#numbers.length - this.#first
  }

  numberAt(index: number): number {
    return this.#numbers[this.#first + index] as number
  }

  accumulatorAt(index: number): unknown {
    return this.#accumulators[this.#first + index]
  }

  /** The index of the first slice with at least this number; the size when there is none. */
  indexFrom(number: number): number {
    return this.#placeFrom(number) - this.#first
  }

  #placeFrom(number: number): number {
    const numbers = this.#numbers
    let [low, high] = [this.#first, numbers.length]
    if (low === high) return high
    // Most look-ups are for the newest.
    const newest = numbers[high - 1] as number
    if (number >= newest) return number === newest ? high - 1 : high
    while (low < high) {
      const middle = (low + high) >> 1
      if ((numbers[middle] as number) < number) low = middle + 1
      else high = middle
    }
    return low
  }

  get(number: number): unknown {
    const place = this.#placeFrom(number)
    return this.#numbers[place] === number ? this.#accumulators[place] : undefined
  }

  set(number: number, accumulator: unknown): void {
    this.#owner.changed()
    this.#note(runOf(number))
    this.#put(number, accumulator)
  }

  /** Removes the first slice. */
  shift(): void {
    this.#owner.changed()
    const run = runOf(this.numberAt(0))
    this.#accumulators[this.#first] = undefined
    this.#first += 1
    if (this.isEmpty || runOf(this.numberAt(0)) !== run) this.#note(run)
    if (this.isEmpty || this.#first === FREE_PLACES_MAX) this.#moveUp()
  }

  #moveUp(): void {
    this.#numbers = this.#numbers.slice(this.#first)
    this.#accumulators = this.#accumulators.slice(this.#first)
    this.#first = 0
  }

  clear(): void {
    while (!this.isEmpty) this.shift()
    this.combination = undefined
  }

  #put(number: number, accumulator: unknown): void {
    const place = this.#placeFrom(number)
    if (place === this.#numbers.length) {
      this.#numbers.push(number)
      this.#accumulators.push(accumulator)
    } else if (this.#numbers[place] === number) this.#accumulators[place] = accumulator
    else {
      this.#numbers.splice(place, 0, number)
      this.#accumulators.splice(place, 0, accumulator)
    }
  }

  #note(run: number): void {
    if (this.#changes === undefined || run === this.#changed) return
    this.#changes.add(run)
    this.#changed = run
  }

  get rows(): EntryRows {
    return this
  }

  get spilled(): boolean {
    return this.#changes !== undefined
  }

  get entriesInMemory(): number {
    return Math.ceil(this.size / RUN)
  }

  inline(): unknown {
    if (this.size > INLINE_ENTRIES_MAX)
      this.#changes ??= new Set(this.#numbers.slice(this.#first).map(runOf))
    return this.#changes === undefined ? this.#flat(0, this.size) : null
  }

  /** Numbers and accumulators in turn. */
  #flat(from: number, behind: number): unknown[] {
    const flat: unknown[] = []
    for (let i = from; i < behind; i++)
      flat.push(this.numberAt(i), this.stored(this.accumulatorAt(i)))
    return flat
  }

  restoreInline(stored: unknown): void {
    if (stored === null) this.#changes = new Set()
    else this.#putAll(stored as unknown[])
  }

  #putAll(flat: readonly unknown[]): void {
    for (let i = 0; i < flat.length; i += 2)
      this.#put(flat[i] as number, this.restored(flat[i + 1]))
  }

  takeChanges(change: (key: RowKey, value: unknown) => void): void {
    if (this.#changes === undefined) return
    for (const run of this.#changes) {
      const [from, behind] = [this.indexFrom(run * RUN), this.indexFrom((run + 1) * RUN)]
      change(run, from === behind ? undefined : this.#flat(from, behind))
    }
    this.#changes.clear()
    this.#changed = Number.NaN
    // Emptied slices start over in their key's row.
    if (this.isEmpty) this.#changes = undefined
  }

  /** What is stored of an accumulator as it is held, and the other way round. */
  protected stored(held: unknown): unknown {
    return held
  }

  protected restored(stored: unknown): unknown {
    return stored
  }

  restoreEntry(_key: RowKey, value: unknown): void {
    this.#putAll(value as unknown[])
  }
}

const runOf = (number: number): number => Math.floor(number / RUN)

/** Declares the slices of a key. */
export const sliceCell = (): CellSpec<SliceCell> => ({
  kind: 'runs',
  make: (owner) => new SliceCell(owner),
})
