/** What a window keeps of its records: an accumulator, or the records themselves for an evictor. */
import type { Aggregate } from '../aggregate/aggregate.ts'
import type { Timestamp } from '../time.ts'
import type { Element } from './evictor.ts'
import { copyOf } from './plain-data.ts'

/** Contents of a window. An argument that is changed is given back, or thrown away. */
export interface Contents {
  /** The contents of a first record. */
  first(value: unknown, time: Timestamp): unknown
  /** With one more record; may change and give back what it is given. Throws before it changes it. */
  add(held: unknown, value: unknown, time: Timestamp): unknown
  /** The contents of two windows, the earlier one first; both may be changed. */
  merge(earlier: unknown, later: unknown): unknown
  /** A copy that can be changed apart. */
  copy(held: unknown): unknown
}

export class Accumulated implements Contents {
  readonly #aggregate: Aggregate<unknown, unknown, unknown>

  constructor(aggregate: Aggregate<unknown, unknown, unknown>) {
    this.#aggregate = aggregate
  }

  first(value: unknown): unknown {
    return this.#aggregate.add(this.#aggregate.init(), value)
  }

  add(held: unknown, value: unknown): unknown {
    return this.#aggregate.add(held, value)
  }

  merge(earlier: unknown, later: unknown): unknown {
    return this.#aggregate.merge(earlier, later)
  }

  copy(held: unknown): unknown {
    return copyOf(held)
  }
}

/** All records, in the order in which they came; of merged windows, those of the earlier one first. */
export const KEPT: Contents = {
  first: (value, time) => [{ value, time }],
  add(held, value, time) {
    const elements = held as Element[]
    elements.push({ value, time })
    return elements
  },
  merge: (earlier, later) => [...(earlier as Element[]), ...(later as Element[])],
  copy: (held) => [...(held as Element[])],
}
