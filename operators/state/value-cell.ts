import type { CellOwner, CellSpec, StateCell } from './cell.ts'
import { type CellOptions, living } from './time-to-live.ts'

/** One value of a key. */
export class ValueCell<Value> implements StateCell {
  readonly #owner: CellOwner
  #value: Value | undefined

  constructor(owner: CellOwner) {
    this.#owner = owner
  }

  get isEmpty(): boolean {
    return this.#value === undefined
  }

  get(): Value | undefined {
    return this.#value
  }

  set(value: Value): void {
    this.#replace(value)
  }

  clear(): void {
    if (this.#value !== undefined) this.#replace(undefined)
  }

  #replace(value: Value | undefined): void {
    const before = this.#value
    this.#owner.undo?.push(() => {
      this.#value = before
    })
    this.#owner.changed()
    this.#value = value
  }

  get rows(): undefined {
    return undefined
  }

  inline(): unknown {
    return this.#value
  }

  restoreInline(stored: unknown): void {
    this.#value = stored as Value
  }
}

/** Declares one value of a key. */
export const value = <Value>(options: CellOptions = {}): CellSpec<ValueCell<Value>> =>
  living({ kind: 'value', make: (owner) => new ValueCell<Value>(owner) }, options)
