/** How watermarks come together, and how they follow from times, against known answers. */
import { describe, expect, it } from 'vitest'
import { TIME_MAX, TIME_MIN } from '../../operators/time.ts'
import { InputWatermark } from '../../runtime/time/event-time.ts'
import { MinimumHolder, WatermarkHolder } from '../../runtime/time/watermark.ts'
import { type WatermarkCase, watermarkCases } from './case-file.ts'

const cases = watermarkCases()

describe('the watermark of several channels', () => {
  it.each(cases.filter((known) => 'channels' in known))('is known: $id', ({ channels, steps }) => {
    const holders = Array.from({ length: channels }, () => new WatermarkHolder())
    const minimum = new MinimumHolder(holders)
    for (const [i, step] of steps.entries()) {
      const before = { value: minimum.value, idle: minimum.idle }
      run(step, holders)
      const given: unknown[] = []
      if (minimum.value !== before.value)
        given.push(minimum.value === TIME_MAX ? 'end' : minimum.value)
      if (minimum.idle !== before.idle) given.push(minimum.idle ? 'idle' : 'active')
      expect(given, `step ${i}: ${JSON.stringify(step)}`).toEqual(step.gives ?? [])
    }
  })
})

function run(
  { watermark, idle, active, ends }: WatermarkCase['steps'][number],
  holders: readonly WatermarkHolder[],
): void {
  if (watermark !== undefined) holders[watermark[0]]?.advance(watermark[1])
  if (idle !== undefined) holders[idle]?.setIdle(true)
  if (active !== undefined) holders[active]?.setIdle(false)
  if (ends !== undefined) holders[ends]?.advance(TIME_MAX)
}

describe('the watermark behind the largest time', () => {
  it.each(cases.filter((known) => 'outOfOrder' in known))(
    'is known: $id',
    ({ outOfOrder, watermarks }) => {
      const watermark = new InputWatermark({
        of: 'log',
        progressive: true,
        outOfOrderMs: outOfOrder,
        idleAfterMs: Number.POSITIVE_INFINITY,
        maxAheadMs: Number.MAX_SAFE_INTEGER,
        minTime: Number.MIN_SAFE_INTEGER,
      })
      expect(watermark.holder.value).toBe(TIME_MIN)
      for (const [time, expected] of watermarks) {
        watermark.see(time)
        expect(watermark.holder.value).toBe(expected)
      }
    },
  )
})
