import type { Aggregate } from './aggregate.ts'
import { howMany } from './how-many.ts'

/**
 * The n values that came first, in order of arrival; fewer while there are fewer, and an empty list
 * of no values. Where a window is made of slices the slices go by time and the values of one by
 * arrival: sort by a time of the value where records of different slices may overtake one another.
 * Memory: n values.
 * @throws RangeError when n is not a whole number from 1 to 10000.
 */
export function firstN<In>(n: number): Aggregate<In, In[], readonly In[]> {
  howMany(n, 'firstN')
  const add = (values: In[], value: In): In[] => {
    if (values.length < n) values.push(value)
    return values
  }
  return kept(`first ${n}`, add, (values) => values.slice(0, n))
}

/**
 * The n values that came last, the latest at the end; fewer while there are fewer, and an empty
 * list of no values. Order and memory are those of `firstN`.
 * @throws RangeError when n is not a whole number from 1 to 10000.
 */
export function lastN<In>(n: number): Aggregate<In, In[], readonly In[]> {
  howMany(n, 'lastN')
  const add = (values: In[], value: In): In[] => {
    values.push(value)
    if (values.length > n) values.shift()
    return values
  }
  return kept(`last ${n}`, add, (values) => values.slice(-n))
}

function kept<In>(
  kind: string,
  add: (values: In[], value: In) => In[],
  cut: (values: In[]) => In[],
): Aggregate<In, In[], readonly In[]> {
  return {
    kind,
    init: () => [],
    add,
    read: (value) => value,
    fold: (values, value) => add(values, value as In),
    merge: (left, right) => cut([...left, ...right]),
    result: (values) => values.slice(),
  }
}
