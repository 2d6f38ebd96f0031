import type { Aggregate } from './aggregate.ts'
import { type Distinguishable, distinguishable } from './distinguishable.ts'

/** Up to this many values a look through the list is faster than an index of it. */
const UNINDEXED_MAX = 8

/** What is in each list. It is found again after a load, and goes when nobody holds the list. */
const indexes = new WeakMap<readonly Distinguishable[], Set<Distinguishable>>()

/**
 * How many different numbers or texts there are, exactly; 0 of none. 1 and '1' are two, 0 and -0
 * are one.
 *
 * Memory: every different value, in the key's state, which is written whole with each
 * commit that changed it: from some thousands on, `approxDistinct` is the better choice.
 *
 * A number that is not finite, or a value that is neither number nor text, is a failure of the
 * record.
 */
export const distinct = <In>(
  of: (value: In) => Distinguishable,
): Aggregate<In, Distinguishable[], number> => {
  const read = (value: In): Distinguishable => distinguishable(of(value), 'distinct')
  return {
    kind: 'distinct',
    grows: true,
    init: () => [],
    add: (seen, value) => include(seen, read(value)),
    read,
    fold: (seen, value) => include(seen, value as Distinguishable),
    merge: (left, right) => [...new Set([...left, ...right])],
    result: (seen) => seen.length,
  }
}

function include(seen: Distinguishable[], value: Distinguishable): Distinguishable[] {
  if (seen.length <= UNINDEXED_MAX) {
    if (!seen.includes(value)) seen.push(value)
    return seen
  }
  const index = indexOf(seen)
  if (index.has(value)) return seen
  index.add(value)
  seen.push(value)
  return seen
}

function indexOf(seen: readonly Distinguishable[]): Set<Distinguishable> {
  let index = indexes.get(seen)
  if (index === undefined) {
    index = new Set(seen)
    indexes.set(seen, index)
  }
  return index
}
