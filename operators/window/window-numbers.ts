/** Windows and slices by number: window i is made of the slices from i × step on, slice 0 begins at the offset. */
import type { Milliseconds, Timestamp } from '../time.ts'
import type { Window } from './window.ts'

/** How windows are made of slices. */
export interface SlicedWindows {
  readonly sliceMs: Milliseconds
  readonly slideMs: Milliseconds
  readonly sizeMs: Milliseconds
  readonly offsetMs: Milliseconds
  readonly latenessMs: Milliseconds
}

export class WindowNumbers {
  /** Slices in a window, and from one window to the next. */
  readonly length: number
  readonly step: number
  readonly #slideMs: Milliseconds
  readonly #sizeMs: Milliseconds
  /** The end of window 0. */
  readonly #firstEnd: Timestamp

  constructor({ sliceMs, slideMs, sizeMs, offsetMs }: SlicedWindows) {
    this.length = sizeMs / sliceMs
    this.step = slideMs / sliceMs
    this.#slideMs = slideMs
    this.#sizeMs = sizeMs
    this.#firstEnd = offsetMs + sizeMs
  }

  firstWindowOf(slice: number): number {
    return Math.ceil((slice - this.length + 1) / this.step)
  }

  lastWindowOf(slice: number): number {
    return Math.floor(slice / this.step)
  }

  endOf(window: number): Timestamp {
    return this.#firstEnd + window * this.#slideMs
  }

  windowOf(window: number): Window {
    const end = this.endOf(window)
    return { start: end - this.#sizeMs, end }
  }

  /** The first window that has not fired when time has come to a watermark. */
  firstOpen(watermark: Timestamp): number {
    return Math.floor((watermark + 1 - this.#firstEnd) / this.#slideMs) + 1
  }
}
