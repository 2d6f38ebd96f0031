import type { Aggregate } from './aggregate.ts'
import { finite } from './sum.ts'

type Selected<In> = In | null

/** The value with the largest number; of equal ones the later in input order. Null of no values. */
export const maxBy = <In>(by: (value: In) => number): Aggregate<In, Selected<In>, Selected<In>> =>
  select(by, 'maxBy', (candidate, held) => candidate >= held)

/** The value with the smallest number; of equal ones the later in input order. Null of no values. */
export const minBy = <In>(by: (value: In) => number): Aggregate<In, Selected<In>, Selected<In>> =>
  select(by, 'minBy', (candidate, held) => candidate <= held)

function select<In>(
  by: (value: In) => number,
  name: string,
  wins: (candidate: number, held: number) => boolean,
): Aggregate<In, Selected<In>, Selected<In>> {
  const better = (held: Selected<In>, candidate: Selected<In>): Selected<In> => {
    if (candidate === null) return held
    const number = finite(by(candidate), name)
    return held === null || wins(number, by(held)) ? candidate : held
  }
  return { init: () => null, add: better, merge: better, result: (held) => held }
}

/** The largest number; null of no values. */
export const max = <In>(of: (value: In) => number): Aggregate<In, number | null, number | null> =>
  extreme(of, 'max', Math.max)

/** The smallest number; null of no values. */
export const min = <In>(of: (value: In) => number): Aggregate<In, number | null, number | null> =>
  extreme(of, 'min', Math.min)

function extreme<In>(
  of: (value: In) => number,
  name: string,
  choose: (left: number, right: number) => number,
): Aggregate<In, number | null, number | null> {
  const both = (left: number | null, right: number | null): number | null =>
    left === null ? right : right === null ? left : choose(left, right)
  return {
    init: () => null,
    add: (held, value) => both(held, finite(of(value), name)),
    merge: both,
    result: (held) => held,
  }
}
