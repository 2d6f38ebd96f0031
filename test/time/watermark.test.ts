import { describe, expect, it } from 'vitest'
import { TIME_MAX, TIME_MIN } from '../../operators/time.ts'
import { type Watermarks, watermarks, watermarksOf } from '../../operators/watermark.ts'
import { InvariantError } from '../../runtime/errors.ts'
import {
  carriedIn,
  InputWatermark,
  timeReader,
  type EventTimeOptions,
} from '../../runtime/time/event-time.ts'
import { MinimumHolder, slowestOf, WatermarkHolder } from '../../runtime/time/watermark.ts'

const eventTime = (options: Partial<EventTimeOptions> = {}): EventTimeOptions => ({
  of: { field: 'timestamp', unit: 'ms' },
  progressive: true,
  outOfOrderMs: 0,
  idleAfterMs: 1_000,
  maxAheadMs: 1_000,
  minTime: 0,
  ...options,
})

/** Several inputs and the watermark behind them. */
const several = (count: number): { inputs: WatermarkHolder[]; out: MinimumHolder } => {
  const inputs = Array.from({ length: count }, () => new WatermarkHolder())
  return { inputs, out: new MinimumHolder(inputs) }
}

describe('the watermark of an input', () => {
  it('follows the largest time at its bound, less one', () => {
    const watermark = new InputWatermark(eventTime({ outOfOrderMs: 10 }))
    expect(watermark.holder.value).toBe(TIME_MIN)
    for (const [times, expected] of [
      [[1_337], 1_326],
      [[12_345, 12_300, 12_340, 12_280], 12_334],
      [[723_456], 723_445],
    ] as const) {
      for (const time of times) watermark.see(time)
      expect(watermark.holder.value).toBe(expected)
    }
  })

  it('says when it moved', () => {
    const watermark = new InputWatermark(eventTime())
    expect([5, 5, 4, 6].map((time) => watermark.see(time))).toEqual([true, false, false, true])
  })

  it('stands still before the end when the input is unordered', () => {
    const watermark = new InputWatermark(eventTime({ progressive: false }))
    expect(watermark.see(5)).toBe(false)
    expect([watermark.maxTime, watermark.holder.value]).toEqual([5, TIME_MIN])
  })

  it('goes on after a restart where it was', () => {
    const watermark = new InputWatermark(eventTime({ outOfOrderMs: 10 }))
    watermark.restore({ maxTime: 100, watermark: 89 })
    expect(watermark.see(90)).toBe(false)
    expect(watermark.holder.value).toBe(89)
    expect(watermark.see(101)).toBe(true)
    expect(watermark.holder.value).toBe(90)
  })
})

/** What a source's own watermarks make of records. */
function told(
  own: Watermarks<unknown>,
  records: readonly (readonly [value: unknown, time: number])[],
  watermark = new InputWatermark(eventTime({ watermarks: own })),
): number[] {
  return records.map(([value, time]) => {
    watermark.ask(value, time)
    watermark.see(time)
    return watermark.holder.value
  })
}

describe("a source's own watermarks", () => {
  it('may be carried by some of its records', () => {
    const carried = watermarksOf((value) => (value as { upTo?: number }).upTo)
    const records = [
      [{}, 100],
      [{ upTo: 90 }, 95],
      [{}, 200],
      [{ upTo: 80 }, 90],
      [{ upTo: 190 }, 201],
    ] as const
    expect(told(carried, records)).toEqual([TIME_MIN, 90, 90, 90, 190])
  })

  it('may be in a field, in the unit of the event time', () => {
    const records = [
      [{ done: 3 }, 5_000],
      [{ done: '' }, 5_000],
      [{ done: null }, 5_000],
      [{}, 6_000],
      [{ done: 4.5 }, 6_000],
    ] as const
    expect(told(carriedIn('done', 's'), records)).toEqual([3_000, 3_000, 3_000, 3_000, 4_500])
    const watermark = new InputWatermark(eventTime({ watermarks: carriedIn('done', 's') }))
    expect(watermark.ask({ done: 'soon' }, 1)).toBeNaN()
  })

  it('may have a state, which goes on where it was after a restart', () => {
    // Time has come as far as every sender has.
    const slowest = watermarks({
      init: () => ({ reached: {} as Record<string, number> }),
      onRecord(state, value: { from: string }, time) {
        state.reached[value.from] = time
        return Math.min(...Object.values(state.reached)) - 1
      },
    }) as Watermarks<unknown>
    const records = [
      [{ from: 'a' }, 10],
      [{ from: 'b' }, 5],
      [{ from: 'a' }, 20],
      [{ from: 'b' }, 15],
    ] as const
    const straight = told(slowest, records)
    expect(straight).toEqual([9, 9, 9, 14])
    for (let cut = 0; cut <= records.length; cut++) {
      const first = new InputWatermark(eventTime({ watermarks: slowest }))
      const before = told(slowest, records.slice(0, cut), first)
      const second = new InputWatermark(eventTime({ watermarks: slowest }))
      second.restore(structuredClone(first.row))
      expect([...before, ...told(slowest, records.slice(cut), second)]).toEqual(straight)
    }
  })

  it('count at the end alone where the source tells the time at its end', () => {
    const carried = watermarksOf((value) => (value as { upTo?: number }).upTo)
    const watermark = new InputWatermark(eventTime({ watermarks: carried, progressive: false }))
    expect(told(carried, [[{ upTo: 90 }, 95]], watermark)).toEqual([TIME_MIN])
    watermark.finish()
    expect(watermark.holder.value).toBe(TIME_MAX)
  })

  it('may speak from time to time', () => {
    const clocked = watermarks({
      init: () => ({ max: 0 }),
      onRecord(state, _value, time) {
        state.max = Math.max(state.max, time)
        return undefined
      },
      onPeriod: (state, now) => Math.min(state.max, now - 100),
    })
    const watermark = new InputWatermark(eventTime({ watermarks: clocked }))
    expect(told(clocked, [[{}, 1_000]], watermark)).toEqual([TIME_MIN])
    watermark.onPeriod(600)
    expect(watermark.holder.value).toBe(500)
    watermark.onPeriod(5_000)
    expect(watermark.holder.value).toBe(1_000)
  })
})

describe('an input whose records come in order', () => {
  it('has its watermark right behind the newest', () => {
    const watermark = new InputWatermark(eventTime({ outOfOrderMs: 0 }))
    const values = [1, 1, 2, 5, 5, 9].map((time) => {
      watermark.see(time)
      return watermark.holder.value
    })
    // Equal times are no step back: none of them is late.
    expect(values).toEqual([0, 0, 1, 4, 4, 8])
  })
})

describe('the watermark of several inputs', () => {
  it('is the smallest, once all have one', () => {
    const { inputs, out } = several(3)
    const [a, b, c] = inputs as [WatermarkHolder, WatermarkHolder, WatermarkHolder]
    a.advance(0)
    b.advance(0)
    expect(out.value).toBe(TIME_MIN)
    c.advance(0)
    expect(out.value).toBe(0)
    const steps: [WatermarkHolder, number, number][] = [
      [a, 12, 0],
      [c, 8, 0],
      [c, 10, 0],
      [b, 15, 10],
      [c, 17, 12],
      [a, 20, 15],
    ]
    for (const [input, time, expected] of steps) {
      input.advance(time)
      expect(out.value).toBe(expected)
    }
  })

  it('never goes back (I5)', () => {
    const holder = new WatermarkHolder()
    for (const [time, expected] of [
      [25, 25],
      [18, 25],
      [42, 42],
      [TIME_MIN, 42],
    ] as const) {
      holder.advance(time)
      expect(holder.value).toBe(expected)
    }
    expect(() => holder.advance(Number.NaN)).toThrow(InvariantError)
  })

  it('leaves idle inputs out, and is idle when all are', () => {
    const { inputs, out } = several(2)
    const [a, b] = inputs as [WatermarkHolder, WatermarkHolder]
    a.advance(2)
    b.advance(5)
    expect([out.value, out.idle]).toEqual([2, false])
    a.setIdle(true)
    expect([out.value, out.idle]).toEqual([5, false])
    b.setIdle(true)
    expect([out.value, out.idle]).toEqual([5, true])
    // One that comes back behind the others holds nothing back that has passed.
    a.setIdle(false)
    a.advance(3)
    expect([out.value, out.idle]).toEqual([5, false])
    b.setIdle(false)
    a.advance(7)
    expect(out.value).toBe(5)
    b.advance(9)
    expect(out.value).toBe(7)
  })

  it('comes as far as the furthest when the last input goes idle, in whatever order they do', () => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ]) {
      const { inputs, out } = several(3)
      for (const [i, time] of [10, 5, 3].entries()) inputs[i]?.advance(time)
      expect(out.value).toBe(3)
      for (const i of order) inputs[i]?.setIdle(true)
      expect([out.value, out.idle]).toEqual([10, true])
    }
  })

  it('is not moved by an input while that is idle', () => {
    const { inputs, out } = several(1)
    const [input] = inputs as [WatermarkHolder]
    input.advance(25)
    input.setIdle(true)
    input.advance(50)
    expect([input.value, out.value]).toEqual([25, 25])
    input.setIdle(false)
    expect([out.value, out.idle]).toEqual([25, false])
    input.advance(50)
    expect(out.value).toBe(50)
  })

  it('does not wait for an input that comes back from idleness behind, until that has caught up', () => {
    const { inputs, out } = several(3)
    const [a, b, c] = inputs as [WatermarkHolder, WatermarkHolder, WatermarkHolder]
    for (const [holder, time] of [
      [a, 10],
      [b, 7],
      [c, 3],
    ] as const)
      holder.advance(time)
    expect(out.value).toBe(3)
    c.setIdle(true)
    expect(out.value).toBe(7)
    c.setIdle(false)
    c.advance(5)
    expect(out.value).toBe(7)
    b.advance(8)
    expect(out.value).toBe(8)
    c.advance(9)
    expect(out.value).toBe(8)
    b.advance(12)
    expect(out.value).toBe(9)
  })

  it('takes an input in again that has caught up', () => {
    const { inputs, out } = several(3)
    const [a, b, c] = inputs as [WatermarkHolder, WatermarkHolder, WatermarkHolder]
    for (const [holder, time] of [
      [a, 10],
      [b, 7],
      [c, 3],
    ] as const)
      holder.advance(time)
    c.setIdle(true)
    c.setIdle(false)
    c.advance(5)
    c.advance(9)
    expect(out.value).toBe(7)
    b.advance(12)
    expect(out.value).toBe(9)
  })

  it('of inputs that have ended and one that is idle is what the idle one had reached', () => {
    const { inputs, out } = several(2)
    const [ended, idle] = inputs as [WatermarkHolder, WatermarkHolder]
    idle.advance(40)
    idle.setIdle(true)
    ended.advance(TIME_MAX)
    expect([out.value, out.idle]).toEqual([40, true])
    idle.setIdle(false)
    idle.advance(50)
    expect([out.value, out.idle]).toEqual([50, false])
    idle.advance(TIME_MAX)
    expect([out.value, out.idle]).toEqual([TIME_MAX, false])
  })

  it('does not jump to the end of time when an input that is behind is the last to be active', () => {
    const { inputs, out } = several(3)
    const [a, b, c] = inputs as [WatermarkHolder, WatermarkHolder, WatermarkHolder]
    a.advance(10)
    b.advance(7)
    c.setIdle(true)
    expect(out.value).toBe(7)
    c.setIdle(false)
    a.setIdle(true)
    b.setIdle(true)
    expect(out.value).toBe(7)
  })

  it('reaches the end of time when all have', () => {
    const { inputs, out } = several(2)
    inputs[0]?.advance(TIME_MAX)
    expect(out.value).toBe(TIME_MIN)
    inputs[1]?.advance(TIME_MAX)
    expect(out.value).toBe(TIME_MAX)
  })

  it('of one input is that input', () => {
    const holder = new WatermarkHolder()
    expect(slowestOf([holder])).toBe(holder)
  })
})

describe('the time of a value', () => {
  const read = (unit: 's' | 'ms' | 'us' | 'iso', time: unknown): number =>
    timeReader({ field: 'at', unit })({ at: time })

  it('is read in its unit, as whole milliseconds', () => {
    expect(read('s', 1.5)).toBe(1_500)
    expect(read('ms', 7.9)).toBe(7)
    expect(read('us', 1_999)).toBe(1)
    expect(read('us', -1)).toBe(-1)
    expect(read('iso', '1970-01-01T00:00:01Z')).toBe(1_000)
  })

  it('is not a number when there is none', () => {
    for (const time of [undefined, null, '5', {}, Number.NaN]) expect(read('ms', time)).toBeNaN()
    for (const time of [undefined, 5, 'yesterday', '']) expect(read('iso', time)).toBeNaN()
  })
})
