/**
 * Aggregates the values of each window of each key. A window's accumulator is an entry of the key's
 * `windows` map under the window's start; a timer at `end - 1` gives the result and drops the entry.
 */
import type { Aggregate } from '../aggregate/aggregate.ts'
import type { KeyedOperator, TimerClock, Turn } from '../operator.ts'
import { map, type MapCell } from '../state.ts'
import type { Timestamp } from '../time.ts'
import { type TumblingWindows, type WindowResult, windowStart } from './window.ts'

type AnyAggregate = Aggregate<unknown, unknown, unknown>
type Windows = MapCell<Timestamp, unknown>

export class WindowOperator implements KeyedOperator {
  readonly state = { version: 1, cells: { windows: map<Timestamp, unknown>() } }
  readonly #windows: TumblingWindows
  readonly #aggregate: AnyAggregate
  /** Start of the window of the last record: neighbours in time share it, and `%` is not free. */
  #lastStart = Number.NaN

  constructor(windows: TumblingWindows, aggregate: AnyAggregate) {
    this.#windows = windows
    this.#aggregate = aggregate
  }

  onRecord(turn: Turn, value: unknown, time: Timestamp): void {
    const { sizeMs, clock } = this.#windows
    const at = clock === 'event' ? time : turn.now
    const start = this.#startOf(at)
    const lastTime = start + sizeMs - 1
    if (clock === 'event' && lastTime <= turn.watermark) {
      turn.late(value, time)
      return
    }
    const windows = turn.cells[0] as Windows
    const held = windows.get(start)
    let next: unknown
    try {
      next = this.#add(held, value)
    } catch (error) {
      const again = turn.recover(error, () => this.#add(held, value))
      if (again === undefined) return
      next = again.value
    }
    // An aggregate may change its accumulator in place: the map then only learns that it changed.
    if (next === held) windows.touch(start)
    else windows.set(start, next)
    if (held === undefined) turn.wakeAt(lastTime, clock)
  }

  onTimer(turn: Turn, time: Timestamp, _clock: TimerClock): void {
    const windows = turn.cells[0] as Windows
    const end = time + 1
    const start = end - this.#windows.sizeMs
    const accumulator = windows.get(start)
    if (accumulator === undefined) return
    let value: unknown
    try {
      value = this.#aggregate.result(accumulator)
    } catch (error) {
      const again = turn.recover(error, () => this.#aggregate.result(accumulator))
      if (again === undefined) {
        windows.delete(start)
        return
      }
      value = again.value
    }
    windows.delete(start)
    const result: WindowResult<unknown, unknown> = { key: turn.key, value, window: { start, end } }
    turn.emit(result, time)
  }

  #startOf(time: Timestamp): Timestamp {
    const since = time - this.#lastStart
    if (!(since >= 0 && since < this.#windows.sizeMs)) {
      this.#lastStart = windowStart(time, this.#windows.sizeMs, this.#windows.offsetMs)
    }
    return this.#lastStart
  }

  #add(held: unknown, value: unknown): unknown {
    return this.#aggregate.add(held === undefined ? this.#aggregate.init() : held, value)
  }
}
