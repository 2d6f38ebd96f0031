/** The keys with open sliding windows: a slot each, its closed slices, and the window it waits for. */
import type { Key } from '../../operators/operator.ts'
import { ColumnSlots } from '../../operators/aggregate/column-slots.ts'
import type { Column } from '../../operators/aggregate/column.ts'
import { SlotSlices } from '../../operators/window/slot-slices.ts'
import { NO_SLOT } from './key-index.ts'
import { KeyedSlots } from './keyed-slots.ts'

export class WindowKeys extends KeyedSlots {
  /** The accumulators of all slices. */
  readonly #accumulators: ColumnSlots
  /** Slices in a window. */
  readonly #length: number
  /** Where the accumulator of a window is put together. */
  readonly #window: number
  /** By slot; undefined where a slot is free. */
  readonly #slices: (SlotSlices | undefined)[] = []
  /** By slot: the first window that has not fired; NaN when none is waited for. */
  #pending = new Float64Array(this.capacity)
  /** By slot: about how many bytes the rows of its slices have, as last written. */
  #bytes = new Float64Array(this.capacity)
  #allBytes = 0

  constructor(column: Column, length: number) {
    super()
    this.#accumulators = new ColumnSlots(column)
    this.#length = length
    this.#window = this.#accumulators.make()
  }

  /** A slot for a key that has none. */
  open(key: Key): number {
    const slot = this.make(key, NO_SLOT)
    if (slot >= this.#pending.length) {
      this.#pending = grown(this.#pending, this.capacity)
      this.#bytes = grown(this.#bytes, this.capacity)
    }
    this.#slices[slot] = new SlotSlices(this.#accumulators, this.#length, this.#window)
    this.#pending[slot] = Number.NaN
    this.#bytes[slot] = 0
    return slot
  }

  slicesOf(slot: number): SlotSlices {
    return this.#slices[slot] as SlotSlices
  }

  pendingOf(slot: number): number {
    return this.#pending[slot] as number
  }

  waitFor(slot: number, window: number): void {
    this.#pending[slot] = window
  }

  bytesOf(slot: number): number {
    return this.#bytes[slot] as number
  }

  /** Says how many bytes the rows of a slot's slices have. */
  weigh(slot: number, bytes: number): void {
    this.#allBytes += bytes - this.bytesOf(slot)
    this.#bytes[slot] = bytes
  }

  override get bytesBeside(): number {
    return this.#allBytes
  }

  override free(slot: number): number {
    this.weigh(slot, 0)
    this.slicesOf(slot).release()
    this.#slices[slot] = undefined
    return super.free(slot)
  }
}

function grown(values: Float64Array, capacity: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(capacity)
  larger.set(values)
  return larger
}
