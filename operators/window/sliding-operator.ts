/**
 * Puts windows together of slices: takes what a key's slices came to when they closed, and fires each
 * window that has any, at a cost that does not depend on how many windows a record is in. A record
 * that comes for a closed slice of an open window arrives as a part of its own, and corrects the slice.
 *
 * W1 While a key has slices of windows that have not fired, a timer waits for the first such window.
 *    `pending` says which; other timers are left over and do nothing.
 */
import type { Aggregate } from '../aggregate/aggregate.ts'
import type { KeyedOperator, TimerClock, Turn } from '../operator.ts'
import { map, type MapCell, type PlainState, value, type ValueCell } from '../state.ts'
import type { Milliseconds, Timestamp } from '../time.ts'
import { type Combination, combinationOf } from './combination.ts'
import { type SliceCell, sliceCell } from './slice-cell.ts'
import { ONLY_PANE, type Pane, type Window } from './window.ts'

/** What a slice of a key came to, or a part of it that came late. */
export interface SlicePart {
  /** Of the slice that begins at the offset: 0. */
  readonly number: number
  readonly accumulator: unknown
}

/** How windows are made of slices. */
export interface SlicedWindows {
  readonly sliceMs: Milliseconds
  readonly slideMs: Milliseconds
  readonly sizeMs: Milliseconds
  readonly offsetMs: Milliseconds
  readonly latenessMs: Milliseconds
}

type AnyAggregate = Aggregate<unknown, unknown, unknown>

export class SlidingOperator implements KeyedOperator {
  readonly state
  readonly #windows: SlicedWindows
  readonly #aggregate: AnyAggregate
  readonly #keyed: boolean
  /** Slices in a window, and from one window to the next. */
  readonly #length: number
  readonly #step: number

  constructor(windows: SlicedWindows, aggregate: AnyAggregate, keyed: boolean) {
    this.#windows = windows
    this.#aggregate = aggregate
    this.#keyed = keyed
    this.#length = windows.sizeMs / windows.sliceMs
    this.#step = windows.slideMs / windows.sliceMs
    const cells = { slices: sliceCell(), pending: value<number>() }
    // How often each window has fired; once, where none fires late.
    const panes = windows.latenessMs > 0 ? { panes: map<number, number>() } : {}
    // Version 1 had a row for each slice.
    this.state = {
      version: 2,
      cells: { ...cells, ...panes },
      upcasters: { 1: (plain: PlainState) => plain },
    }
  }

  onRecord(turn: Turn, record: unknown): void {
    const { number, accumulator } = record as SlicePart
    const cell = turn.cell as SliceCell
    const first = Math.max(this.#firstWindowOf(number), this.#firstOpen(turn.watermark))
    if (!this.#add(turn, cell, number, accumulator)) return
    if (first <= this.#lastWindowOf(number)) this.#waitFor(turn, first)
    if (this.#windows.latenessMs > 0) this.#fireAgain(turn, cell, number, first)
  }

  #add(turn: Turn, cell: SliceCell, number: number, part: unknown): boolean {
    const held = cell.get(number)
    if (held === undefined) cell.set(number, part)
    else {
      const merge = (): unknown => this.#aggregate.merge(held, part)
      let merged: { readonly value: unknown } | undefined
      try {
        merged = { value: merge() }
      } catch (error) {
        merged = turn.recover(error, part, merge)
      }
      if (merged === undefined) return false
      cell.set(number, merged.value)
    }
    this.#combination(cell).changed(number)
    return true
  }

  /** W1 */
  #waitFor(turn: Turn, window: number): void {
    const pending = turn.cells[1] as ValueCell<number>
    const waitsFor = pending.get()
    if (waitsFor !== undefined && waitsFor <= window) return
    pending.set(window)
    turn.wakeAt(this.#endOf(window) - 1, 'event')
  }

  onTimer(turn: Turn, time: Timestamp, _clock: TimerClock): void {
    const cell = turn.cell as SliceCell
    const pending = turn.cells[1] as ValueCell<number>
    const window = pending.get()
    if (window !== undefined && this.#endOf(window) - 1 === time) {
      this.#fire(turn, cell, window, 'onTime')
      const next = cell.indexFrom((window + 1) * this.#step)
      pending.clear()
      if (next < cell.size) {
        this.#waitFor(turn, Math.max(window + 1, this.#firstWindowOf(cell.numberAt(next))))
      }
    }
    this.#expire(turn, cell)
  }

  #fire(turn: Turn, cell: SliceCell, number: number, timing: 'onTime' | 'late'): void {
    const from = number * this.#step
    const over = (): unknown => this.#combination(cell).over(from, from + this.#length - 1)
    const result = (): unknown => {
      try {
        const accumulator = over()
        return accumulator === undefined ? NOTHING : this.#aggregate.result(accumulator)
      } catch (error) {
        // What was combined may be half done; it is made again of the slices.
        cell.combination = undefined
        throw error
      }
    }
    let made: { readonly value: unknown } | undefined
    try {
      made = { value: result() }
    } catch (error) {
      made = turn.recover(error, { window: this.#windowOf(number) }, result)
    }
    if (made === undefined || made.value === NOTHING) return
    const end = this.#endOf(number)
    const pane = this.#paneOf(turn, number, timing)
    const window = { start: end - this.#windows.sizeMs, end }
    const common = { value: made.value, window, pane, revision: pane.index }
    turn.emit(this.#keyed ? { key: turn.key, ...common } : common, end - 1)
  }

  #paneOf(turn: Turn, number: number, timing: 'onTime' | 'late'): Pane {
    const { latenessMs } = this.#windows
    if (latenessMs === 0) return ONLY_PANE
    const panes = turn.cells[2] as MapCell<number, number>
    const index = panes.get(number) ?? 0
    panes.set(number, index + 1)
    const isLast = this.#endOf(number) - 1 + latenessMs <= turn.watermark
    return { timing, index, isLast }
  }

  /** A part of a slice whose windows have fired makes those fire again that still take records. */
  #fireAgain(turn: Turn, cell: SliceCell, number: number, firstOpen: number): void {
    const last = Math.min(this.#lastWindowOf(number), firstOpen - 1)
    for (let window = this.#firstWindowOf(number); window <= last; window++) {
      if (!this.#isOver(window, turn.watermark)) this.#fire(turn, cell, window, 'late')
    }
    this.#expire(turn, cell)
  }

  /** Lets slices go that no window needs any more, and says when to look again. */
  #expire(turn: Turn, cell: SliceCell): void {
    const { latenessMs } = this.#windows
    const pending = (turn.cells[1] as ValueCell<number>).get()
    while (!cell.isEmpty) {
      const last = this.#lastWindowOf(cell.numberAt(0))
      if (pending !== undefined && last >= pending) break
      if (latenessMs > 0 && !this.#isOver(last, turn.watermark)) break
      this.#combination(cell).removing(cell.numberAt(0), cell.accumulatorAt(0))
      cell.shift()
    }
    if (latenessMs === 0) return
    const panes = turn.cells[2] as MapCell<number, number>
    for (const window of Array.from(panes.keys())) {
      if (!this.#isOver(window, turn.watermark)) break
      panes.delete(window)
    }
    if (pending === undefined && !cell.isEmpty) {
      const last = this.#lastWindowOf(cell.numberAt(0))
      turn.wakeAt(this.#endOf(last) - 1 + latenessMs, 'event')
    }
  }

  #combination(cell: SliceCell): Combination {
    cell.combination ??= combinationOf(this.#aggregate, cell, this.#length)
    return cell.combination as Combination
  }

  // ── numbers: window i is made of the slices from i × step on ───────────────────────────────────

  #firstWindowOf(slice: number): number {
    return Math.ceil((slice - this.#length + 1) / this.#step)
  }

  #lastWindowOf(slice: number): number {
    return Math.floor(slice / this.#step)
  }

  #endOf(window: number): Timestamp {
    const { offsetMs, slideMs, sizeMs } = this.#windows
    return offsetMs + window * slideMs + sizeMs
  }

  #windowOf(window: number): Window {
    const end = this.#endOf(window)
    return { start: end - this.#windows.sizeMs, end }
  }

  /** The first window that has not fired when time has come to a watermark. */
  #firstOpen(watermark: Timestamp): number {
    const { offsetMs, slideMs, sizeMs } = this.#windows
    return Math.floor((watermark + 1 - offsetMs - sizeMs) / slideMs) + 1
  }

  /** Whether a window takes no records any more. */
  #isOver(window: number, watermark: Timestamp): boolean {
    return this.#endOf(window) - 1 + this.#windows.latenessMs <= watermark
  }
}

const NOTHING = Symbol('no slices')
