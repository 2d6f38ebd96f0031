/**
 * A table of the newest value of each key (or of each key and window), as an operator: it is state
 * like any other, committed with what made it, and read by `state get` and the serving layer.
 */
import type { KeyedOperator, TimerClock, Turn } from './operator.ts'
import { type MapCell, map, value, type ValueCell } from './state.ts'
import type { Timestamp } from './time.ts'

export interface TableRow {
  readonly value: unknown
  readonly time: Timestamp
}

/** Keeps the value with the largest time of each key; of equal times the later one. */
export class TableOperator implements KeyedOperator {
  readonly state = { version: 1, cells: { row: value<TableRow>() } }

  onRecord(turn: Turn, record: unknown, time: Timestamp): void {
    const row = turn.cell as ValueCell<TableRow>
    const held = row.get()
    if (held === undefined || time >= held.time) row.set({ value: record, time })
  }

  onTimer(_turn: Turn, _time: Timestamp, _clock: TimerClock): void {}
}

/** Keeps one value a key and result time, that is a window. */
export class WindowTableOperator implements KeyedOperator {
  readonly state = { version: 1, cells: { rows: map<Timestamp, unknown>() } }

  onRecord(turn: Turn, record: unknown, time: Timestamp): void {
    const rows = turn.cell as MapCell<Timestamp, unknown>
    rows.set(time, record)
  }

  onTimer(_turn: Turn, _time: Timestamp, _clock: TimerClock): void {}
}
