import type { Aggregate } from './aggregate.ts'

/** How many values. */
export const count = <In>(): Aggregate<In, number, number> => countIf(() => true)

/** How many values satisfy the predicate. */
export const countIf = <In>(predicate: (value: In) => boolean): Aggregate<In, number, number> => ({
  kind: 'count',
  init: () => 0,
  add: (total, value) => (isTrue(predicate(value)) ? total + 1 : total),
  merge: (left, right) => left + right,
  result: (total) => total,
  subtract: (total, part) => total - part,
})

/** A promise, as an async predicate gives, would count every value. */
function isTrue(answer: unknown): boolean {
  if (typeof answer !== 'boolean') {
    throw new TypeError(`countIf: the predicate gave ${String(answer)}, which is not true or false`)
  }
  return answer
}
