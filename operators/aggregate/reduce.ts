import type { Aggregate } from './aggregate.ts'

type Reduced<Value> = [] | [Value]

/** A fold of values into one of their own type; the first value is where it starts. */
export const reduction = <Value>(
  reduce: (left: Value, right: Value) => Value,
): Aggregate<Value, Reduced<Value>, Value | undefined> => ({
  init: () => [],
  add(held, value) {
    if (held.length === 0) return [value]
    held[0] = reduce(held[0], value)
    return held
  },
  merge(left, right) {
    if (left.length === 0) return right
    return right.length === 0 ? left : [reduce(left[0], right[0])]
  },
  result: (held) => held[0],
})
