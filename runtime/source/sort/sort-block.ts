/** A part of what is sorted, in memory: filled in the order of the input, then sorted at once. */
import type { EntryCursor } from './cursor.ts'
import { entryBytesMax, timeAt, type SortEntry, writeEntry } from './entry.ts'

export class SortBlock {
  readonly #buffer: Buffer
  #used = 0
  #offsets: number[] = []
  #times: number[] = []
  #isSorted = true

  /** @param bytesMax room for entries; a block takes what its first entry needs if that is more. */
  constructor(bytesMax: number) {
    this.#buffer = Buffer.allocUnsafeSlow(bytesMax)
  }

  /** False when there is no room for the entry. */
  add(entry: SortEntry): boolean {
    if (this.#used + entryBytesMax(entry) > this.#buffer.length) return false
    const { time } = entry
    const times = this.#times
    this.#isSorted &&= times.length === 0 || time >= (times[times.length - 1] as number)
    times.push(time)
    this.#offsets.push(this.#used)
    this.#used = writeEntry(entry, this.#buffer, this.#used)
    return true
  }

  /** The entries in the order of the input, as bytes. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#used)
  }

  /** Memory that it takes once it is sorted. */
  get memoryBytes(): number {
    return this.#buffer.length + 4 * this.#offsets.length
  }

  /** The entries by time, equal times in the order of the input. Nothing may be added afterwards. */
  sorted(): EntryCursor {
    const [offsets, times] = [this.#offsets, this.#times]
    this.#times = []
    if (this.#isSorted) return new BlockCursor(this.#buffer, Uint32Array.from(offsets))
    const order = Uint32Array.from(offsets.keys())
    order.sort((a, b) => (times[a] as number) - (times[b] as number) || a - b)
    return new BlockCursor(
      this.#buffer,
      order.map((index) => offsets[index] as number),
    )
  }
}

class BlockCursor implements EntryCursor {
  readonly buffer: Buffer
  readonly #order: Uint32Array
  #at = -1
  offset = 0
  time = 0

  constructor(buffer: Buffer, order: Uint32Array) {
    this.buffer = buffer
    this.#order = order
  }

  next(): 'entry' | 'end' {
    if (this.#at + 1 >= this.#order.length) return 'end'
    this.#at += 1
    this.offset = this.#order[this.#at] as number
    this.time = timeAt(this.buffer, this.offset)
    return 'entry'
  }

  fill(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
