/** One open window of an operator: a slot for each of its keys, and what the store knows of them. */
import type { Column } from '../../operators/aggregate/column.ts'
import type { Key } from '../../operators/operator.ts'
import type { Window } from '../../operators/window/window.ts'
import { KeyIndex } from './key-index.ts'

/** The store has a row of this slot. */
export const STORED = 1
/** Changed since the last commit was put together. */
export const DIRTY = 2
/** Changed since room was last made. */
export const RECENT = 4
/** Its result was handed on, or it never came to be: nothing is written any more. */
export const CLOSED = 8

export class Slice {
  window: Window
  readonly column: Column
  /** Whether the store may have rows of keys that have no slot here. */
  someAreElsewhere: boolean
  readonly slots = new KeyIndex()
  readonly keys: Key[] = []
  /** The bits above, by slot. */
  flags = new Uint8Array(64)
  /** Slots to write with the next commit. */
  dirty: number[] = []
  /** Slots that are not closed. */
  openCount = 0

  constructor(window: Window, column: Column, someAreElsewhere: boolean) {
    this.window = window
    this.column = column
    this.someAreElsewhere = someAreElsewhere
  }

  /** Empties the slice for another window: small ones come and go by the thousand. */
  reuse(window: Window, someAreElsewhere: boolean): void {
    this.window = window
    this.someAreElsewhere = someAreElsewhere
    this.slots.clear()
    this.flags.fill(0, 0, this.keys.length)
    this.keys.length = 0
    this.dirty = []
    this.openCount = 0
  }

  /** The last time inside. */
  get lastTime(): number {
    return this.window.end - 1
  }

  /** A new slot for a key; its accumulator is that of no values. */
  open(key: Key): number {
    const slot = this.keys.length
    this.slots.set(key, slot)
    this.keys.push(key)
    this.openCount += 1
    if (slot >= this.flags.length) {
      const grown = new Uint8Array(this.flags.length * 4)
      grown.set(this.flags)
      this.flags = grown
    }
    this.column.init(slot)
    return slot
  }

  has(slot: number, flag: number): boolean {
    return ((this.flags[slot] as number) & flag) !== 0
  }

  mark(slot: number, flag: number): void {
    this.flags[slot] = (this.flags[slot] as number) | flag
  }

  unmark(slot: number, flag: number): void {
    this.flags[slot] = (this.flags[slot] as number) & ~flag
  }
}
