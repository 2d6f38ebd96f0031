/** Random lives of a job with two inputs: what is explained is what is the case, and comes true. */
import { describe, expect, it } from 'vitest'
import { count, job, tumbling } from 'millrace'
import { type Explanation, testJob, type TestJob } from 'millrace/testing'
import * as z from 'zod'
import { newSeed, randomFrom } from '../support/random.ts'

const Hit = z.object({ key: z.string(), timestamp: z.number() })
const SIZE_MS = 10_000
const SPAN_MS = 100_000
const RUNS = 60

const counting = job('counting', ({ source, sink }) => {
  const hits = source('web', Hit)
    .union(source('app', Hit))
    .keyBy((hit) => hit.key)
    .window(tumbling(SIZE_MS))
    .aggregate('hits', { n: count() })
  hits.map(({ window, value }) => ({ start: window.start, n: value.n })).to(sink('hits'))
  hits.late.map((hit) => hit.timestamp).to(sink('late'))
})

const startOf = (time: number): number => time - (time % SIZE_MS)

/** What a window must be said to be, told from what went in and what came out. */
class Oracle {
  readonly #pushed: number[] = []

  push(time: number): void {
    this.#pushed.push(startOf(time))
  }

  async expected(t: TestJob, start: number): Promise<readonly string[]> {
    const fired = await t.output<{ start: number; n: number }>('hits')
    const late = (await t.output<number>('late')).map(startOf)
    const of = (starts: readonly number[]): number => starts.filter((one) => one === start).length
    const inside = of(this.#pushed) - of(late)
    if (fired.some((result) => result.start === start)) return ['over']
    return inside > 0 ? ['waits'] : ['empty', 'over']
  }
}

async function live(seed: number): Promise<void> {
  const next = randomFrom(seed)
  const integer = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1))
  const eventTime = { outOfOrder: '3s', idleAfter: '30s' } as const
  const t = await testJob(counting, { eventTime: { web: eventTime, app: eventTime } })
  const oracle = new Oracle()
  for (let step = 0; step < 40; step++) {
    const choice = integer(0, 9)
    if (choice < 6) {
      const timestamp = integer(0, SPAN_MS)
      oracle.push(timestamp)
      t.push(choice < 4 ? 'web' : 'app', { key: 'a', timestamp })
    } else if (choice < 8) t.advanceClock(integer(1, 40_000))
    else if (choice === 8) t.kill()
    else t.reopen()
    const start = startOf(integer(0, SPAN_MS))
    const why = await t.explainWindow('hits', 'a', start + integer(0, SIZE_MS - 1))
    expect(await oracle.expected(t, start)).toContain(why.verdict)
    expect(why.window?.start).toBe(start)
    await comesTrue(t, why)
  }
  await t.close()
}

/** What silence is said to bring, it brings. */
async function comesTrue(t: TestJob, { because, window }: Explanation): Promise<void> {
  const promise = because.find((sentence) => sentence.endsWith('and the window fires.'))
  if (promise === undefined) return
  t.advanceClock('30s')
  const fired = await t.output<{ start: number }>('hits')
  expect(fired.map(({ start }) => start)).toContain(window?.start)
}

describe('explanations of random lives', () => {
  it(`are what is the case (${RUNS} runs)`, { timeout: 60_000 }, async () => {
    const first = newSeed()
    for (let seed = first; seed < first + RUNS; seed++) {
      await live(seed).catch((error: unknown) => {
        throw new Error(`MILLRACE_SEED=${seed}: ${String(error)}`, { cause: error })
      })
    }
  })
})
