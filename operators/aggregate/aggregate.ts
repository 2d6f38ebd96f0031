/**
 * An aggregate folds the values of a window into an accumulator. `add` and `merge` may change and
 * return their first argument; they throw, if at all, before they changed it. Accumulators are plain
 * data: numbers, text, arrays, objects.
 */
export interface Aggregate<In, Acc, Out> {
  init(): Acc
  add(accumulator: Acc, value: In): Acc
  merge(left: Acc, right: Acc): Acc
  result(accumulator: Acc): Out
  /**
   * `add` in two: what may throw, and what never does. An aggregate whose `add` changes its
   * accumulator in place has both, so that of several together none is changed when one fails.
   */
  read?(value: In): unknown
  fold?(accumulator: Acc, read: unknown): Acc
  /** Never there: tells the compiler what goes in, whatever the accumulator is. */
  readonly '~input'?: (value: In) => void
  /** The inverse of merge, where there is one: what is left of `total` without `part`. */
  subtract?(total: Acc, part: Acc): Acc
}

/** Any aggregate over values of a type, whatever its accumulator and its result are. */
export interface AnyAggregate<In> {
  readonly '~input'?: (value: In) => void
}

type ResultOf<Candidate> = Candidate extends { result(accumulator: never): infer Out } ? Out : never

/** The result type of each aggregate of a record. */
export type ResultsOf<Aggregates> = { [Name in keyof Aggregates]: ResultOf<Aggregates[Name]> }

type Opaque = Aggregate<unknown, unknown, unknown>

/** Several aggregates in one pass: the accumulator is the array of theirs, the result an object by name. */
export function together(aggregates: Readonly<Record<string, object>>): Opaque {
  const names = Object.keys(aggregates)
  const parts = Object.values(aggregates) as Opaque[]
  const size = parts.length
  /** What each part made of a value: read, and not yet folded; or its next accumulator. */
  const next = new Array<unknown>(size)
  return {
    init: () => parts.map((part) => part.init()),
    add(accumulator, value) {
      const accumulators = accumulator as unknown[]
      // First everything that may throw, then the changes.
      for (let i = 0; i < size; i++) {
        const part = parts[i] as Opaque
        next[i] = part.read === undefined ? part.add(accumulators[i], value) : part.read(value)
      }
      for (let i = 0; i < size; i++) {
        const part = parts[i] as Opaque
        accumulators[i] = part.fold === undefined ? next[i] : part.fold(accumulators[i], next[i])
      }
      return accumulators
    },
    merge(left, right) {
      const [a, b] = [left as unknown[], right as unknown[]]
      return parts.map((part, i) => part.merge(a[i], b[i]))
    },
    result(accumulator) {
      const accumulators = accumulator as unknown[]
      const results: Record<string, unknown> = {}
      for (let i = 0; i < size; i++) {
        results[names[i] as string] = (parts[i] as Opaque).result(accumulators[i])
      }
      return results
    },
  }
}
