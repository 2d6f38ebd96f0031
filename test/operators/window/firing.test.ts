import { afterEach, describe, expect, it } from 'vitest'
import {
  aggregate,
  atEndOfStream,
  count,
  countWindow,
  earlyAndLate,
  everyEventTime,
  evictor,
  globalWindow,
  job,
  onCount,
  onDelta,
  onEventTime,
  orFinally,
  repeatedly,
  sliding,
  trigger,
  tumbling,
} from 'millrace'
import { testJob, type TestJob } from 'millrace/testing'
import { Element, play, valuesOf } from './window-job.ts'

const jobs: TestJob[] = []
afterEach(async () => {
  for (const t of jobs.splice(0)) await t.close()
})

async function start(...args: Parameters<typeof valuesOf>): Promise<TestJob> {
  const t = await testJob(valuesOf(...args))
  jobs.push(t)
  return t
}

describe('the results of a window', () => {
  //  0 ───x──x──┤10 ──────x late────┤10+20: dropped
  it('accumulate, add up, or are taken back', async () => {
    const script = 'k=1@1 k=2@2 wm9 k=3@3 wm28 k=4@4 wm29 k=5@5'
    const given: Record<string, unknown> = {}
    for (const mode of ['accumulating', 'discarding', 'retracting'] as const) {
      const windows = tumbling(10).allowedLateness(20)
      const t = await start(windows[mode]())
      play(t, script)
      given[mode] = await t.output('results')
      expect(await t.output('late')).toEqual(['k@5'])
      expect(await t.state('windows', 'k')).toBeUndefined()
    }
    expect(given).toEqual({
      accumulating: [
        'k 1,2 [0,10) onTime#0 r0 @9',
        'k 1,2,3 [0,10) late#1 r1 @9',
        'k 1,2,3,4 [0,10) late#2 r2 @9',
      ],
      discarding: [
        'k 1,2 [0,10) onTime#0 r0 @9',
        'k 3 [0,10) late#1 r1 @9',
        'k 4 [0,10) late#2 r2 @9',
      ],
      retracting: [
        'k 1,2 [0,10) onTime#0 r0 @9',
        'k 1,2 [0,10) onTime#0 r0 taken back @9',
        'k 1,2,3 [0,10) late#1 r1 @9',
        'k 1,2,3 [0,10) late#1 r1 taken back @9',
        'k 1,2,3,4 [0,10) late#2 r2 @9',
      ],
    })
  })

  it('come early, on time, and late; what the late trigger had left over comes at the end', async () => {
    const t = await start(
      tumbling(10)
        .allowedLateness(20)
        .trigger(earlyAndLate({ early: onCount(2), late: onCount(2) })),
    )
    play(t, 'k=1@1 k=2@2 k=3@3 wm9 k=4@4 wm15 k=5@5 k=6@6 wm29')
    expect(await t.output('results')).toEqual([
      'k 1,2 [0,10) early#0 r0 @9',
      'k 1,2,3 [0,10) onTime#1 r1 @9',
      'k 1,2,3,4,5 [0,10) late#2 r2 @9',
      'k 1,2,3,4,5,6 [0,10) late#3 last r3 @9',
    ])
    expect(await t.state('windows', 'k')).toBeUndefined()
  })

  it('of a trigger that is over are the last; records that follow are late', async () => {
    const windows = tumbling(10).trigger(orFinally(onCount(2), onCount(3)))
    const t = await start(windows)
    play(t, 'k=1@1 k=2@2 k=3@3 k=4@4 j=5@5 wm9')
    expect(await t.output('results')).toEqual([
      'k 1,2 [0,10) early#0 r0 @9',
      'k 1,2,3 [0,10) early#1 last r1 @9',
    ])
    expect(await t.output('late')).toEqual(['k@4'])
    expect((await t.counters()).late).toBe(1)
    expect(await t.state('windows', 'k')).toBeUndefined()
  })

  it('go on when a trigger that is over is repeated', async () => {
    const t = await start(globalWindow().trigger(repeatedly(orFinally(onCount(5), onCount(2)))))
    play(t, 'k=1@1 k=2@2 k=3@3 k=4@4 k=5@5')
    expect(await t.output('results')).toEqual([
      'k 1,2 [-Infinity,Infinity) early#0 r0 @2',
      'k 1,2,3,4 [-Infinity,Infinity) early#1 r1 @4',
    ])
  })

  it('of a window without end have the newest time of its records', async () => {
    const t = await start(globalWindow().trigger(atEndOfStream()))
    play(t, 'k=1@50 k=2@20 j=3@7 wm60')
    expect(await t.output('results')).toEqual([])
    t.endInput('elements')
    expect((await t.output<string>('results')).toSorted()).toEqual([
      'j 3 [-Infinity,Infinity) onTime#0 last r0 @7',
      'k 1,2 [-Infinity,Infinity) onTime#0 last r0 @50',
    ])
    expect(await t.state('windows', 'k')).toBeUndefined()
  })

  it('of count windows stand each for itself, and leave nothing behind', async () => {
    const t = await start(countWindow(2))
    play(t, 'k=1@5 k=2@3 k=3@9 k=4@9')
    expect(await t.output('results')).toEqual([
      'k 1,2 [-Infinity,Infinity) onTime#0 last r0 @5',
      'k 3,4 [-Infinity,Infinity) onTime#0 last r0 @9',
    ])
    expect(await t.state('windows', 'k')).toBeUndefined()
    const sliding3 = await start(countWindow(3, { every: 2 }))
    play(sliding3, 'k=1@1 k=2@2 k=3@3 k=4@4 k=5@5 k=6@6')
    expect((await sliding3.output<string>('results')).map((text) => text.split(' ')[1])).toEqual([
      '1,2',
      '2,3,4',
      '4,5,6',
    ])
  })

  it('do not change when later records come to the window', async () => {
    const held: (readonly number[])[] = []
    const growing = aggregate({
      init: (): number[] => [],
      add: (numbers, { n }: Element) => {
        numbers.push(n)
        return numbers
      },
      merge: (left, right) => [...left, ...right],
      // The accumulator itself.
      result: (numbers) => numbers,
    })
    const t = await testJob(
      job('held', ({ source, sink }) => {
        source('elements', Element)
          .keyBy(({ key }) => key)
          .window(globalWindow().trigger(onCount(1)))
          .aggregate('windows', { growing })
          .map(({ value }) => {
            held.push(value.growing)
            return value.growing
          })
          .to(sink('results'))
      }),
    )
    jobs.push(t)
    play(t, 'k=1@1 k=2@2 k=3@3')
    expect(await t.output('results')).toEqual([[1], [1, 2], [1, 2, 3]])
    expect(held).toEqual([[1], [1, 2], [1, 2, 3]])
  })

  it('end with the inputs, also when a trigger would go on for ever', async () => {
    const again = trigger({
      onRecord(at) {
        at.wakeAt(at.time + 1)
        return 'continue'
      },
      onEventTime(at) {
        at.wakeAt(at.time + 1)
        return 'continue'
      },
    })
    for (const endless of [again, everyEventTime(3)]) {
      const t = await start(globalWindow().trigger(endless))
      play(t, 'k=1@1')
      t.endInput('elements')
      expect(await t.finished()).toBe(true)
    }
  })

  it('wake a trigger that asked for a time in the past with the next step of time', async () => {
    const past = trigger({
      onRecord(at) {
        at.wakeAt(at.time - 5)
        return 'continue'
      },
      onEventTime: () => 'fire',
    })
    const t = await start(tumbling(100).trigger(past))
    play(t, 'wm50 k=1@20')
    expect(await t.output('results')).toEqual([])
    play(t, 'wm51')
    expect(await t.output('results')).toEqual(['k 1 [0,100) early#0 r0 @99'])
  })
})

describe('records', () => {
  it('in no window are not late, unless time has passed them', async () => {
    const t = await start(sliding(3, { every: 10 }))
    play(t, 'k=1@1 k=2@5 wm4 k=3@7 k=4@4 wm50')
    expect(await t.output('results')).toEqual(['k 1 [0,3) onTime#0 last r0 @2'])
    expect(await t.output('late')).toEqual(['k@4'])
    expect((await t.counters()).late).toBe(1)
  })

  it('go into all of their windows or into none', async () => {
    const t = await testJob(
      job('reduced', ({ source, sink }) => {
        source('elements', Element)
          .keyBy(({ key }) => key)
          .window(sliding(20, { every: 10 }).trigger(repeatedly(onEventTime())))
          .reduce(
            'windows',
            (a, b) => {
              // Fails in the second of its windows only: the first one has another value.
              if (a.n === 2 && b.n === 3) throw new Error('no threes')
              return { ...a, n: a.n + b.n }
            },
            { onError: { deadLetterAfter: 2 } },
          )
          .map(({ value, window }) => `${value.n} [${window.start},${window.end})`)
          .to(sink('results'))
      }),
    )
    jobs.push(t)
    play(t, 'k=1@5 k=2@15 k=3@16 wm100')
    expect(await t.output('results')).toEqual(['1 [-10,10)', '3 [0,20)', '2 [10,30)'])
    expect((await t.deadLetters()).map(({ reason }) => reason)).toEqual([
      expect.stringContaining('no threes'),
    ])
  })

  it('on which a trigger fails leave nothing behind', async () => {
    const failing = trigger({
      state: () => 0,
      onRecord(at: { value: Element; state: number; wakeAt: (time: number) => void }) {
        at.state += 1
        at.wakeAt(at.value.timestamp)
        if (at.value.n < 0) throw new Error('negative')
        return at.state >= 2 ? 'fireAndPurge' : 'continue'
      },
    })
    const t = await start(tumbling(10).trigger(failing), { onError: { deadLetterAfter: 3 } })
    play(t, 'k=1@1 k=-5@2 k=2@3')
    expect(await t.output('results')).toEqual(['k 1,2 [0,10) early#0 r0 @9'])
    play(t, 'k=-5@13')
    expect(await t.output('results')).toHaveLength(1)
    play(t, 'wm9')
    expect(await t.state('windows', 'k')).toBeUndefined()
    expect((await t.deadLetters()).map(({ reason }) => reason)).toEqual(
      Array(2).fill(expect.stringContaining('negative')),
    )
  })

  it('fail when a trigger says what it cannot mean', async () => {
    const odd = trigger({ name: 'odd', onRecord: () => 'maybe' as 'fire' })
    const t = await start(tumbling(10).trigger(odd))
    play(t, 'k=1@1')
    await expect(t.settled()).rejects.toThrow(
      /operator 'windows' failed for key "k".*the trigger odd gave maybe/,
    )
    jobs.pop()
    await t.close().catch(() => undefined)
  })

  it('that an evictor fails on are set aside, and the window goes on', async () => {
    const failing = evictor<Element>((elements) => {
      if (elements.some(({ value }) => value.n < 0)) throw new Error('negative')
      return elements.slice(-2)
    })
    const t = await start(globalWindow().trigger(onCount(2)).evictor(failing), {
      onError: { deadLetterAfter: 1 },
    })
    play(t, 'k=1@1 k=2@2 k=3@3 k=4@4 j=1@1 j=-1@1 j=3@1 j=4@1')
    expect((await t.output<string>('results')).map((text) => text.split(' [')[0])).toEqual([
      'k 1,2',
      'k 3,4',
    ])
    expect(await t.deadLetters()).toHaveLength(2)
  })
})

describe('windows over all keys', () => {
  it('have results without a key, and a side output of late records', async () => {
    const t = await testJob(
      job('all', ({ source, sink }) => {
        const results = source('elements', Element)
          .windowAll(tumbling(10))
          .aggregate('windows', { n: count() })
        results.to(sink('results'))
        results.late.map(({ key }) => key).to(sink('late'))
      }),
    )
    jobs.push(t)
    play(t, 'a=1@1 b=2@2 wm9 c=3@3')
    expect(await t.output('results')).toEqual([
      {
        value: { n: 2 },
        window: { start: 0, end: 10 },
        pane: { timing: 'onTime', index: 0, isLast: true },
        revision: 0,
      },
    ])
    expect(await t.output('late')).toEqual(['c'])
  })
})

describe('a window without end', () => {
  it('is written with nulls', async () => {
    const t = await testJob(
      job('endless', ({ source, sink }) => {
        source('elements', Element)
          .keyBy(({ key }) => key)
          .window(globalWindow().trigger(onDelta((element: Element) => element.n, 2)))
          .aggregate('windows', { n: count() })
          .to(sink('results'))
      }),
    )
    jobs.push(t)
    play(t, 'k=1@1 k=3@2 k=4@3 k=1@4')
    expect(await t.output('results')).toEqual([
      {
        key: 'k',
        value: { n: 3 },
        window: { start: null, end: null },
        pane: { timing: 'early', index: 0, isLast: false },
        revision: 0,
      },
    ])
  })
})
