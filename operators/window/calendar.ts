import { wholeNumber } from './size.ts'
import { type WindowOptions, WindowSpec } from './window-spec.ts'

export type CalendarUnit = 'hour' | 'day' | 'week' | 'month'

const WEEKDAYS = [
  'sunday',
  'monday',
  'tuesday',
  'wednesday',
  'thursday',
  'friday',
  'saturday',
] as const
export type Weekday = (typeof WEEKDAYS)[number]

/** Windows of the calendar of a time zone: as long as its hours, days, weeks and months are. */
export class CalendarWindows extends WindowSpec {
  readonly kind = 'calendar'
  readonly clock = 'event'
  readonly unit: CalendarUnit
  readonly timeZone: string
  /** How many units a window has. */
  readonly every: number
  /** 0 is Sunday. */
  readonly weekStartsOn: number

  /** Use `calendar`. */
  constructor(
    shape: Pick<CalendarWindows, 'unit' | 'timeZone' | 'every' | 'weekStartsOn'>,
    options?: WindowOptions,
  ) {
    super(options)
    this.unit = shape.unit
    this.timeZone = shape.timeZone
    this.every = shape.every
    this.weekStartsOn = shape.weekStartsOn
  }

  get label(): string {
    const units = this.every === 1 ? this.unit : `${this.every} ${this.unit}s`
    return `calendar ${units} in ${this.timeZone}`
  }

  protected withOptions(options: WindowOptions): CalendarWindows {
    return new CalendarWindows(this, options)
  }
}

export interface CalendarOptions {
  /** An IANA name, as 'Europe/Berlin' or 'UTC'. */
  readonly timeZone: string
  /**
   * How many units a window has; default 1. Hours are counted from midnight and must divide 24; days
   * and weeks from the one that holds 1970-01-01, months from January of year 0 (so 3 are quarters).
   */
  readonly every?: number
  /** First day of a week; default monday. */
  readonly weekStartsOn?: Weekday
}

/**
 * Windows of the calendar, right across changes of the clock: a day of 23 hours is a window of 23
 * hours. They have no offset: their time zone says where they begin.
 * @throws RangeError when the time zone is not known here or a number does not fit.
 */
export function calendar(unit: CalendarUnit, options: CalendarOptions): CalendarWindows {
  const { timeZone, every = 1, weekStartsOn = 'monday' } = options
  if (!['hour', 'day', 'week', 'month'].includes(unit)) {
    throw new RangeError(
      `calendar window unit: ${JSON.stringify(unit)} is none; write 'hour', 'day', 'week' or 'month'`,
    )
  }
  wholeNumber(every, 'calendar window every')
  if (unit === 'hour' && 24 % every !== 0) {
    throw new RangeError(
      `calendar window every: ${every} hours do not divide a day; write 1, 2, 3, 4, 6, 8, 12 or 24`,
    )
  }
  const firstDay = WEEKDAYS.indexOf(weekStartsOn)
  if (firstDay < 0) {
    throw new RangeError(
      `calendar window weekStartsOn: ${JSON.stringify(weekStartsOn)} is no weekday; write one of ${WEEKDAYS.join(', ')}`,
    )
  }
  return new CalendarWindows({
    unit,
    timeZone: knownTimeZone(timeZone),
    every,
    weekStartsOn: firstDay,
  })
}

/** The name as it is: what Intl makes of it is not the same in all versions. */
function knownTimeZone(timeZone: string): string {
  // Without a name Intl takes the machine's zone, and results would depend on where they are made.
  if (typeof timeZone === 'string' && isKnown(timeZone)) return timeZone
  throw new RangeError(
    `calendar window timeZone: ${JSON.stringify(timeZone)} is not a time zone known here; write an IANA name as 'Europe/Berlin' or 'UTC'`,
  )
}

function isKnown(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
