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
  return {
    init: () => parts.map((part) => part.init()),
    add(accumulator, value) {
      const accumulators = accumulator as unknown[]
      for (let i = 0; i < size; i++) {
        accumulators[i] = (parts[i] as Opaque).add(accumulators[i], value)
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
