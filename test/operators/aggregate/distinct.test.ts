import { describe, expect, it } from 'vitest'
import { approxDistinct } from '../../../operators/aggregate/approx-distinct.ts'
import { distinct } from '../../../operators/aggregate/distinct.ts'
import type { Distinguishable } from '../../../operators/aggregate/distinguishable.ts'
import { added, type Opaque, stored } from './ways.ts'

const itself = (value: Distinguishable): Distinguishable => value
const exact = distinct(itself)
const about = approxDistinct(itself)
const both = [
  ['distinct', exact],
  ['approxDistinct', about],
] as unknown as readonly (readonly [string, Opaque<Distinguishable>])[]

describe.each(both)('%s', (name, aggregate) => {
  const of = (...values: readonly Distinguishable[]): unknown =>
    aggregate.result(added(aggregate, values))

  it('tells numbers from the texts that look like them', () => {
    expect(of(1, '1', '1', 1)).toBe(2)
    expect(of(-1, 1, '-1')).toBe(3)
    expect(of(0, -0)).toBe(1)
  })

  it('knows every text, those of objects and of no text at all too', () => {
    expect(of('', '__proto__', 'constructor', 'toString', 'hasOwnProperty', '__proto__')).toBe(5)
    expect(of('é', 'e\u0301')).toBe(2)
    expect(of('a', 'aa', 'aaa', 'a\0', '\0a')).toBe(5)
  })

  it('takes halves of surrogate pairs for what the store makes of them', () => {
    expect(of('\ud800', '\udbff', '\ufffd', '\ud83d\ude00')).toBe(2)
  })

  it('is zero of no values', () => {
    expect(of()).toBe(0)
  })

  it('fails on what is neither number nor text', () => {
    for (const value of [null, undefined, 1n, true, {}, [], Symbol('x')]) {
      expect(() => of(value as never)).toThrow(TypeError)
      expect(() => of(value as never)).toThrow(`${name}: `)
    }
  })
})

describe('distinct', () => {
  it('goes on from the store at any size', () => {
    let held = exact.init()
    for (let value = 0; value < 50; value++) {
      held = exact.add(held, value)
      if (value % 3 === 0) held = stored(held) as typeof held
      held = exact.add(held, value)
      expect(exact.result(held)).toBe(value + 1)
    }
  })

  it('counts a hundred thousand values in about linear time', () => {
    let held = exact.init()
    for (let value = 0; value < 200_000; value++) held = exact.add(held, value % 100_000)
    expect(exact.result(held)).toBe(100_000)
  })
})
