import { describe, expect, it } from 'vitest'
import { job, sum, tumbling } from 'millrace'
import { testJob, type TestJob } from 'millrace/testing'
import * as z from 'zod'
import { windowStart } from '../../operators/window/window.ts'

/** Known answers: TimeWindowTest and TumblingEventTimeWindowsTest of Apache Flink, FixedWindowsTest of Apache Beam. */
const STARTS: readonly (readonly [size: number, offset: number, starts: readonly string[]])[] = [
  [7, 0, ['-8:-14', '-7:-7', '-6:-7', '-1:-7', '0:0', '1:0', '6:0', '7:7', '8:7']],
  [7, 3, ['-10:-11', '-9:-11', '-3:-4', '-2:-4', '-1:-4', '1:-4', '2:-4', '3:3', '9:3', '10:10']],
  [
    7,
    -2,
    [
      '-12:-16',
      '-7:-9',
      '-4:-9',
      '-3:-9',
      '-2:-2',
      '-1:-2',
      '1:-2',
      '2:-2',
      '3:-2',
      '4:-2',
      '7:5',
      '12:12',
    ],
  ],
  [5_000, 0, ['0:0', '4999:0', '5000:5000']],
  [5_000, 100, ['100:100', '5099:100', '5100:5100']],
  [5_000, -100, ['0:-100', '4899:-100', '4900:4900']],
  [10, 0, ['1:0', '2:0', '5:0', '9:0', '10:10', '11:10', '100:100']],
  [10, 5, ['1:-5', '2:-5', '5:5', '9:5', '10:5', '11:5', '100:95']],
  [86_400_000, -8 * 3_600_000, ['1470902048450:1470844800000']],
]

describe('the start of a tumbling window', () => {
  it.each(STARTS)('of %i ms at offset %i is known', (size, offset, starts) => {
    for (const start of starts) {
      const [time, expected] = start.split(':').map(Number)
      expect(windowStart(time as number, size, offset)).toBe(expected)
    }
  })

  it('is never -0', () => {
    for (const time of [0, -0, 3]) expect(Object.is(windowStart(time, 7, 0), 0)).toBe(true)
  })
})

describe('tumbling', () => {
  it('takes sizes and offsets with units', () => {
    expect(tumbling('1s')).toEqual({ kind: 'tumbling', sizeMs: 1_000, offsetMs: 0, clock: 'event' })
    expect(tumbling('1d', { offset: '-8h', clock: 'processing' })).toMatchObject({
      sizeMs: 86_400_000,
      offsetMs: -28_800_000,
      clock: 'processing',
    })
  })

  it('refuses what is no window', () => {
    for (const size of [-1_000, 0, '-1s', '1 week', 'soon', Number.NaN, 1.5]) {
      expect(() => tumbling(size)).toThrow(RangeError)
    }
    expect(() => tumbling('10s', { offset: '20s' })).toThrow(/must be smaller than the size/)
    expect(() => tumbling('10s', { offset: '-11s' })).toThrow(RangeError)
    expect(() => tumbling('10s', { offset: '10s' })).toThrow(RangeError)
  })
})

const Element = z.object({ key: z.string(), timestamp: z.number(), n: z.number() })

const sums = (windows: ReturnType<typeof tumbling>) =>
  job('sums', ({ source, sink }) => {
    const results = source('elements', Element)
      .keyBy((element) => element.key)
      .window(windows)
      .aggregate('sums', { n: sum((element) => element.n) })
    results
      .map(({ key, value: { n }, window: { start, end } }) => `${key} ${n} [${start},${end})`)
      .to(sink('sums'))
    results.late.map(({ key, timestamp }) => `${key}@${timestamp}`).to(sink('late'))
  })

/** Writes `k2@3999` for an element of value 1, and `wm999` for a watermark. */
function play(t: TestJob, script: string): void {
  for (const word of script.trim().split(/\s+/)) {
    if (word.startsWith('wm')) t.advanceWatermark('elements', Number(word.slice(2)))
    else {
      const [key, timestamp] = word.split('@')
      t.push('elements', { key, timestamp: Number(timestamp), n: 1 })
    }
  }
}

/** The script step by step: after each watermark what has come out since. */
const STANDARD = 'k2@3999 k2@3000 k1@20 k1@0 k1@999 k2@1998 k2@1999 k2@1000'

describe('windows of event time', () => {
  const flow: readonly (readonly [script: string, expected: readonly string[]])[] = [
    [STANDARD, []],
    ['wm999', []],
    ['wm1999', []],
    ['wm2999', ['k1 3 [0,3000)', 'k2 3 [0,3000)']],
    ['wm3999', []],
    ['wm4999', []],
    ['wm5999', ['k2 2 [3000,6000)']],
    ['wm7999', []],
  ]

  it.each(['nothing', 'reopen', 'crash', 'kill'] as const)(
    'fire once, when the watermark reaches their last millisecond; with %s between any two steps',
    async (between) => {
      const t = await testJob(sums(tumbling('3s')))
      const seen: string[] = []
      for (const [script, expected] of flow) {
        play(t, script)
        if (between !== 'nothing') t[between]()
        const output = await t.output<string>('sums')
        expect(output.slice(seen.length).toSorted()).toEqual(expected)
        seen.push(...expected)
      }
      expect(await t.state('sums', 'k1')).toBeUndefined()
      expect(await t.state('sums', 'k2')).toBeUndefined()
      await t.close()
    },
  )

  it('give the same results in batch, where time is told at the end', async () => {
    const t = await testJob(sums(tumbling('3s')))
    play(t, STANDARD)
    t.endInput('elements')
    expect((await t.output<string>('sums')).toSorted()).toEqual([
      'k1 3 [0,3000)',
      'k2 2 [3000,6000)',
      'k2 3 [0,3000)',
    ])
    await t.close()
  })

  it('hand late records to their side output, one by one and not before they are late', async () => {
    const t = await testJob(sums(tumbling('2s')))
    play(t, 'k@1000 wm1985 k@1980 wm1998')
    expect(await t.output('sums')).toEqual([])
    play(t, 'wm1999 k@1998 k@2001 wm2999')
    expect(await t.output('sums')).toEqual(['k 2 [0,2000)'])
    play(t, 'wm3999')
    expect(await t.output('sums')).toEqual(['k 2 [0,2000)', 'k 1 [2000,4000)'])
    expect(await t.output('late')).toEqual(['k@1998'])
    expect(await t.counters()).toMatchObject({ late: 1, deadLettered: 0, windows: 2 })
    await t.close()
  })

  it('are open for negative times, and for the first one after a jump', async () => {
    const t = await testJob(sums(tumbling(5, { offset: 2 })))
    play(t, 'k@-4 k@-3 k@1 k@2 wm-4 k@1000000000000 wm1 wm1000000000001')
    expect(await t.output('sums')).toEqual([
      'k 1 [-8,-3)',
      'k 2 [-3,2)',
      'k 1 [2,7)',
      'k 1 [999999999997,1000000000002)',
    ])
    await t.close()
  })
})

describe('windows of processing time', () => {
  it('fire by the clock, whatever the times of the records are', async () => {
    const t = await testJob(sums(tumbling('3s', { clock: 'processing' })), { now: 3 })
    play(t, 'k2@9999 k2@0 k1@5 k1@-7 k2@50000')
    t.advanceClock(2_995)
    expect(await t.output('sums')).toEqual([])
    t.advanceClock(1)
    expect((await t.output<string>('sums')).toSorted()).toEqual(['k1 2 [0,3000)', 'k2 3 [0,3000)'])
    t.advanceClock(2_001)
    play(t, 'k1@0 k1@0 k1@0')
    t.crash()
    t.advanceClock(2_000)
    expect(await t.output('sums')).toContain('k1 3 [3000,6000)')
    expect(await t.output('late')).toEqual([])
    await t.close()
  })
})
