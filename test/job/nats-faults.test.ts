/**
 * What a whole job does when its NATS server, or its stream, is not as it should be: it waits and tries
 * again, or refuses with what was expected and found. Never a silent gap, never a crash loop (I8).
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Admin, until } from '../support/jetstream.ts'
import { NatsServer } from '../support/nats-server.ts'
import { JobFolder, type JobProcess, records, results } from './job-process.ts'

const PATIENCE_MS = 60_000
/** The administrator needs no name; the others may do everything but one thing. */
const USERS = `no_auth_user: admin
authorization: { users: [
  { user: admin, password: secret }
  { user: blind, password: secret, permissions: { publish: { deny: ["$JS.API.CONSUMER.>"] } } }
  { user: mute, password: secret, permissions: { publish: { deny: ["OUT"] } } }
] }`

let server: NatsServer
let admin: Admin
let folder: JobFolder

beforeEach(async () => {
  server = await NatsServer.start({ config: USERS })
  admin = await Admin.open(server)
  folder = new JobFolder(manifestOf(server.url))
})
afterEach(async () => {
  folder.remove()
  await admin.close()
  await server.remove()
})

const manifestOf = (servers: string): string => `job: ./job.js
sources:
  seen:
    jetstream: { stream: SEEN, servers: '${servers}' }
    eventTime: { field: at, unit: s, order: ordered }
sinks:
  out:
    jetstream: { stream: OUT, servers: '${servers}' }
`

const push = (from: number, to: number): Promise<void> =>
  admin.appendTexts('seen', records(from, to))

const outputs = (count: number): Promise<void> =>
  until(async () => (await admin.lastSequence('OUT').catch(() => 0)) >= count, `${count} results`)

/** Stops it, and sees that each result is there once. */
async function stopWith(run: JobProcess, count: number): Promise<void> {
  await outputs(count)
  run.child.kill('SIGTERM')
  expect(await run.ended, run.output()).toBe(0)
  expect(await admin.texts('OUT')).toEqual(results(count))
}

/** The same error each time it is started: nothing that passes by itself, and nothing changed. */
async function refused(code: number, message: RegExp): Promise<void> {
  const run = await folder.run()
  expect(run.code, run.output).toBe(code)
  expect(run.output.replaceAll(/\s+/g, ' ')).toMatch(message)
}

async function ranOnce(count: number): Promise<void> {
  await admin.makeStream('SEEN')
  await push(1, count)
  await stopWith(folder.start(), count)
}

describe('a server', { timeout: PATIENCE_MS }, () => {
  test('that is away at the start is waited for, and so is its stream', async () => {
    await server.stop()
    const run = folder.start()
    await until(() => run.output().includes('does not answer'), 'the message about the server')
    await server.start()
    await until(() => run.output().includes('stream SEEN does not exist'), 'that about the stream')
    await until(
      () =>
        admin.api.streamInfo('SEEN').then(
          () => true,
          () => false,
        ),
      'the connection',
    )
    await admin.makeStream('SEEN')
    await push(1, 50)
    await stopWith(run, 50)
    // It was tried again with growing delays, not in a loop.
    const delays = [...run.output().matchAll(/trying again in (\d+) ms/g)].map(([, ms]) =>
      Number(ms),
    )
    expect(delays.length).toBeGreaterThan(1)
    expect(Math.max(...delays)).toBeGreaterThan(50)
  })

  test('that is away for some seconds, and one that is killed, are found again', async () => {
    await admin.makeStream('SEEN')
    await push(1, 50)
    const run = folder.start()
    await outputs(50)
    await server.stop()
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    expect(run.child.exitCode).toBe(null)
    await server.start()
    await until(
      () =>
        push(51, 80).then(
          () => true,
          () => false,
        ),
      'more input',
    )
    await outputs(80)
    await server.kill()
    await server.start()
    await until(
      () =>
        push(81, 100).then(
          () => true,
          () => false,
        ),
      'more input',
    )
    await stopWith(run, 100)
  })

  test('that is away does not keep a job from stopping, and a second signal ends it at once', async () => {
    await admin.makeStream('SEEN')
    await push(1, 50)
    const run = folder.start()
    await outputs(50)
    server.freeze()
    try {
      // Results that cannot be handed over keep a stopping job for some seconds.
      run.child.kill('SIGTERM')
      await until(() => run.output().includes('once more to stop at once'), 'the first signal')
      run.child.kill('SIGTERM')
      expect(await run.ended).toBe(130)
    } finally {
      server.thaw()
    }
    await push(51, 60)
    await stopWith(folder.start(), 60)
  })

  test('that is not there can be waited for no longer', async () => {
    await server.stop()
    const run = folder.start()
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
    await admin.makeStream('SEEN')
    await push(1, 50)
    const as = (what: string, user: string): string[] => [
      '--set',
      `${what}.jetstream.user=${user}`,
      '--set',
      `${what}.jetstream.password=secret`,
    ]
    const blind = await folder.run(as('sources.seen', 'blind'))
    expect(blind.code, blind.output).toBe(2)
    expect(blind.output).toMatch(
      /user "blind" may not publish to "\$JS\.API\.CONSUMER[^"]*"; add it to the publish permissions/,
    )
    const mute = await folder.run(as('sinks.out', 'mute'))
    expect(mute.code, mute.output).toBe(2)
    expect(mute.output).toMatch(/user "mute" may not publish to "OUT"/)
    expect(await admin.lastSequence('OUT')).toBe(0)
    // What was computed meanwhile waits in the state.
    await stopWith(folder.start(), 50)
  },
)

describe('a stream that was read', { timeout: PATIENCE_MS }, () => {
  test('and was made again is refused', async () => {
    await ranOnce(50)
    await admin.api.deleteStream('SEEN')
    await admin.makeStream('SEEN')
    await push(1, 70)
    await refused(
      4,
      /stream SEEN.* was deleted and made again: this job read its predecessor up to 50/,
    )
    await refused(4, /start the job with a new state/)
    expect(await admin.lastSequence('OUT')).toBe(50)
  })

  test('and lost its end is refused', async () => {
    await admin.makeStream('SEEN')
    await push(1, 30)
    await server.stop()
    server.saveStore('shorter')
    await server.start()
    await until(
      () =>
        push(31, 50).then(
          () => true,
          () => false,
        ),
      'more input',
    )
    // Results go to a file here: only the source goes back.
    folder.write(
      'job.yaml',
      manifestOf(server.url).replace(
        / {4}jetstream: \{ stream: OUT.*/,
        '    file: { path: out.jsonl }',
      ),
    )
    const run = folder.start()
    await until(() => folder.read('out.jsonl').split('\n').length === 51, 'the results')
    run.child.kill('SIGTERM')
    expect(await run.ended).toBe(0)
    await server.stop()
    server.restoreStore('shorter')
    await server.start()
    await refused(4, /stream SEEN.* ends at 30, but this job already read up to 50/)
  })

  test('and was purged ahead of the job is refused, or skipped and said when that is asked for', async () => {
    await ranOnce(50)
    await push(51, 70)
    await admin.api.purgeStream('SEEN', 61)
    await refused(4, /messages 51\.\.60 of stream SEEN.* were discarded.*onDataLoss: skip/)
    const run = folder.start(['--set', 'sources.seen.onDataLoss=skip'])
    await outputs(60)
    run.child.kill('SIGTERM')
    expect(await run.ended, run.output()).toBe(0)
    expect(run.output()).toMatch(/skipped a loss.*51\.\.60/)
    const numbers = (await admin.texts('OUT')).map((text) => (JSON.parse(text) as { n: number }).n)
    expect(numbers.slice(50)).toEqual([61, 62, 63, 64, 65, 66, 67, 68, 69, 70])
  })
})

describe('a stream that was written', { timeout: PATIENCE_MS }, () => {
  test('and was made again is refused', async () => {
    await ranOnce(50)
    await admin.api.deleteStream('OUT')
    await admin.makeStream('OUT', { subjects: ['OUT'] })
    await push(51, 60)
    await refused(
      4,
      /stream OUT was deleted and made again: this job wrote its results to the one of/,
    )
    expect(await admin.lastSequence('OUT')).toBe(0)
  })

  test('and holds what somebody else wrote is refused', async () => {
    await ranOnce(50)
    await admin.appendTexts('OUT', ['"foreign"'])
    await push(51, 60)
    await refused(4, /message 51 of stream OUT was written by somebody else.*shared: true/)
    expect(await admin.lastSequence('OUT')).toBe(51)
  })
})
