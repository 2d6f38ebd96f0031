/** A job whose process is stopped for a while and goes on (SIGSTOP, SIGCONT), at random and in the middle of its commits. */
import { appendFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FILE_MANIFEST, JobFolder, records, results, textOf } from '../job/job-process.ts'
import { until } from '../support/jetstream.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const COUNT = 20_000
const PAUSES = 12

let job: JobFolder
beforeEach(() => {
  job = new JobFolder(FILE_MANIFEST.replace('in.jsonl', 'in.jsonl, follow: true'))
  job.write('in.jsonl', textOf(records(1, 1_000)))
})
afterEach(() => job.remove())

const pass = (delayMs: number): Promise<void> => new Promise((done) => setTimeout(done, delayMs))

test(
  'goes on where it was, with nothing missing and nothing twice',
  { timeout: 120_000 },
  async () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const life = job.start(['--mode', 'live', '--set', 'commit.records=200'])
    await until(() => job.read('out.jsonl') === textOf(results(1_000)), 'the first results')
    for (let pause = 0, done = 1_000; pause < PAUSES; pause++) {
      const next = Math.round(1_000 + ((COUNT - 1_000) * (pause + 1)) / PAUSES)
      appendFileSync(job.path('in.jsonl'), textOf(records(done + 1, next)))
      done = next
      await pass(random() * 40)
      life.child.kill('SIGSTOP')
      await pass(50 + random() * 200)
      life.child.kill('SIGCONT')
    }
    const all = textOf(results(COUNT))
    await until(() => job.read('out.jsonl').length >= all.length, `all results (seed ${seed})`)
    expect(job.read('out.jsonl') === all, `seed ${seed}`).toBe(true)
    // Another process is refused while it is stopped, however long that takes.
    life.child.kill('SIGSTOP')
    const second = await job.run(['--mode', 'live'])
    expect([second.code, second.output]).toEqual([3, expect.stringContaining('in use by process')])
    life.child.kill('SIGCONT')
    life.child.kill('SIGTERM')
    expect(await life.ended, life.output()).toBe(0)
  },
)
