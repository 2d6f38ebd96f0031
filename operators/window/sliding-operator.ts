/**
 * Puts windows together of slices: takes what a key's slices came to when they closed, and fires each
 * window that has any, at a cost that does not depend on how many windows a record is in. A record
 * that comes for a closed slice of an open window arrives as a part of its own, and corrects the slice.
 *
 * W1 While a key has slices of windows that have not fired, a timer waits for the first such window.
 *    `pending` says which; other timers are left over and do nothing.
 */
import type { Aggregate } from '../aggregate/aggregate.ts'
import type { Column } from '../aggregate/column.ts'
import type { KeyedOperator, TimerClock, Turn } from '../operator.ts'
import {
  map,
  type MapCell,
  type PlainState,
  type StateSpec,
  value,
  type ValueCell,
} from '../state.ts'
import type { Milliseconds, Timestamp } from '../time.ts'
import { type Combination, combinationOf } from './combination.ts'
import { type SliceCell, sliceCell } from './slice-cell.ts'
import { ONLY_PANE, type Pane } from './window.ts'
import { type SlicedWindows, WindowNumbers } from './window-numbers.ts'

/** What a slice of a key came to, or a part of it that came late: a slot of a column, until its turn is over. */
export class SlicePart {
  /** Of the slice that begins at the offset: 0. */
  readonly number: number
  readonly column: Column
  readonly slot: number

  constructor(number: number, column: Column, slot: number) {
    this.number = number
    this.column = column
    this.slot = slot
  }

  get accumulator(): unknown {
    return this.column.get(this.slot)
  }
}

type AnyAggregate = Aggregate<unknown, unknown, unknown>

export class SlidingOperator implements KeyedOperator {
  readonly state: StateSpec
  readonly numbers: WindowNumbers
  readonly aggregate: AnyAggregate
  /** Whether results name their key. */
  readonly keyed: boolean
  readonly #latenessMs: Milliseconds

  constructor(windows: SlicedWindows, aggregate: AnyAggregate, keyed: boolean) {
    this.numbers = new WindowNumbers(windows)
    this.aggregate = aggregate
    this.keyed = keyed
    this.#latenessMs = windows.latenessMs
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

  /**
   * Whether the slices of all keys can be kept in a column: when each window fires once, and of slices that
   * grow with what they hold nothing is kept beside them.
   */
  get fitsColumn(): boolean {
    return this.#latenessMs === 0 && this.aggregate.grows !== true
  }

  onRecord(turn: Turn, record: unknown): void {
    const { number, accumulator } = record as SlicePart
    const cell = turn.cell as SliceCell
    const first = Math.max(
      this.numbers.firstWindowOf(number),
      this.numbers.firstOpen(turn.watermark),
    )
    if (!this.#add(turn, cell, number, accumulator)) return
    if (first <= this.numbers.lastWindowOf(number)) this.#waitFor(turn, first)
    if (this.#latenessMs > 0) this.#fireAgain(turn, cell, number, first)
  }

  #add(turn: Turn, cell: SliceCell, number: number, part: unknown): boolean {
    const held = cell.get(number)
    if (held === undefined) cell.set(number, part)
    else {
      const merge = (): unknown => this.aggregate.merge(held, part)
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
    turn.wakeAt(this.numbers.endOf(window) - 1, 'event')
  }

  onTimer(turn: Turn, time: Timestamp, _clock: TimerClock): void {
    const cell = turn.cell as SliceCell
    const pending = turn.cells[1] as ValueCell<number>
    const window = pending.get()
    if (window !== undefined && this.numbers.endOf(window) - 1 === time) {
      this.#fire(turn, cell, window, 'onTime')
      const next = cell.indexFrom((window + 1) * this.numbers.step)
      pending.clear()
      if (next < cell.size) {
        this.#waitFor(turn, Math.max(window + 1, this.numbers.firstWindowOf(cell.numberAt(next))))
      }
    }
    this.#expire(turn, cell)
  }

  #fire(turn: Turn, cell: SliceCell, number: number, timing: 'onTime' | 'late'): void {
    const from = number * this.numbers.step
    const over = (): unknown => this.#combination(cell).over(from, from + this.numbers.length - 1)
    const result = (): unknown => {
      try {
        const accumulator = over()
        return accumulator === undefined ? NOTHING : this.aggregate.result(accumulator)
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
      made = turn.recover(error, { window: this.numbers.windowOf(number) }, result)
    }
    if (made === undefined || made.value === NOTHING) return
    const pane = this.#paneOf(turn, number, timing)
    const window = this.numbers.windowOf(number)
    const common = { value: made.value, window, pane, revision: pane.index }
    turn.emit(this.keyed ? { key: turn.key, ...common } : common, window.end - 1)
  }

  #paneOf(turn: Turn, number: number, timing: 'onTime' | 'late'): Pane {
    const latenessMs = this.#latenessMs
    if (latenessMs === 0) return ONLY_PANE
    const panes = turn.cells[2] as MapCell<number, number>
    const index = panes.get(number) ?? 0
    panes.set(number, index + 1)
    const isLast = this.numbers.endOf(number) - 1 + latenessMs <= turn.watermark
    return { timing, index, isLast }
  }

  /** A part of a slice whose windows have fired makes those fire again that still take records. */
  #fireAgain(turn: Turn, cell: SliceCell, number: number, firstOpen: number): void {
    const last = Math.min(this.numbers.lastWindowOf(number), firstOpen - 1)
    for (let window = this.numbers.firstWindowOf(number); window <= last; window++) {
      if (!this.#isOver(window, turn.watermark)) this.#fire(turn, cell, window, 'late')
    }
    this.#expire(turn, cell)
  }

  /** Lets slices go that no window needs any more, and says when to look again. */
  #expire(turn: Turn, cell: SliceCell): void {
    const latenessMs = this.#latenessMs
    const pending = (turn.cells[1] as ValueCell<number>).get()
    while (!cell.isEmpty) {
      const last = this.numbers.lastWindowOf(cell.numberAt(0))
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
      const last = this.numbers.lastWindowOf(cell.numberAt(0))
      turn.wakeAt(this.numbers.endOf(last) - 1 + latenessMs, 'event')
    }
  }

  #combination(cell: SliceCell): Combination {
    cell.combination ??= combinationOf(this.aggregate, cell, this.numbers.length)
    return cell.combination as Combination
  }

  /** Whether a window takes no records any more. */
  #isOver(window: number, watermark: Timestamp): boolean {
    return this.numbers.endOf(window) - 1 + this.#latenessMs <= watermark
  }
}

const NOTHING = Symbol('no slices')
