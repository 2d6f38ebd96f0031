import { describe, expect, it } from 'vitest'
import { TIME_MAX, TIME_MIN } from '../../operators/time.ts'
import { InvariantError } from '../../runtime/errors.ts'
import { InputWatermark, timeReader, type EventTimeOptions } from '../../runtime/time/event-time.ts'
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
    watermark.restore(100, 89)
    expect(watermark.see(90)).toBe(false)
    expect(watermark.holder.value).toBe(89)
    expect(watermark.see(101)).toBe(true)
    expect(watermark.holder.value).toBe(90)
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

  it('does not jump to the end of time when the last input goes idle', () => {
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
