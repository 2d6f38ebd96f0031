import type { Aggregate } from './aggregate.ts'

/** All values, in input order. The state grows with the window. */
export const collect = <In>(): Aggregate<In, In[], readonly In[]> => ({
  init: () => [],
  add(values, value) {
    values.push(value)
    return values
  },
  merge: (left, right) => [...left, ...right],
  result: (values) => values,
})
