import type { Aggregate } from './aggregate.ts'

/** How many values. */
export const count = <In>(): Aggregate<In, number, number> => countIf(() => true)

/** How many values satisfy the predicate. */
export const countIf = <In>(predicate: (value: In) => boolean): Aggregate<In, number, number> => ({
  init: () => 0,
  add: (total, value) => (predicate(value) ? total + 1 : total),
  merge: (left, right) => left + right,
  result: (total) => total,
  subtract: (total, part) => total - part,
})
