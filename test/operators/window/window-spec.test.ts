import { describe, expect, it } from 'vitest'
import {
  allOf,
  calendar,
  countWindow,
  deltaEvictor,
  everyEventTime,
  everyProcessingTime,
  firstOf,
  globalWindow,
  keepLast,
  keepWithin,
  onCount,
  onDelta,
  session,
  sliding,
  trigger,
  tumbling,
} from 'millrace'

describe('windows of each kind', () => {
  it('are described by their sizes in milliseconds', () => {
    expect(sliding('10m', { every: '1m', offset: '-30s' })).toMatchObject({
      sizeMs: 600_000,
      slideMs: 60_000,
      offsetMs: -30_000,
      clock: 'event',
    })
    expect(session('30m', { maxLength: '6h', clock: 'processing' })).toMatchObject({
      gap: 1_800_000,
      maxLengthMs: 21_600_000,
      clock: 'processing',
    })
    expect(countWindow(10, { every: 3 })).toMatchObject({ count: 10, every: 3 })
    expect(calendar('month', { timeZone: 'Asia/Kolkata', every: 3 }).label).toBe(
      'calendar 3 months in Asia/Kolkata',
    )
  })

  it('stay as they are: each method gives new ones', () => {
    const windows = tumbling('1m')
    const late = windows.allowedLateness('10s')
    const retracting = late.trigger(onCount(2)).retracting()
    expect(windows.options).toMatchObject({ latenessMs: 0, results: 'accumulating' })
    expect(late.options).toMatchObject({ latenessMs: 10_000, trigger: undefined })
    expect(retracting.options).toMatchObject({ latenessMs: 10_000, results: 'retracting' })
    expect(retracting.options.trigger?.label).toBe('onCount(2)')
    expect(retracting.discarding().accumulating().options.results).toBe('accumulating')
  })
})

const mean = (name: string, make: () => unknown): [string, () => unknown] => [name, make]

describe('what makes no sense is refused at definition', () => {
  it.each([
    mean('tumbling window size: 0', () => tumbling(0)),
    mean('tumbling window size: -1s', () => tumbling('-1s')),
    mean('tumbling window size: 1.5', () => tumbling(1.5)),
    mean('tumbling window offset: 2s', () => tumbling('1s', { offset: '2s' })),
    mean('sliding window size: 0', () => sliding(0, { every: 1 })),
    mean('sliding window slide: -5', () => sliding(10, { every: -5 })),
    mean('sliding window slide: "often"', () => sliding(10, { every: 'often' })),
    mean('sliding window offset: 5', () => sliding(10, { every: 5, offset: 5 })),
    mean('sliding window size: 365d', () => sliding('365d', { every: '1ms' })),
    mean('session window gap: 0', () => session(0)),
    mean('session window maxLength: 1s', () => session('2s', { maxLength: '1s' })),
    mean('session window maxLength: 0', () => session('2s', { maxLength: 0 })),
    mean('count window size: 0', () => countWindow(0)),
    mean('count window size: 1.5', () => countWindow(1.5)),
    mean('count window every: -1', () => countWindow(3, { every: -1 })),
    mean('calendar window every: 5 hours', () => calendar('hour', { timeZone: 'UTC', every: 5 })),
    mean('calendar window every: 0', () => calendar('day', { timeZone: 'UTC', every: 0 })),
    mean('calendar window timeZone: "Mars"', () => calendar('day', { timeZone: 'Mars' })),
    mean('calendar window unit: "year"', () => calendar('year' as 'day', { timeZone: 'UTC' })),
    mean('calendar window weekStartsOn: "someday"', () =>
      calendar('week', { timeZone: 'UTC', weekStartsOn: 'someday' as 'monday' }),
    ),
    mean('allowed lateness of tumbling windows: -1', () => tumbling(10).allowedLateness(-1)),
    mean('trigger onCount: 0', () => onCount(0)),
    mean('trigger onDelta: the threshold NaN', () => onDelta(Number, Number.NaN)),
    mean('trigger everyEventTime: 0', () => everyEventTime(0)),
    mean('trigger everyProcessingTime: -1', () => everyProcessingTime(-1)),
    mean('trigger firstOf: give it at least one', () => firstOf()),
    mean('trigger allOf: give it at least one', () => allOf()),
    mean('evictor keepLast: 0', () => keepLast(0)),
    mean('evictor keepWithin: 0', () => keepWithin(0)),
    mean('evictor deltaEvictor: the threshold 0', () => deltaEvictor(Number, 0)),
    mean('count windows fire at their count', () => countWindow(3).trigger(onCount(2))),
    mean('count windows drop what is beyond', () => countWindow(3).evictor(keepLast(2))),
    mean('session windows merge: the trigger mine', () =>
      session(5).trigger(trigger({ name: 'mine', onRecord: () => 'fire' })),
    ),
  ])('%s', (message, make) => {
    expect(make).toThrow(RangeError)
    expect(make).toThrow(message)
  })

  it('and what does, is not', () => {
    expect(() => sliding('3s', { every: '10s' })).not.toThrow()
    expect(() => globalWindow().evictor(keepLast(3)).trigger(onCount(1))).not.toThrow()
    const merging = trigger({ onRecord: () => 'fire', onMerge: () => undefined })
    expect(() => session(5).trigger(merging)).not.toThrow()
  })
})
