/** What every Clock does, as tests that each implementation runs. */
import { describe, expect, it } from 'vitest'
import { type Clock, sleep } from '../../runtime/time/clock.ts'

export interface ClockFixture {
  readonly clock: Clock
  /** Lets at least this much time pass. */
  pass(delayMs: number): Promise<void>
}

export function clockConformance(name: string, make: () => ClockFixture): void {
  describe(`${name} as a clock`, () => {
    it('goes on, and its monotonic time never goes back', async () => {
      const { clock, pass } = make()
      const [now, monotonic] = [clock.now(), clock.monotonic()]
      await pass(5)
      // A wall clock counts whole milliseconds.
      expect(clock.now() - now).toBeGreaterThanOrEqual(4)
      expect(clock.monotonic() - monotonic).toBeGreaterThanOrEqual(4)
    })

    it('calls back once, in the order of time, and not before', async () => {
      const { clock, pass } = make()
      const called: string[] = []
      clock.after(40, () => called.push('late'))
      clock.after(5, () => called.push('early'))
      expect(called).toEqual([])
      await pass(50)
      await clock.breathe()
      expect(called).toEqual(['early', 'late'])
      await pass(10)
      expect(called).toEqual(['early', 'late'])
    })

    it('does not call back what was cancelled', async () => {
      const { clock, pass } = make()
      const called: string[] = []
      const cancel = clock.after(5, () => called.push('cancelled'))
      clock.after(5, () => called.push('kept'))
      cancel()
      await pass(10)
      await clock.breathe()
      cancel()
      expect(called).toEqual(['kept'])
    })

    it('breathes without time passing', async () => {
      const { clock } = make()
      let called = false
      clock.after(60_000, () => (called = true))()
      await clock.breathe()
      expect(called).toBe(false)
    })

    it('sleeps for its time, or until it is woken', async () => {
      const { clock, pass } = make()
      const slept = sleep(clock, 5)
      await pass(10)
      await slept
      const wake = new AbortController()
      const sleeping = sleep(clock, 60_000, wake.signal)
      wake.abort()
      await sleeping
      await sleep(clock, 60_000, wake.signal)
    })
  })
}
