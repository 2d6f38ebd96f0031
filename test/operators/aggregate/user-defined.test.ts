import { describe, expect, it } from 'vitest'
import { aggregate, type AggregateDefinition } from 'millrace'

const total: AggregateDefinition<number, number, number> = {
  init: () => 0,
  add: (held, value) => held + value,
  merge: (left, right) => left + right,
  result: (held) => held,
}
const defined = (change: object): (() => unknown) => {
  const definition = { ...total, ...change } as typeof total
  return () => aggregate(definition)
}

describe('a user-defined aggregate', () => {
  it('does what its functions do', () => {
    const { init, add, merge, result, subtract } = aggregate(total)
    expect(result(merge(add(init(), 1), add(add(init(), 2), 3)))).toBe(6)
    expect(subtract).toBeUndefined()
    const exact = aggregate({ ...total, subtract: (all: number, part: number) => all - part })
    expect(exact.subtract?.(5, 3)).toBe(2)
  })

  it.each(['init', 'add', 'merge', 'result'])('is refused without %s', (name) => {
    expect(defined({ [name]: undefined })).toThrow(new TypeError(`aggregate: ${name} is missing`))
    expect(defined({ [name]: 0 })).toThrow(new TypeError(`aggregate: ${name} is not a function`))
  })

  it('is refused when it is no object of functions that there are', () => {
    for (const definition of [null, undefined, 3, () => 0]) {
      expect(() => aggregate(definition as never)).toThrow(TypeError)
    }
    expect(defined({ substract: () => 0 })).toThrow(
      "aggregate: there is no 'substract'; its functions are init, add, merge, result, subtract, read, fold",
    )
    expect(defined({ subtract: null })).toThrow('aggregate: subtract is not a function')
    expect(defined({ read: (value: number) => value })).toThrow(
      'aggregate: read and fold are two halves of add: give both or neither',
    )
  })

  it('is refused when its accumulator cannot be stored', () => {
    class Total {
      sum = 0
    }
    for (const [made, named] of [
      [new Map(), 'a Map'],
      [new Set(), 'a Set'],
      [new Total(), 'a Total'],
      [{ inside: [new Map()] }, 'a Map'],
      [Promise.resolve(0), 'a Promise'],
      [undefined, 'undefined'],
      [{ text: undefined }, 'undefined'],
      [0n, 'a bigint'],
      [() => 0, 'a function'],
      [Object.create(null) as unknown, 'an object without a class'],
    ] as const) {
      expect(defined({ init: () => made })).toThrow(TypeError)
      expect(defined({ init: () => made })).toThrow(`aggregate: init gives ${named}; accumulators`)
    }
    for (const made of [0, '', true, null]) expect(defined({ init: () => made })).not.toThrow()
    expect(defined({ init: () => ({ a: [1, { b: 'c' }], d: null }) })).not.toThrow()
  })

  it('is refused when all windows would share its accumulator', () => {
    const shared: number[] = []
    expect(defined({ init: () => shared })).toThrow('aggregate: init gives the same object each')
    expect(defined({ init: () => [] })).not.toThrow()
  })

  it.each(['add', 'merge', 'result', 'subtract', 'fold'] as const)(
    'fails when %s gives nothing, or a promise',
    (name) => {
      const made = (gives: unknown): Record<string, (...args: readonly unknown[]) => unknown> =>
        defined({ read: () => 0, fold: () => 0, [name]: () => gives })() as never
      expect(() => made(undefined)[name]?.(0, 0)).toThrow(
        new TypeError(`aggregate: ${name} gave nothing (is a return missing?)`),
      )
      expect(() => made(Promise.resolve(1))[name]?.(0, 0)).toThrow(
        new TypeError(`aggregate: ${name} gave a promise; it must give the value itself`),
      )
      expect(made(null)[name]?.(0, 0)).toBeNull()
    },
  )

  it('hands on what its functions throw', () => {
    const failing = aggregate({
      ...total,
      add: () => {
        throw new Error('no stars')
      },
    })
    expect(() => failing.add(0, 1)).toThrow('no stars')
  })
})
