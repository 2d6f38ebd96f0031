import type { Aggregate } from './aggregate.ts'

/** All values, in input order. The state grows with the window. */
export const collect = <In>(): Aggregate<In, In[], readonly In[]> => ({
  init: () => [],
  add: push,
  read: (value) => value,
  fold: (values, value) => push(values, value as In),
  merge: (left, right) => [...left, ...right],
  result: (values) => values,
})

function push<In>(values: In[], value: In): In[] {
  values.push(value)
  return values
}
