/**
 * What a whole job does when its streams are not what they were: it refuses with what was expected and
 * found, each time it is started. Never a silent gap (I8).
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { manifestOf, NatsJob, until } from './nats-job.ts'

const PATIENCE_MS = 60_000
let job: NatsJob

beforeEach(async () => {
  job = await NatsJob.open()
})
afterEach(() => job.close())

describe('a stream that was read', { timeout: PATIENCE_MS }, () => {
  test('and was made again is refused', async () => {
    await job.ranOnce(50)
    await job.admin.api.deleteStream('SEEN')
    await job.admin.makeStream('SEEN')
    await job.push(1, 70)
    await job.refused(
      4,
      /stream SEEN.* was deleted and made again: this job read its predecessor up to 50/,
    )
    await job.refused(4, /start the job with a new state/)
    expect(await job.admin.lastSequence('OUT')).toBe(50)
  })

  test('and lost its end is refused', async () => {
    await job.admin.makeStream('SEEN')
    await job.push(1, 30)
    await job.server.stop()
    job.server.saveStore('shorter')
    await job.server.start()
    await until(
      () =>
        job.push(31, 50).then(
          () => true,
          () => false,
        ),
      'more input',
    )
    // Results go to a file here: only the source goes back.
    job.folder.write(
      'job.yaml',
      manifestOf(job.server.url).replace(
        / {4}jetstream: \{ stream: OUT.*/,
        '    file: { path: out.jsonl }',
      ),
    )
    const run = job.folder.start()
    await until(() => job.folder.read('out.jsonl').split('\n').length === 51, 'the results')
    run.child.kill('SIGTERM')
    expect(await run.ended).toBe(0)
    await job.server.stop()
    job.server.restoreStore('shorter')
    await job.server.start()
    await job.refused(4, /stream SEEN.* ends at 30, but this job already read up to 50/)
  })

  test('and was purged ahead of the job is refused, or skipped and said when that is asked for', async () => {
    await job.ranOnce(50)
    await job.push(51, 70)
    await job.admin.api.purgeStream('SEEN', 61)
    await job.refused(4, /messages 51\.\.60 of stream SEEN.* were discarded.*onDataLoss: skip/)
    const run = job.folder.start(['--set', 'sources.seen.onDataLoss=skip'])
    await job.outputs(60)
    run.child.kill('SIGTERM')
    expect(await run.ended, run.output()).toBe(0)
    expect(run.output()).toMatch(/skipped a loss.*51\.\.60/)
    const numbers = (await job.admin.texts('OUT')).map(
      (text) => (JSON.parse(text) as { n: number }).n,
    )
    expect(numbers.slice(50)).toEqual([61, 62, 63, 64, 65, 66, 67, 68, 69, 70])
  })
})

describe('a stream that was written', { timeout: PATIENCE_MS }, () => {
  test('and was made again is refused', async () => {
    await job.ranOnce(50)
    await job.admin.api.deleteStream('OUT')
    await job.admin.makeStream('OUT', { subjects: ['OUT'] })
    await job.push(51, 60)
    await job.refused(
      4,
      /stream OUT was deleted and made again: this job wrote its results to the one of/,
    )
    expect(await job.admin.lastSequence('OUT')).toBe(0)
  })

  test('and holds what somebody else wrote is refused', async () => {
    await job.ranOnce(50)
    await job.admin.appendTexts('OUT', ['"foreign"'])
    await job.push(51, 60)
    await job.refused(4, /message 51 of stream OUT was written by somebody else.*shared: true/)
    expect(await job.admin.lastSequence('OUT')).toBe(51)
  })
})
