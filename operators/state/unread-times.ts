import type { Timestamp } from '../time.ts'
import type { RowReader, TimedKey } from './cell.ts'

/** Beyond this many gaps the narrowest is read: finding the gaps of a range has to stay cheap. */
const GAPS_MAX = 32
const ROWS_AT_ONCE = 1_024

/** The gaps of a cell by time: ranges whose rows were not read from the store yet. */
export class UnreadTimes {
  readonly #reader: RowReader
  #gaps: (readonly [from: Timestamp, to: Timestamp])[] = [
    [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  ]

  constructor(reader: RowReader) {
    this.#reader = reader
  }

  /** Everything was read. */
  get isOver(): boolean {
    return this.#gaps.length === 0
  }

  /** The earliest time that a gap has a row of. */
  get first(): Timestamp | undefined {
    for (const [from, to] of this.#gaps) {
      const [row] = this.#reader([from, 0], [to, 0], 1)
      if (row !== undefined) return (row[0] as TimedKey)[0]
    }
    return undefined
  }

  /** Hands over the rows of a range that were not read yet; from now on they are read. */
  take(from: Timestamp, to: Timestamp, fill: (key: TimedKey, value: unknown) => void): void {
    if (!this.#gaps.some((gap) => gap[0] < to && gap[1] > from)) return
    this.#gaps = this.#gaps.flatMap((gap) => {
      const [start, end] = [Math.max(gap[0], from), Math.min(gap[1], to)]
      if (start >= end) return [gap]
      this.#readRows(start, end, fill)
      const left: [Timestamp, Timestamp][] = [
        [gap[0], start],
        [end, gap[1]],
      ]
      return left.filter(([leftFrom, leftTo]) => leftFrom < leftTo)
    })
    if (this.#gaps.length > GAPS_MAX) {
      const [narrowest] = this.#gaps.toSorted((a, b) => a[1] - a[0] - (b[1] - b[0]))
      if (narrowest !== undefined) this.take(...narrowest, fill)
    }
  }

  #readRows(from: Timestamp, to: Timestamp, fill: (key: TimedKey, value: unknown) => void): void {
    let start: TimedKey = [from, 0]
    for (;;) {
      const rows = this.#reader(start, [to, 0], ROWS_AT_ONCE)
      for (const [key, value] of rows) fill(key as TimedKey, value)
      const last = rows.at(-1)?.[0] as TimedKey | undefined
      if (last === undefined || rows.length < ROWS_AT_ONCE) return
      start = [last[0], last[1] + 1]
    }
  }
}
