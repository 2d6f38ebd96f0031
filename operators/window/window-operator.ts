/**
 * Aggregates the values of each window of each key. A window's accumulator is an entry of the key's
 * `windows` map under the window's number (0 starts at the offset); a timer at `end - 1` gives the
 * result and drops the entry.
 */
import type { Aggregate } from '../aggregate/aggregate.ts'
import type { KeyedOperator, TimerClock, Turn } from '../operator.ts'
import { map, type MapCell } from '../state.ts'
import type { Timestamp } from '../time.ts'
import { type TumblingWindows, type WindowResult, windowStart } from './window.ts'

type AnyAggregate = Aggregate<unknown, unknown, unknown>
/** By the window's number: unlike times, numbers of windows are small integers, which maps like. */
type Windows = MapCell<number, unknown>

export class WindowOperator implements KeyedOperator {
  readonly state = { version: 1, cells: { windows: map<number, unknown>() } }
  readonly #windows: TumblingWindows
  readonly #aggregate: AnyAggregate
  readonly #ofEventTime: boolean
  /** The window of the last record: neighbours in time share it, and dividing is not free. */
  #start = Number.NaN
  #lastTime = Number.NaN
  #number = 0

  constructor(windows: TumblingWindows, aggregate: AnyAggregate) {
    this.#windows = windows
    this.#aggregate = aggregate
    this.#ofEventTime = windows.clock === 'event'
  }

  onRecord(turn: Turn, value: unknown, time: Timestamp): void {
    const at = this.#ofEventTime ? time : turn.now
    if (!(at >= this.#start && at <= this.#lastTime)) this.#moveTo(at)
    const lastTime = this.#lastTime
    if (this.#ofEventTime && lastTime <= turn.watermark) {
      turn.late(value, time)
      return
    }
    const windows = turn.cell as Windows
    const number = this.#number
    const held = windows.get(number)
    let next: unknown
    try {
      next = this.#add(held, value)
    } catch (error) {
      const again = turn.recover(error, value, () => this.#add(held, value))
      if (again === undefined) return
      next = again.value
    }
    // An aggregate may change its accumulator in place: the map then only learns that it changed.
    if (next === held) windows.touch(number)
    else windows.set(number, next)
    if (held === undefined) turn.wakeAt(lastTime, this.#windows.clock)
  }

  onTimer(turn: Turn, time: Timestamp, _clock: TimerClock): void {
    const windows = turn.cell as Windows
    if (time !== this.#lastTime) this.#moveTo(time)
    const number = this.#number
    const accumulator = windows.get(number)
    if (accumulator === undefined) return
    let value: unknown
    try {
      value = this.#aggregate.result(accumulator)
    } catch (error) {
      const again = turn.recover(error, accumulator, () => this.#aggregate.result(accumulator))
      if (again === undefined) {
        windows.delete(number)
        return
      }
      value = again.value
    }
    windows.delete(number)
    const window = { start: this.#start, end: this.#lastTime + 1 }
    const result: WindowResult<unknown, unknown> = { key: turn.key, value, window }
    turn.emit(result, this.#lastTime)
  }

  #moveTo(time: Timestamp): void {
    const { sizeMs, offsetMs } = this.#windows
    this.#start = windowStart(time, sizeMs, offsetMs)
    this.#lastTime = this.#start + sizeMs - 1
    this.#number = (this.#start - offsetMs) / sizeMs
  }

  #add(held: unknown, value: unknown): unknown {
    return this.#aggregate.add(held === undefined ? this.#aggregate.init() : held, value)
  }
}
