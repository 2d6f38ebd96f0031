import type { Aggregate } from './aggregate.ts'

/**
 * All values: in order of arrival, and where a window is made of slices, slice by slice. An empty
 * list of no values. Memory: every value of the window.
 */
export const collect = <In>(): Aggregate<In, In[], readonly In[]> => ({
  kind: 'collect',
  grows: true,
  init: () => [],
  add: push,
  read: (value) => value,
  fold: (values, value) => push(values, value as In),
  merge: (left, right) => [...left, ...right],
  // A copy: the accumulator goes on growing where a window gives several results.
  result: (values) => values.slice(),
})

function push<In>(values: In[], value: In): In[] {
  values.push(value)
  return values
}
