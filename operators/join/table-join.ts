/**
 * Joins with tables. A table is a stream of rows by key: each replaces the one before it, in the order
 * of input and whatever their times; null takes the row away.
 */
import type { KeyedOperator, TimerClock, Turn } from '../operator.ts'
import { value, type ValueCell } from '../state.ts'
import type { Timestamp } from '../time.ts'
import { attempt } from './attempt.ts'
import { type JoinFunction, joined, type JoinKind } from './join-kind.ts'

export type LookupKind = 'inner' | 'left'

/** @throws RangeError when the kind is neither inner nor left. */
export function checkLookupKind(operator: string, kind: LookupKind): void {
  if (kind === 'inner' || kind === 'left') return
  throw new RangeError(
    `table join '${operator}': the kind ${JSON.stringify(kind)} is none of inner, left; the rows of a table do not leave alone`,
  )
}

/**
 * Joins each record (input 0) with the row that the table (input 1) has for its key when the record is
 * processed. What a record finds then depends on how the inputs are interleaved; where it must not, the
 * as-of join goes by time.
 */
export class LookupOperator implements KeyedOperator {
  readonly state = { version: 1, cells: { row: value<{}>() } }
  readonly #kind: LookupKind
  readonly #join: JoinFunction

  constructor(kind: LookupKind, join: JoinFunction) {
    this.#kind = kind
    this.#join = join
  }

  onRecord(turn: Turn, record: unknown, time: Timestamp, input: number): void {
    const cell = turn.cell as ValueCell<{}>
    if (input === 1) {
      if (record === null || record === undefined) cell.clear()
      else cell.set(record)
      return
    }
    const row = cell.get()
    if (row === undefined && this.#kind === 'inner') return
    const result = attempt(turn, record, () => joined(this.#join(record, row)))
    if (result !== undefined) turn.emit(result, time)
  }

  onTimer(_turn: Turn, _time: Timestamp, _clock: TimerClock): void {}
}

interface Row {
  readonly value: {}
  readonly time: Timestamp
}

/**
 * Joins two tables into one: whenever a row of either changes, the row of the result does. Its time is
 * the later of what made it; null says that it is gone.
 */
export class TableJoinOperator implements KeyedOperator {
  readonly state = { version: 1, cells: { left: value<Row>(), right: value<Row>() } }
  readonly #kind: JoinKind
  readonly #join: JoinFunction

  constructor(kind: JoinKind, join: JoinFunction) {
    this.#kind = kind
    this.#join = join
  }

  onRecord(turn: Turn, record: unknown, time: Timestamp, input: number): void {
    const cells = turn.cells as readonly [ValueCell<Row>, ValueCell<Row>]
    const changed = input === 0 ? cells[0] : cells[1]
    const before = this.#isThere(cells[0].get(), cells[1].get())
    const row = record === null || record === undefined ? undefined : { value: record, time }
    const left = input === 0 ? row : cells[0].get()
    const right = input === 1 ? row : cells[1].get()
    const times = [changed.get(), left, right].map((of) => of?.time ?? time)
    const resultTime = Math.max(time, ...times)
    if (this.#isThere(left, right)) {
      const make = (): {} | null => joined(this.#join(left?.value, right?.value))
      const result = attempt(turn, record, make)
      if (result === undefined) return
      turn.emit(result, resultTime)
    } else if (before) turn.emit(null, resultTime)
    if (row === undefined) changed.clear()
    else changed.set(row)
  }

  onTimer(_turn: Turn, _time: Timestamp, _clock: TimerClock): void {}

  /** Whether the result has a row for these. */
  #isThere(left: Row | undefined, right: Row | undefined): boolean {
    switch (this.#kind) {
      case 'inner':
        return left !== undefined && right !== undefined
      case 'left':
        return left !== undefined
      case 'right':
        return right !== undefined
      case 'outer':
        return left !== undefined || right !== undefined
    }
  }
}
