import type { CellOwner, CellSpec, EntryRows, StateCell } from './cell.ts'
import { MapCell } from './map-cell.ts'
import { type CellOptions, living } from './time-to-live.ts'

/** A list of a key: grows at its end, shrinks at its start. */
export class ListCell<Value> implements StateCell {
  readonly #owner: CellOwner
  readonly #map: MapCell<number, Value>
  #first = 0
  #next = 0
  #settled = true

  constructor(owner: CellOwner) {
    this.#owner = owner
    this.#map = new MapCell(owner)
  }

  get isEmpty(): boolean {
    return this.#map.isEmpty
  }

  get length(): number {
    this.#settle()
    return this.#next - this.#first
  }

  /** The value at an index from the list's start, or undefined beyond its ends. */
  at(index: number): Value | undefined {
    this.#settle()
    return this.#map.get(this.#first + index)
  }

  push(value: Value): void {
    this.#settle()
    this.#unsettleOnUndo()
    this.#map.set(this.#next, value)
    this.#next += 1
  }

  /** Removes and returns the oldest value. */
  shift(): Value | undefined {
    this.#settle()
    if (this.#first === this.#next) return undefined
    this.#unsettleOnUndo()
    const value = this.#map.get(this.#first)
    this.#map.delete(this.#first)
    this.#first += 1
    return value
  }

  toArray(): Value[] {
    this.#settle()
    const values: Value[] = []
    for (let i = this.#first; i < this.#next; i++) values.push(this.#map.get(i) as Value)
    return values
  }

  clear(): void {
    this.#unsettleOnUndo()
    this.#map.clear()
    this.#settled = false
  }

  #unsettleOnUndo(): void {
    this.#owner.undo?.push(() => {
      this.#settled = false
    })
  }

  /** The ends follow from the entries; found again after a load or an undone turn. */
  #settle(): void {
    if (this.#settled) return
    let first = Number.POSITIVE_INFINITY
    let next = 0
    for (const index of this.#map.keys()) {
      if (index < first) first = index
      if (index >= next) next = index + 1
    }
    this.#first = this.#map.isEmpty ? 0 : first
    this.#next = next
    this.#settled = true
  }

  get rows(): EntryRows {
    return this.#map.rows
  }

  inline(): unknown {
    return this.#map.inline()
  }

  restoreInline(stored: unknown): void {
    this.#map.restoreInline(stored)
    this.#settled = false
  }
}

/** Declares a list of a key. */
export const list = <Value>(options: CellOptions = {}): CellSpec<ListCell<Value>> =>
  living({ kind: 'list', make: (owner) => new ListCell<Value>(owner) }, options)
