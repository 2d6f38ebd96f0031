import { describe, expect, it } from 'vitest'
import { firstN, lastN, topN } from 'millrace'

const itself = (value: number): number => value
const makers = {
  firstN: (n: number) => firstN<number>(n),
  lastN: (n: number) => lastN<number>(n),
  topN: (n: number) => topN(n, itself),
}

describe('aggregates that keep n values', () => {
  it.each(Object.entries(makers))('%s is refused when n is no number of values', (name, make) => {
    for (const n of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 10_001, '3' as never]) {
      expect(() => make(n)).toThrow(RangeError)
      expect(() => make(n)).toThrow(
        `${name}: n must be a whole number from 1 to 10000, and is ${String(n)}`,
      )
    }
    expect(() => make(10_000)).not.toThrow()
  })

  it('never hold more than n', () => {
    const [first, last, top] = [firstN<number>(3), lastN<number>(3), topN(3, itself)]
    const held = { first: first.init(), last: last.init(), top: top.init() }
    for (let value = 0; value < 1_000; value++) {
      const number = (value * 7919) % 1_000
      held.first = first.add(held.first, number)
      held.last = last.add(held.last, number)
      held.top = top.add(held.top, number)
      expect(held.first.length).toBeLessThanOrEqual(3)
      expect(held.last.length).toBeLessThanOrEqual(3)
      expect(held.top.map((part) => part.length)).toEqual([
        Math.min(value + 1, 3),
        Math.min(value + 1, 3),
      ])
    }
    expect(first.result(held.first)).toEqual([0, 919, 838])
    expect(last.result(held.last)).toEqual([243, 162, 81])
    expect(top.result(held.top)).toEqual([999, 998, 997])
  })

  it('topN asks for the number of each value once', () => {
    const asked: number[] = []
    const top = topN(2, (value: number) => {
      asked.push(value)
      return value
    })
    const part = (...values: readonly number[]): [number[], number[]] =>
      values.reduce(top.add, top.init())
    expect(top.result(top.merge(part(3, 1, 2), part(5, 4)))).toEqual([5, 4])
    expect(asked).toEqual([3, 1, 2, 5, 4])
  })
})
