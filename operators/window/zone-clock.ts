/** What the clocks of a time zone show, by Intl. Slow (microseconds a question): remember the answers. */
import type { Milliseconds, Timestamp } from '../time.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** Local midnight is within this of the midnight of UTC; no zone was ever further away. */
const OFFSET_MS_MAX = 16 * HOUR_MS

export class ZoneClock {
  readonly #format: Intl.DateTimeFormat

  /** @throws RangeError when the zone is not known here. */
  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'iso8601',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  }

  /**
   * What the clocks show at a time, as milliseconds since 1970-01-01 00:00 on them.
   * @throws RangeError when the time is beyond what dates reach, 285,616 years from now.
   */
  shownAt(time: Timestamp): Milliseconds {
    const shown: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {}
    for (const { type, value } of this.#format.formatToParts(time)) shown[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = shown
    const date = new Date(0)
    date.setUTCFullYear(year, month - 1, day)
    date.setUTCHours(hour, minute, second)
    return date.getTime() + (time - Math.floor(time / 1_000) * 1_000)
  }

  /** The date at a time, in days since 1970-01-01. */
  dayOf(time: Timestamp): number {
    return Math.floor(this.shownAt(time) / DAY_MS)
  }

  /** By how much the clocks are before those of UTC. */
  offsetAt(time: Timestamp): Milliseconds {
    return this.shownAt(time) - time
  }

  /** The first time at which the clocks show this day or a later one, in days since 1970-01-01. */
  startOfDay(day: number): Timestamp {
    const midnight = day * DAY_MS
    const before = midnight - OFFSET_MS_MAX
    const offset = this.offsetAt(before)
    const start = midnight - offset
    const offsetThen = this.offsetAt(start)
    if (offsetThen === offset) return start
    // The clocks were changed before they came to midnight: forward over it, or back from it.
    const change = this.changeBetween(before, start)
    return change + offsetThen >= midnight ? change : midnight - offsetThen
  }

  /** When the clocks were changed, of two times with different offsets and one change between. */
  changeBetween(from: Timestamp, to: Timestamp): Timestamp {
    const offset = this.offsetAt(from)
    let [low, high] = [from, to]
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (this.offsetAt(middle) === offset) low = middle
      else high = middle
    }
    return high
  }
}
