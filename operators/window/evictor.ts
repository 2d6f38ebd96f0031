/** Evictors drop records of a window before or after its function has seen them. */
import type { Duration, Timestamp } from '../time.ts'
import { finiteDelta } from './trigger/on-delta.ts'
import { positive, wholeNumber } from './size.ts'
import type { Window } from './window.ts'

/** A record as a window keeps it: in the order in which they came. */
export interface Element<Value = unknown> {
  readonly value: Value
  readonly time: Timestamp
}

export interface Evictor<In = unknown> {
  /** What plans and messages call it. */
  readonly label: string
  /** What is left of the elements, in their order. */
  readonly keep: (
    elements: readonly Element<In>[],
    at: { readonly window: Window; readonly watermark: Timestamp; readonly now: Timestamp },
  ) => readonly Element<In>[]
  /** Never there: tells the compiler what the records must be. */
  readonly '~input'?: (value: In) => void
}

/** An evictor of a job's own: gives what is left of a window's elements. */
export const evictor = <In = unknown>(
  keep: Evictor<In>['keep'],
  { name = 'custom' }: { readonly name?: string } = {},
): Evictor<In> => ({ label: name, keep })

/** Keeps the last `count` elements. @throws RangeError when that is not at least 1. */
export function keepLast(count: number): Evictor {
  wholeNumber(count, 'evictor keepLast')
  return {
    label: `keepLast(${count})`,
    keep: (elements) => (elements.length <= count ? elements : elements.slice(-count)),
  }
}

/**
 * Keeps the elements within a duration of the newest time in the window: those whose time is greater
 * than the newest minus the duration. @throws RangeError when the duration is not positive.
 */
export function keepWithin(duration: Duration): Evictor {
  const withinMs = positive(duration, 'evictor keepWithin')
  return {
    label: `keepWithin(${withinMs} ms)`,
    keep(elements) {
      let newest = Number.NEGATIVE_INFINITY
      for (const { time } of elements) if (time > newest) newest = time
      return elements.filter(({ time }) => time > newest - withinMs)
    },
  }
}

/**
 * Drops the elements that the last one exceeds, in a number of the value, by the threshold or more. The
 * difference has a sign, as in Flink: an element with a larger number stays.
 * @throws RangeError when the threshold is not positive.
 */
export function deltaEvictor<In>(of: (value: In) => number, threshold: number): Evictor<In> {
  if (!(threshold > 0 && Number.isFinite(threshold))) {
    throw new RangeError(`evictor deltaEvictor: the threshold ${String(threshold)} is not positive`)
  }
  const numberOf = (element: Element<In>): number => finiteDelta(of(element.value), 'deltaEvictor')
  return {
    label: `deltaEvictor(${threshold})`,
    keep(elements) {
      const last = elements.at(-1)
      if (last === undefined) return elements
      const end = numberOf(last)
      return elements.filter((element) => end - numberOf(element) < threshold)
    },
  }
}
