import { type Column, columnOf } from './column.ts'

/**
 * An aggregate folds the values of a window into an accumulator. `add` may change and return its
 * accumulator; it throws, if at all, before it changed it. `merge`, `subtract` and `result` leave what
 * they are given as it is: a slice is part of many windows. Accumulators are plain
 * data: numbers, text, arrays, objects.
 */
export interface Aggregate<In, Acc, Out> {
  /** What its accumulators are, as text: a state is refused to an aggregate of another kind. */
  readonly kind: string
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
  /** The aggregate's accumulators for many keys in columns; without it they are kept one by one. */
  column?(): Column
  /** Never there: tells the compiler what goes in, whatever the accumulator is. */
  readonly '~input'?: (value: In) => void
  /** Accumulators grow with the values they hold: none is kept that can be made again of others. */
  readonly grows?: boolean
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
  // Those whose only way is `add` are read last: it may change what it is given, and then nothing fails behind it.
  const readOrder = [...parts.keys()].toSorted(
    (a, b) => Number(isAddOnly(parts[a])) - Number(isAddOnly(parts[b])),
  )
  const size = parts.length
  const isInvertible = parts.every((part) => part.subtract !== undefined)
  /** What each part made of a value: read, and not yet folded; or its next accumulator. */
  const next = new Array<unknown>(size)
  return {
    kind: `{${names.map((name, i) => `${name}: ${(parts[i] as Opaque).kind}`).join(', ')}}`,
    init: () => parts.map((part) => part.init()),
    add(accumulator, value) {
      const accumulators = accumulator as unknown[]
      // First everything that may throw, then the changes.
      for (const i of readOrder) {
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
      const merged = new Array<unknown>(size)
      for (let i = 0; i < size; i++) {
        merged[i] = (parts[i] as Opaque).merge((left as unknown[])[i], (right as unknown[])[i])
      }
      return merged
    },
    result(accumulator) {
      const accumulators = accumulator as unknown[]
      const results: Record<string, unknown> = {}
      for (let i = 0; i < size; i++) {
        results[names[i] as string] = (parts[i] as Opaque).result(accumulators[i])
      }
      return results
    },
    grows: parts.some((part) => part.grows === true),
    ...(isInvertible && {
      subtract: (total: unknown, part: unknown) =>
        parts.map((each, i) => each.subtract?.((total as unknown[])[i], (part as unknown[])[i])),
    }),
    column: () => new TogetherColumn(names, parts.map(columnOf), readOrder),
  }
}

const isAddOnly = (part: Opaque | undefined): boolean =>
  part?.read === undefined && part?.column === undefined

/** The columns of several aggregates side by side. */
class TogetherColumn implements Column {
  readonly #names: readonly string[]
  readonly #parts: readonly Column[]
  readonly #inReadOrder: readonly Column[]

  constructor(names: readonly string[], parts: readonly Column[], readOrder: readonly number[]) {
    this.#names = names
    this.#parts = parts
    this.#inReadOrder = readOrder.map((i) => parts[i] as Column)
  }

  init(slot: number): void {
    const parts = this.#parts
    for (let i = 0; i < parts.length; i++) (parts[i] as Column).init(slot)
  }

  stage(slot: number, value: unknown): void {
    const parts = this.#inReadOrder
    for (let i = 0; i < parts.length; i++) (parts[i] as Column).stage(slot, value)
  }

  apply(slot: number): void {
    const parts = this.#parts
    for (let i = 0; i < parts.length; i++) (parts[i] as Column).apply(slot)
  }

  get(slot: number): unknown {
    const parts = this.#parts
    const accumulator = new Array<unknown>(parts.length)
    for (let i = 0; i < parts.length; i++) accumulator[i] = (parts[i] as Column).get(slot)
    return accumulator
  }

  set(slot: number, accumulator: unknown): void {
    const parts = this.#parts
    const accumulators = accumulator as unknown[]
    for (let i = 0; i < parts.length; i++) (parts[i] as Column).set(slot, accumulators[i])
  }

  copy(into: number, of: Column, from: number): void {
    const [parts, others] = [this.#parts, (of as TogetherColumn).#parts]
    for (let i = 0; i < parts.length; i++) {
      ;(parts[i] as Column).copy(into, others[i] as Column, from)
    }
  }

  merge(into: number, left: number, right: number): void {
    const parts = this.#parts
    for (let i = 0; i < parts.length; i++) (parts[i] as Column).merge(into, left, right)
  }

  result(slot: number): unknown {
    const results: Record<string, unknown> = {}
    const parts = this.#parts
    for (let i = 0; i < parts.length; i++) {
      results[this.#names[i] as string] = (parts[i] as Column).result(slot)
    }
    return results
  }
}
