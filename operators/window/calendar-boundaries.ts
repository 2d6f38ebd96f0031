/**
 * Where the windows of a calendar begin, found with Intl and remembered: what clocks of a zone show is
 * slow to find out, and records come in about the order of time.
 *
 * A day begins at the first moment that has its date on the clocks of the zone, or a later one: so a
 * day without a midnight begins at its first hour, one with two midnights at the first of them, and a
 * day that the zone skipped has no window. An hour begins when the clocks first show it, and again
 * when they show its full hour again.
 */
import type { Timestamp } from '../time.ts'
import type { CalendarWindows } from './calendar.ts'
import { ZoneClock } from './zone-clock.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** 1970-01-01 was a Thursday. */
const EPOCH_WEEKDAY = 4
/** So many windows are remembered before all are forgotten and found again. */
const KNOWN_MAX = 4_096

type Interval = readonly [start: Timestamp, end: Timestamp]

export class CalendarBoundaries {
  readonly #windows: Pick<CalendarWindows, 'unit' | 'every' | 'weekStartsOn'>
  readonly #clock: ZoneClock
  /** Windows that are known, in order. */
  readonly #known: Interval[] = []
  /** The window of the last time that was asked for: neighbours in time share it. */
  #start = Number.NaN
  #end = Number.NaN

  constructor(windows: CalendarWindows) {
    this.#windows = windows
    this.#clock = new ZoneClock(windows.timeZone)
  }

  /** Start of the window that holds a time. */
  startOf(time: Timestamp): Timestamp {
    if (!(time >= this.#start && time < this.#end)) this.#moveTo(time)
    return this.#start
  }

  /** End of the window that holds a time. */
  endOf(time: Timestamp): Timestamp {
    if (!(time >= this.#start && time < this.#end)) this.#moveTo(time)
    return this.#end
  }

  #moveTo(time: Timestamp): void {
    const known = this.#known[lastAtMost(this.#known, time)]
    if (known === undefined || time >= known[1]) this.#remember(this.#find(time))
    else [this.#start, this.#end] = known
  }

  #remember(window: Interval): void {
    if (this.#known.length >= KNOWN_MAX) this.#known.length = 0
    this.#known.splice(lastAtMost(this.#known, window[0]) + 1, 0, window)
    ;[this.#start, this.#end] = window
  }

  #find(time: Timestamp): Interval {
    if (this.#windows.unit !== 'hour') return this.#daysAround(time)
    let number = this.#clock.dayOf(time)
    // Clocks that were set back over midnight show the day before once more.
    while (this.#clock.startOfDay(number + 1) <= time) number += 1
    return this.#hoursAround(time, this.#clock.startOfDay(number), number)
  }

  /** The window of days, weeks or months that holds a time. */
  #daysAround(time: Timestamp): Interval {
    let number = this.#numberOf(this.#clock.dayOf(time))
    for (;;) {
      const end = this.#clock.startOfDay(this.#firstDayOf(number + 1))
      if (time < end) return [this.#clock.startOfDay(this.#firstDayOf(number)), end]
      number += 1
    }
  }

  /** The number of the window that has a day; both count from 1970-01-01, months from year 0. */
  #numberOf(day: number): number {
    const { unit, every, weekStartsOn } = this.#windows
    if (unit === 'day') return Math.floor(day / every)
    if (unit === 'week') return Math.floor((day + EPOCH_WEEKDAY - weekStartsOn) / (7 * every))
    const date = new Date(day * DAY_MS)
    return Math.floor((date.getUTCFullYear() * 12 + date.getUTCMonth()) / every)
  }

  #firstDayOf(number: number): number {
    const { unit, every, weekStartsOn } = this.#windows
    if (unit === 'day') return number * every
    if (unit === 'week') return number * 7 * every - EPOCH_WEEKDAY + weekStartsOn
    const date = new Date(0)
    date.setUTCFullYear(0, number * every, 1)
    return date.getTime() / DAY_MS
  }

  /** The window of hours that holds a time of a day. */
  #hoursAround(time: Timestamp, dayStart: Timestamp, day: number): Interval {
    const dayEnd = this.#clock.startOfDay(day + 1)
    const starts = [...this.#hourStarts(dayStart, dayEnd, day), dayEnd].toSorted((a, b) => a - b)
    const next = starts.findIndex((start) => start > time)
    return [starts[next - 1] ?? dayStart, starts[next] ?? dayEnd]
  }

  #hourStarts(dayStart: Timestamp, dayEnd: Timestamp, day: number): Timestamp[] {
    const clock = this.#clock
    const blockMs = this.#windows.every * HOUR_MS
    const [offset, lastOffset] = [clock.offsetAt(dayStart), clock.offsetAt(dayEnd - 1)]
    const change = offset === lastOffset ? dayEnd : clock.changeBetween(dayStart, dayEnd - 1)
    const starts = new Set([dayStart])
    for (let shown = day * DAY_MS; shown < (day + 1) * DAY_MS; shown += blockMs) {
      const [before, behind] = [shown - offset, shown - lastOffset]
      if (before >= dayStart && before < change) starts.add(before)
      if (behind >= change && behind < dayEnd) starts.add(behind)
    }
    const blockAt = (at: Timestamp): number => Math.floor(clock.shownAt(at) / blockMs)
    if (change < dayEnd && blockAt(change - 1) !== blockAt(change)) starts.add(change)
    return [...starts]
  }
}

/** Index of the last window that starts at or before a time; -1 when there is none. */
function lastAtMost(windows: readonly Interval[], time: Timestamp): number {
  let low = 0
  let high = windows.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((windows[middle] as Interval)[0] <= time) low = middle + 1
    else high = middle
  }
  return low - 1
}
