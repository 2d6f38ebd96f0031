/** A column whose slots come and go one by one. */
import type { Column } from './column.ts'

export class ColumnSlots {
  readonly column: Column
  readonly #free: number[] = []
  #count = 0

  constructor(column: Column) {
    this.column = column
  }

  /** A slot; what it holds is to be set. */
  make(): number {
    const free = this.#free.pop()
    if (free !== undefined) return free
    this.column.init(this.#count)
    return this.#count++
  }

  /** Lets a slot go, with the values that its accumulator held. */
  free(slot: number): void {
    this.column.init(slot)
    this.#free.push(slot)
  }
}
