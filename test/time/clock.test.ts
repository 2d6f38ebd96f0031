import { describe, expect, it } from 'vitest'
import { SimulatedClock } from '../../runtime/testing/simulated-clock.ts'
import { systemClock } from '../../runtime/time/clock.ts'
import { clockConformance } from '../conformance/clock-conformance.ts'
import { ManualClock } from '../support/manual-clock.ts'

clockConformance('systemClock', () => ({
  clock: systemClock,
  // Real time is the one thing that a real clock cannot be tested without.
  pass: (delayMs) => new Promise((resolve) => void setTimeout(resolve, delayMs)),
}))

clockConformance('SimulatedClock', () => {
  const clock = new SimulatedClock()
  return { clock, pass: async (delayMs) => clock.advanceTo(clock.now() + delayMs) }
})

clockConformance('ManualClock', () => {
  const clock = new ManualClock()
  return { clock, pass: async (delayMs) => clock.advance(delayMs) }
})

describe('SimulatedClock', () => {
  it('stands at the time of each callback while it is called', () => {
    const clock = new SimulatedClock(100)
    const times: number[] = []
    const again = (): void => {
      times.push(clock.now())
      if (times.length < 3) clock.after(10, again)
    }
    clock.after(10, again)
    clock.advanceTo(125)
    expect(times).toEqual([110, 120])
    expect([clock.now(), clock.monotonic(), clock.nextAt]).toEqual([125, 25, 130])
  })

  it('refuses to go back', () => {
    const clock = new SimulatedClock(100)
    expect(() => clock.advanceTo(99)).toThrow(RangeError)
    expect(() => clock.advanceTo(Number.NaN)).toThrow(RangeError)
  })
})
