/**
 * Says in which windows a time is. A window is known by a number, under which its state is kept:
 * unlike times, numbers of windows are small integers, which maps like.
 */
import type { Timestamp } from '../time.ts'
import { CalendarBoundaries } from './calendar-boundaries.ts'
import { CalendarWindows } from './calendar.ts'
import { SlidingWindows } from './sliding.ts'
import { TumblingWindows } from './tumbling.ts'
import type { WindowSpec } from './window-spec.ts'
import { windowStart } from './window.ts'

export interface Assigner {
  /** The numbers of the windows that hold a time, in order of time. The array is used again. */
  windowsOf(time: Timestamp): readonly number[]
  startOf(number: number): Timestamp
  endOf(number: number): Timestamp
  /** The window whose last time this is, if there is one. */
  endingWith(lastTime: Timestamp): number | undefined
}

/** The assigner of windows that stay as they are; sessions merge and have none. */
export function assignerOf(spec: WindowSpec<never>): Assigner {
  if (spec instanceof TumblingWindows) {
    const { sizeMs, offsetMs } = spec
    return new AlignedAssigner({ sizeMs, slideMs: sizeMs, offsetMs })
  }
  if (spec instanceof SlidingWindows) return new AlignedAssigner(spec)
  if (spec instanceof CalendarWindows) return new CalendarAssigner(spec)
  return ENDLESS
}

class AlignedAssigner implements Assigner {
  readonly #sizeMs: number
  readonly #slideMs: number
  readonly #offsetMs: number
  #numbers: number[] = []
  /** From here on, up to but not including, times are in the windows above. */
  #from = Number.NaN
  #upTo = Number.NaN

  constructor(size: Pick<SlidingWindows, 'sizeMs' | 'slideMs' | 'offsetMs'>) {
    this.#sizeMs = size.sizeMs
    this.#slideMs = size.slideMs
    this.#offsetMs = size.offsetMs
  }

  windowsOf(time: Timestamp): readonly number[] {
    if (time >= this.#from && time < this.#upTo) return this.#numbers
    const last = windowStart(time, this.#slideMs, this.#offsetMs)
    const numbers: number[] = []
    for (let start = last; start > time - this.#sizeMs; start -= this.#slideMs) {
      numbers.push(this.#numberOf(start))
    }
    this.#numbers = numbers.toReversed()
    // Neighbours in time share their windows when a slide is a whole part of the size.
    const isUniform = this.#sizeMs % this.#slideMs === 0
    this.#from = isUniform ? last : time
    this.#upTo = isUniform ? last + this.#slideMs : time + 1
    return this.#numbers
  }

  startOf(number: number): Timestamp {
    return number * this.#slideMs + this.#offsetMs
  }

  endOf(number: number): Timestamp {
    return this.startOf(number) + this.#sizeMs
  }

  endingWith(lastTime: Timestamp): number | undefined {
    const number = this.#numberOf(lastTime + 1 - this.#sizeMs)
    return Number.isInteger(number) ? number : undefined
  }

  #numberOf(start: Timestamp): number {
    return (start - this.#offsetMs) / this.#slideMs
  }
}

/** Calendar windows are known by their start. */
class CalendarAssigner implements Assigner {
  readonly #boundaries: CalendarBoundaries
  readonly #number: [number] = [0]

  constructor(spec: CalendarWindows) {
    this.#boundaries = new CalendarBoundaries(spec)
  }

  windowsOf(time: Timestamp): readonly number[] {
    this.#number[0] = this.#boundaries.startOf(time)
    return this.#number
  }

  startOf(number: number): Timestamp {
    return number
  }

  endOf(number: number): Timestamp {
    return this.#boundaries.endOf(number)
  }

  endingWith(lastTime: Timestamp): number | undefined {
    return this.#boundaries.endOf(lastTime) === lastTime + 1
      ? this.#boundaries.startOf(lastTime)
      : undefined
  }
}

const ENDLESS: Assigner = {
  windowsOf: () => [0],
  startOf: () => Number.NEGATIVE_INFINITY,
  endOf: () => Number.POSITIVE_INFINITY,
  endingWith: () => undefined,
}
