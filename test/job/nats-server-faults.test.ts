/**
 * What a whole job does when its NATS server is away, or does not let it: it waits and tries again
 * with growing delays, or refuses. Never a crash loop.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NatsJob, until } from './nats-job.ts'

const PATIENCE_MS = 60_000
let job: NatsJob

beforeEach(async () => {
  job = await NatsJob.open()
})
afterEach(() => job.close())

function longestDelayMs(output: string): number {
  const delays = [...output.matchAll(/trying again in (\d+) ms/g)].map(([, ms]) => Number(ms))
  return Math.max(0, ...delays)
}

describe('a server', { timeout: PATIENCE_MS }, () => {
  test('that is away at the start is waited for, and so is its stream', async () => {
    await job.server.stop()
    const run = job.folder.start()
    await until(() => run.output().includes('does not answer'), 'the message about the server')
    // It is tried again with growing delays, not in a loop.
    await until(() => longestDelayMs(run.output()) > 50, 'a longer delay')
    await job.server.start()
    await until(() => run.output().includes('stream SEEN does not exist'), 'that about the stream')
    await until(
      () =>
        job.admin.api.streamInfo('SEEN').then(
          () => true,
          () => false,
        ),
      'the connection',
    )
    await job.admin.makeStream('SEEN')
    await job.push(1, 50)
    await job.stopWith(run, 50)
  })

  test('that is away for some seconds, and one that is killed, are found again', async () => {
    await job.admin.makeStream('SEEN')
    await job.push(1, 50)
    const run = job.folder.start()
    await job.outputs(50)
    await job.server.stop()
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    expect(run.child.exitCode).toBe(null)
    await job.server.start()
    await until(
      () =>
        job.push(51, 80).then(
          () => true,
          () => false,
        ),
      'more input',
    )
    await job.outputs(80)
    await job.server.kill()
    await job.server.start()
    await until(
      () =>
        job.push(81, 100).then(
          () => true,
          () => false,
        ),
      'more input',
    )
    await job.stopWith(run, 100)
  })

  test('that is away does not keep a job from stopping, and a second signal ends it at once', async () => {
    await job.admin.makeStream('SEEN')
    await job.push(1, 50)
    const run = job.folder.start()
    await job.outputs(50)
    job.server.freeze()
    try {
      // Results that cannot be handed over keep a stopping job for some seconds.
      run.child.kill('SIGTERM')
      await until(() => run.output().includes('once more to stop at once'), 'the first signal')
      run.child.kill('SIGTERM')
      expect(await run.ended).toBe(130)
    } finally {
      job.server.thaw()
    }
    await job.push(51, 60)
    await job.stopWith(job.folder.start(), 60)
  })

  test('that is not there can be waited for no longer', async () => {
    await job.server.stop()
    const run = job.folder.start()
    await until(() => run.output().includes('does not answer'), 'the message')
    run.child.kill('SIGTERM')
    await until(() => run.child.exitCode !== null, 'its end')
    expect(await run.ended).toBe(0)
  })
})

test(
  'a user who may not read, or not write, is refused by name',
  { timeout: PATIENCE_MS },
  async () => {
    await job.admin.makeStream('SEEN')
    await job.push(1, 50)
    const as = (what: string, user: string): string[] => [
      '--set',
      `${what}.jetstream.user=${user}`,
      '--set',
      `${what}.jetstream.password=secret`,
    ]
    const blind = await job.folder.run(as('sources.seen', 'blind'))
    expect(blind.code, blind.output).toBe(2)
    expect(blind.output).toMatch(
      /user "blind" may not publish to "\$JS\.API\.CONSUMER[^"]*"; add it to the publish permissions/,
    )
    const mute = await job.folder.run(as('sinks.out', 'mute'))
    expect(mute.code, mute.output).toBe(2)
    expect(mute.output).toMatch(/user "mute" may not publish to "OUT"/)
    expect(await job.admin.lastSequence('OUT')).toBe(0)
    // What was computed meanwhile waits in the state.
    await job.stopWith(job.folder.start(), 50)
  },
)
