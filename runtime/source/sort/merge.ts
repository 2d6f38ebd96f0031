/**
 * Several sorted rows of entries as one: a binary heap of cursors by the time of their entry; of equal
 * times the earlier cursor's comes first, so that entries of equal time keep the order of the input.
 */
import { invariant } from '../../errors.ts'
import type { EntryCursor } from './cursor.ts'

export class Merge implements EntryCursor {
  readonly #cursors: readonly EntryCursor[]
  /** Indexes of the cursors that have an entry, the one with the smallest first. */
  readonly #heap: number[] = []
  /** Cursors before this one have been asked for their first entry. */
  #begun = 0
  /** The first in the heap was handed out and has to move on. */
  #isUsed = false
  #pending: EntryCursor | undefined

  constructor(cursors: readonly EntryCursor[]) {
    this.#cursors = cursors
  }

  next(): 'entry' | 'pending' | 'end' {
    if (this.#begun < this.#cursors.length && !this.#begin()) return 'pending'
    if (this.#isUsed && !this.#moveOn()) return 'pending'
    if (this.#heap.length === 0) return 'end'
    this.#isUsed = true
    return 'entry'
  }

  /** Fetches the first entry of each cursor; false when one has to be read. */
  #begin(): boolean {
    for (; this.#begun < this.#cursors.length; this.#begun++) {
      const cursor = this.#cursors[this.#begun] as EntryCursor
      const step = cursor.next()
      if (step === 'pending') return this.#wait(cursor)
      if (step === 'entry') this.#rise(this.#begun)
    }
    return true
  }

  #moveOn(): boolean {
    const heap = this.#heap
    const cursor = this.#current
    const step = cursor.next()
    if (step === 'pending') return this.#wait(cursor)
    this.#isUsed = false
    if (step === 'end') {
      const last = heap.pop() as number
      if (heap.length === 0) return true
      heap[0] = last
    }
    this.#sink()
    return true
  }

  #wait(cursor: EntryCursor): false {
    this.#pending = cursor
    return false
  }

  async fill(): Promise<void> {
    const pending = this.#pending
    this.#pending = undefined
    await pending?.fill()
  }

  #isBefore(a: number, b: number): boolean {
    const [timeA, timeB] = [this.#cursorAt(a).time, this.#cursorAt(b).time]
    return timeA < timeB || (timeA === timeB && a < b)
  }

  /** Adds a cursor at its place. */
  #rise(index: number): void {
    const heap = this.#heap
    let at = heap.push(index) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#isBefore(index, heap[parent] as number)) break
      heap[at] = heap[parent] as number
      at = parent
    }
    heap[at] = index
  }

  /** Brings the first cursor, whose entry has changed, to its place. */
  #sink(): void {
    const heap = this.#heap
    const index = heap[0] as number
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (
        child + 1 < heap.length &&
        this.#isBefore(heap[child + 1] as number, heap[child] as number)
      )
        child += 1
      if (!this.#isBefore(heap[child] as number, index)) break
      heap[at] = heap[child] as number
      at = child
    }
    heap[at] = index
  }

  #cursorAt(index: number): EntryCursor {
    return this.#cursors[index] as EntryCursor
  }

  get #current(): EntryCursor {
    const first = this.#heap[0]
    invariant(
      first !== undefined,
      'a merge is asked for its entry after next() said that it has one',
    )
    return this.#cursorAt(first)
  }

  get time(): number {
    return this.#current.time
  }

  get buffer(): Buffer {
    return this.#current.buffer
  }

  get offset(): number {
    return this.#current.offset
  }

  async close(): Promise<void> {
    for (const cursor of this.#cursors) await cursor.close()
  }
}
