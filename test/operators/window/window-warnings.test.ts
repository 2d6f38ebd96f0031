import { describe, expect, it } from 'vitest'
import {
  countWindow,
  globalWindow,
  keepLast,
  onCount,
  onEventTime,
  session,
  sliding,
  tumbling,
} from 'millrace'
import { windowWarnings } from '../../../operators/window/window-warnings.ts'

describe('what a plan warns of', () => {
  it.each([
    ['records between', sliding(3, { every: 10 }), true],
    ['never fires', globalWindow(), true],
    ['at the end of bounded inputs only', globalWindow().trigger(onEventTime()), true],
    ['computed anew', globalWindow().trigger(onCount(2)).evictor(keepLast(1)), true],
    ['allowedLateness does nothing', tumbling(5, { clock: 'processing' }).allowedLateness(1), true],
  ])('%s', (text, windows, isIncremental) => {
    expect(windowWarnings(windows, isIncremental)).toEqual([expect.stringContaining(text)])
  })

  it.each([
    [tumbling(5)],
    [sliding(10, { every: 10 })],
    [session(5)],
    [countWindow(3, { every: 2 })],
    [globalWindow().trigger(onCount(2))],
  ])('is nothing in %o', (windows) => {
    expect(windowWarnings(windows, true)).toEqual([])
  })

  it('is not an evictor whose function takes all values', () => {
    const windows = globalWindow().trigger(onCount(2)).evictor(keepLast(1))
    expect(windowWarnings(windows, false)).toEqual([])
  })
})
