import { describe, expect, it } from 'vitest'
import { calendar, type CalendarOptions, type CalendarUnit } from 'millrace'
import { CalendarBoundaries } from '../../../operators/window/calendar-boundaries.ts'

const HOUR_MS = 3_600_000

function windowAt(unit: CalendarUnit, options: CalendarOptions, time: string): readonly unknown[] {
  const boundaries = new CalendarBoundaries(calendar(unit, options))
  const at = Date.parse(time)
  const [start, end] = [boundaries.startOf(at), boundaries.endOf(at)]
  return [new Date(start).toISOString().slice(0, 16), (end - start) / HOUR_MS]
}

/** Taken from the zones' own rules: when a window starts in UTC, and how many hours it has. */
const KNOWN: readonly (readonly [CalendarUnit, CalendarOptions, string, string, number])[] = [
  ['day', { timeZone: 'UTC' }, '1969-12-31T23:59:59Z', '1969-12-31T00:00', 24],
  // Berlin: an hour less in spring, one more in autumn.
  ['day', { timeZone: 'Europe/Berlin' }, '2024-03-31T12:00Z', '2024-03-30T23:00', 23],
  ['day', { timeZone: 'Europe/Berlin' }, '2024-10-27T12:00Z', '2024-10-26T22:00', 25],
  // São Paulo changed at midnight: the day began at one o'clock.
  ['day', { timeZone: 'America/Sao_Paulo' }, '2018-11-04T02:59Z', '2018-11-03T03:00', 24],
  ['day', { timeZone: 'America/Sao_Paulo' }, '2018-11-04T03:00Z', '2018-11-04T03:00', 23],
  // Havana goes back from one o'clock to midnight: the first midnight counts.
  ['day', { timeZone: 'America/Havana' }, '2024-11-03T12:00Z', '2024-11-03T04:00', 25],
  // Beirut goes back from midnight to eleven: the day before goes on.
  ['day', { timeZone: 'Asia/Beirut' }, '2021-10-30T21:30Z', '2021-10-29T21:00', 25],
  // Samoa skipped the 30th of December 2011.
  ['day', { timeZone: 'Pacific/Apia' }, '2011-12-30T09:59Z', '2011-12-29T10:00', 24],
  ['day', { timeZone: 'Pacific/Apia' }, '2011-12-30T10:00Z', '2011-12-30T10:00', 24],
  // St. John's went back a minute after midnight: the day that had begun stays begun.
  ['day', { timeZone: 'America/St_Johns' }, '2006-10-29T03:00Z', '2006-10-29T02:30', 25],
  ['hour', { timeZone: 'America/St_Johns' }, '2006-10-29T02:30Z', '2006-10-29T02:30', 1 / 60],
  // Half an hour off, and half an hour of change.
  ['hour', { timeZone: 'Asia/Kolkata' }, '2024-06-01T10:10Z', '2024-06-01T09:30', 1],
  ['hour', { timeZone: 'Australia/Lord_Howe' }, '2024-04-06T15:10Z', '2024-04-06T14:00', 1.5],
  ['hour', { timeZone: 'Australia/Lord_Howe' }, '2024-10-05T15:40Z', '2024-10-05T15:30', 0.5],
  // An hour that comes twice is two windows; six hours of that night are seven.
  ['hour', { timeZone: 'Europe/Berlin' }, '2024-10-27T00:30Z', '2024-10-27T00:00', 1],
  ['hour', { timeZone: 'Europe/Berlin' }, '2024-10-27T01:30Z', '2024-10-27T01:00', 1],
  ['hour', { timeZone: 'Europe/Berlin', every: 6 }, '2024-10-27T01:30Z', '2024-10-26T22:00', 7],
  ['hour', { timeZone: 'Europe/Berlin', every: 6 }, '2024-03-31T01:30Z', '2024-03-30T23:00', 5],
  ['week', { timeZone: 'Europe/Berlin' }, '2024-03-31T12:00Z', '2024-03-24T23:00', 167],
  [
    'week',
    { timeZone: 'UTC', weekStartsOn: 'sunday' },
    '2024-03-31T12:00Z',
    '2024-03-31T00:00',
    168,
  ],
  ['week', { timeZone: 'UTC', every: 2 }, '1970-01-01T12:00Z', '1969-12-29T00:00', 336],
  ['month', { timeZone: 'America/New_York' }, '2024-03-31T12:00Z', '2024-03-01T05:00', 743],
  ['month', { timeZone: 'UTC' }, '2024-02-29T23:59Z', '2024-02-01T00:00', 29 * 24],
  ['month', { timeZone: 'UTC', every: 2 }, '2024-05-31T12:00Z', '2024-05-01T00:00', 61 * 24],
  ['month', { timeZone: 'UTC', every: 3 }, '1969-12-31T12:00Z', '1969-10-01T00:00', 92 * 24],
]

describe('calendar windows', () => {
  it.each(KNOWN)('%s of %o at %s begin %s and last %f hours', (unit, options, at, start, hours) => {
    expect(windowAt(unit, options, at)).toEqual([start, hours])
  })

  //  every moment of two years, in steps that are no whole part of anything
  it.each([
    ['day', 'Europe/Berlin', 1],
    ['day', 'America/Sao_Paulo', 1],
    ['day', 'Africa/Casablanca', 3],
    ['hour', 'Australia/Lord_Howe', 1],
    ['hour', 'America/Havana', 4],
    ['week', 'Asia/Beirut', 1],
    ['month', 'Pacific/Apia', 1],
  ] as const)('%s in %s follow each other without gap or overlap', (unit, timeZone, every) => {
    const boundaries = new CalendarBoundaries(calendar(unit, { timeZone, every }))
    const from = Date.parse('2010-12-01T00:00Z')
    const to = Date.parse('2012-12-01T00:00Z')
    let [start, end] = [boundaries.startOf(from), boundaries.endOf(from)]
    for (let time = from; time < to; time += 17 * 60_000 + 13) {
      while (time >= end) {
        expect(boundaries.startOf(end)).toBe(end)
        ;[start, end] = [end, boundaries.endOf(end)]
      }
      if (boundaries.startOf(time) !== start) expect(boundaries.startOf(time)).toBe(start)
      if (boundaries.endOf(time) !== end) expect(boundaries.endOf(time)).toBe(end)
    }
  })

  it('do not depend on the order in which they are asked for', () => {
    const shape = calendar('day', { timeZone: 'Europe/Berlin' })
    const inOrder = new CalendarBoundaries(shape)
    const backwards = new CalendarBoundaries(shape)
    const times = Array.from(
      { length: 400 },
      (_, day) => Date.UTC(2024, 0, 1, 7) + day * 86_400_000,
    )
    const starts = times.map((time) => inOrder.startOf(time))
    expect(
      times
        .toReversed()
        .map((time) => backwards.startOf(time))
        .toReversed(),
    ).toEqual(starts)
  })
})
