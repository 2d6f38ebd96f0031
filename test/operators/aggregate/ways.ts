/** Ways to aggregate the same values, all of which have to come to the same. */
import type { Aggregate } from '../../../operators/aggregate/aggregate.ts'
import { decodeRow, encodeRow } from '../../../runtime/state/row-codec.ts'

/** An aggregate whose accumulator and result the test does not know. */
export type Opaque<In> = Aggregate<In, unknown, unknown>

/** When an accumulator is written to the store and read again. */
export type Storing = 'always' | 'never' | 'sometimes'

/** What comes back from the store. */
export function stored(accumulator: unknown): unknown {
  return decodeRow(encodeRow(accumulator, 1), 'the accumulator').value
}

/** The stored bytes: equal ones are the same accumulator to the last bit. */
export function bytesOf(accumulator: unknown): string {
  return Buffer.from(encodeRow(accumulator, 1)).toString('hex')
}

/** The accumulator of the values, added one by one. */
export function added<In>(aggregate: Opaque<In>, values: readonly In[]): unknown {
  return values.reduce((held, value) => aggregate.add(held, value), aggregate.init())
}

/** The same by read and fold, as beside others. */
export function folded<In>({ init, add, read, fold }: Opaque<In>, values: readonly In[]): unknown {
  return values.reduce(
    (held, value) =>
      read === undefined || fold === undefined ? add(held, value) : fold(held, read(value)),
    init(),
  )
}

/** Cuts the values into up to six parts, of which some are empty. */
export function cut<In>(values: readonly In[], random: () => number): readonly (readonly In[])[] {
  const cuts = Array.from({ length: Math.floor(random() * 6) }, () =>
    Math.floor(random() * (values.length + 1)),
  ).toSorted((a, b) => a - b)
  return [0, ...cuts].map((from, i) => values.slice(from, cuts[i]))
}

/** The accumulators of parts, merged in order and with random brackets. */
export function merged<In>(
  aggregate: Opaque<In>,
  parts: readonly (readonly In[])[],
  random: () => number,
  storing: Storing,
): unknown {
  const between = (accumulator: unknown): unknown => {
    const draw = random()
    return storing === 'always' || (storing === 'sometimes' && draw < 0.3)
      ? stored(accumulator)
      : accumulator
  }
  const part = (values: readonly In[]): unknown =>
    values.reduce((held, value) => between(aggregate.add(held, value)), aggregate.init())
  const both = (from: number, to: number): unknown => {
    if (to - from === 1) return part(parts[from] ?? [])
    const middle = from + 1 + Math.floor(random() * (to - from - 1))
    return between(aggregate.merge(both(from, middle), both(middle, to)))
  }
  return both(0, parts.length)
}
