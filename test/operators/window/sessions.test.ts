import { afterEach, describe, expect, it } from 'vitest'
import { session } from 'millrace'
import { testJob, type TestJob, type TestOptions } from 'millrace/testing'
import { type Element, play, valuesOf } from './window-job.ts'

const jobs: TestJob[] = []
afterEach(async () => {
  for (const t of jobs.splice(0)) await t.close()
})

async function start(
  windows: Parameters<typeof valuesOf>[0],
  options: TestOptions = {},
): Promise<TestJob> {
  const t = await testJob(valuesOf(windows), options)
  jobs.push(t)
  return t
}

describe('sessions with a maximum length', () => {
  //  0    4    8    12   16          gap 5, at most 12 long: the record at 12 opens the next one
  //  ├────┼────┼────┤
  //                 ├────┼────…
  it('end at it, and what comes from there on opens the next', async () => {
    const t = await start(session(5, { maxLength: 12 }))
    play(t, 'k=1@0 k=2@4 k=3@8 k=4@11 k=5@12 k=6@16 wm100')
    expect(await t.output('results')).toEqual([
      'k 1,2,3,4 [0,12) onTime#0 last r0 @11',
      'k 5,6 [12,21) onTime#0 last r0 @20',
    ])
  })

  it('do not become one when that would be longer: the earlier one ends where the later starts', async () => {
    const t = await start(session(5, { maxLength: 12 }))
    play(t, 'k=1@0 k=2@3 k=3@9 k=4@10 k=5@6 wm100')
    expect(await t.output('results')).toEqual([
      'k 1,2,5 [0,9) onTime#0 last r0 @8',
      'k 3,4 [9,15) onTime#0 last r0 @14',
    ])
  })

  it('never overlap, are never longer, and have every record once (seeded)', async () => {
    for (let seed = 1; seed <= 25; seed++) {
      const random = randomOf(seed)
      const times = Array.from({ length: 40 }, () => Math.floor(random() * 120))
      const t = await start(session(6, { maxLength: 20 }))
      for (const [i, time] of times.entries()) play(t, `k=${i}@${time}`)
      play(t, 'wm1000')
      const sessions = (await t.output<string>('results')).map((text) => {
        const [, values = '', from, to] = /^k ([\d,]+) \[(\d+),(\d+)\)/.exec(text) ?? []
        return { values: values.split(',').map(Number), start: Number(from), end: Number(to) }
      })
      const seen = sessions.flatMap(({ values }) => values).toSorted((a, b) => a - b)
      expect(seen, `seed ${seed}`).toEqual(times.map((_, i) => i))
      let end = -1
      for (const window of sessions) {
        expect(window.start, `seed ${seed}`).toBeGreaterThanOrEqual(end)
        expect(window.end - window.start, `seed ${seed}`).toBeLessThanOrEqual(20)
        for (const i of window.values) {
          expect(times[i], `seed ${seed}`).toBeGreaterThanOrEqual(window.start)
          expect(times[i], `seed ${seed}`).toBeLessThan(window.end)
        }
        end = window.end
      }
    }
  })
})

describe('sessions', () => {
  it('wait for one timer however often they grow, and it survives a crash', async () => {
    const t = await start(session(10))
    play(t, 'k=1@0 k=2@5 wm9 k=3@14')
    await t.settled()
    t.crash()
    play(t, 'wm14 k=4@20 wm23')
    expect(await t.output('results')).toEqual([])
    play(t, 'wm29')
    expect(await t.output('results')).toEqual(['k 1,2,3,4 [0,30) onTime#0 last r0 @29'])
    expect(await t.state('windows', 'k')).toBeUndefined()
  })

  it('that fired take late records, grow again, and take back what they gave', async () => {
    const t = await start(session(10).allowedLateness(100).retracting())
    play(t, 'k=1@0 k=2@30 wm39 k=3@8 wm50')
    expect(await t.output('results')).toEqual([
      'k 1 [0,10) onTime#0 r0 @9',
      'k 2 [30,40) onTime#0 r0 @39',
      'k 1 [0,10) onTime#0 r0 taken back @9',
      'k 1,3 [0,18) late#1 r1 @17',
    ])
    play(t, 'k=4@20 wm51')
    expect((await t.output<string>('results')).slice(4)).toEqual([
      'k 2 [30,40) onTime#0 r0 taken back @39',
      'k 2,4 [20,40) late#1 r1 @39',
    ])
  })

  it('that a late record bridges are one, and each of their results is taken back', async () => {
    const t = await start(session(10).allowedLateness(100).retracting())
    play(t, 'k=1@0 k=2@18 wm40 k=3@9')
    expect((await t.output<string>('results')).slice(2)).toEqual([
      'k 1 [0,10) onTime#0 r0 taken back @9',
      'k 2 [18,28) onTime#0 r0 taken back @27',
      'k 1,2,3 [0,28) late#1 r1 @27',
    ])
    play(t, 'wm1000')
    expect(await t.state('windows', 'k')).toBeUndefined()
  })

  it('of a function that gives no gap fail at the record', async () => {
    const windows = session((element: Element) => (element.n < 0 ? 0 : element.n))
    const t = await testJob(valuesOf(windows, { onError: { deadLetterAfter: 2 } }))
    jobs.push(t)
    play(t, 'k=5@0 k=-1@1 k=20@4 wm100')
    expect(await t.output('results')).toEqual(['k 5,20 [0,24) onTime#0 last r0 @23'])
    expect((await t.deadLetters()).map(({ reason }) => reason)).toEqual([
      expect.stringContaining('the gap of a session is 0'),
    ])
  })
})

/** Numbers in [0, 1) from a seed: mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
