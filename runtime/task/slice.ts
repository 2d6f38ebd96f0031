/** One open window of an operator: a slot for each of its keys, and what the store knows of them. */
import type { Column } from '../../operators/aggregate/column.ts'
import type { Key } from '../../operators/operator.ts'
import type { Window } from '../../operators/window/window.ts'
import { KeyIndex } from './key-index.ts'
import { SlotFlags } from './slot-flags.ts'

/** Its result was handed on, or it never came to be: nothing is written any more. */
export const CLOSED = 8

export class Slice {
  window: Window = { start: Number.NaN, end: Number.NaN }
  readonly column: Column
  /** Whether the store may have rows of keys that have no slot here. */
  someAreElsewhere = false
  readonly slots = new KeyIndex()
  readonly keys: Key[] = []
  readonly flags = new SlotFlags()
  /** Slots to write with the next commit. */
  dirty: number[] = []
  /** Slots that are not closed. */
  openCount = 0

  constructor(column: Column) {
    this.column = column
  }

  /** Starts over, empty, for another window: small slices come and go by the thousand. */
  begin(window: Window, someAreElsewhere: boolean): void {
    this.window = window
    this.someAreElsewhere = someAreElsewhere
    this.slots.clear()
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
    this.flags.set(slot, 0)
    this.column.init(slot)
    return slot
  }
}
