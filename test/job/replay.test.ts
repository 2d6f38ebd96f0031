/** Batches over JetStream streams, and live behind them, run by the built command against a real server. */
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EXIT } from '../../runtime/cli/exit-codes.ts'
import { newSeed, randomFrom } from '../support/random.ts'
import { records, results } from './job-process.ts'
import { NatsJob, until } from './nats-job.ts'
import { workersOf } from '../support/worker-processes.ts'

let job: NatsJob
beforeEach(async () => {
  job = await NatsJob.open()
  job.folder.write(
    'job.yaml',
    readFileSync(job.folder.path('job.yaml'), 'utf8').replace(
      /jetstream: \{ stream: OUT[^}]*\}/,
      'file: { path: out.jsonl }',
    ),
  )
  await job.admin.makeStream('SEEN')
})
afterEach(() => job.close())

/** What the job makes of the records with these numbers, each of which is its sequence too. */
function resultsOf(numbers: readonly number[]): string[] {
  const seen = new Map<number, number>()
  return numbers.map((n) => {
    const user = n % 5
    seen.set(user, (seen.get(user) ?? 0) + 1)
    return JSON.stringify({ user, n, count: seen.get(user) })
  })
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)

const lines = (name = 'out.jsonl'): string[] => job.folder.read(name).split('\n').slice(0, -1)

let runs = 0
/** One batch in a state of its own. */
async function batch(...flags: readonly string[]): Promise<{ code: unknown; output: string }> {
  const name = `out-${++runs}.jsonl`
  const own = ['--state', `state-${runs}`, '--set', `sinks.out.file.path=${name}`]
  const { code, output } = await job.folder.run(['--mode', 'batch', ...own, ...flags])
  return { code, output: output.replaceAll(/\s+/g, ' ') }
}

async function rangeRead(...flags: readonly string[]): Promise<string[]> {
  const { code, output } = await batch(...flags)
  expect(code, output).toBe(EXIT.ok)
  return lines(`out-${runs}.jsonl`)
}

/** A sequence from `least` on whose message came later than the one before it. */
async function laterThanBefore(least: number): Promise<{ sequence: number; time: number }> {
  let before = await job.admin.api.message('SEEN', least)
  for (let sequence = least + 1; ; sequence++) {
    const message = await job.admin.api.message('SEEN', sequence)
    if (message === undefined || before === undefined) throw new Error(`no message ${sequence}`)
    if (message.time > before.time) return { sequence, time: message.time }
    before = message
  }
}

describe('a batch over a stream', { timeout: 60_000 }, () => {
  test('reads by sequence and by time, and ends exactly there', async () => {
    await job.push(1, 2_000)
    expect(await rangeRead('--from', '101', '--to', 'seen=500')).toEqual(resultsOf(range(101, 500)))
    const [first, last] = [await laterThanBefore(300), await laterThanBefore(1_200)]
    expect(
      await rangeRead('--from', `${first.time}ms`, '--to', new Date(last.time).toISOString()),
    ).toEqual(resultsOf(range(first.sequence, last.sequence - 1)))
    // An empty range is a batch too.
    const at = `${last.time}ms`
    expect(await rangeRead('--from', at, '--to', at)).toEqual([])
  })

  test('passes over messages that were deleted, at its ends and inside of it', async () => {
    await job.push(1, 50)
    for (const sequence of [10, 11, 20, 30, 50]) await job.admin.api.deleteMessage('SEEN', sequence)
    const left = range(10, 30).filter((n) => ![10, 11, 20, 30].includes(n))
    expect(await rangeRead('--from', '10', '--to', '30')).toEqual(resultsOf(left))
    const toEnd = range(31, 49)
    expect(await rangeRead('--from', '31')).toEqual(resultsOf(toEnd))
    expect(await rangeRead('--from', '50')).toEqual([])
  })

  test('ends where the stream ended when it began, though it is written on and the batch is killed', async () => {
    await job.push(1, 3_000)
    const flags = ['--mode', 'batch', '--speed', '1000x']
    const killed = job.folder.start(flags)
    // At 1000x its 3,000 seconds take three, so it dies before its end.
    await until(() => lines().length > 0, 'the first results')
    killed.child.kill('SIGKILL')
    await killed.ended
    expect(lines().length).toBeLessThan(3_000)
    await job.push(3_001, 3_100)
    const done = await job.folder.run(['--mode', 'batch'])
    expect(done.code, done.output).toBe(EXIT.ok)
    expect(lines()).toEqual(results(3_000))
    expect(done.output).toMatch(/━ +100 % +3,000 records .* finished/s)
  })

  test('refuses what cannot be read, and says why', async () => {
    await job.push(1, 100)
    await job.admin.api.purgeStream('SEEN', 41)
    const retained = await job.admin.api.message('SEEN', 41)
    const first = `sequence 41, of ${new Date(retained?.time ?? 0).toISOString()}`
    const refusals: [string[], number, string][] = [
      [
        ['--from', '5'],
        EXIT.dataLoss,
        `from sequence 5 and no longer holds that: the first that it retains is ${first}`,
      ],
      [
        ['--from', '2020-01-01'],
        EXIT.dataLoss,
        `from 2020-01-01T00:00:00.000Z and no longer holds that: the first that it retains is ${first}`,
      ],
      [['--to', '7'], EXIT.configuration, 'from start, which is behind sequence 40, to sequence 7'],
      [
        ['--from', 'now', '--to', '60'],
        EXIT.configuration,
        'from now, which is behind sequence 100, to sequence 60',
      ],
      [['--to', '101'], EXIT.configuration, 'to sequence 101, and it ends at 100'],
      [
        ['--to', '2999-01-01'],
        EXIT.configuration,
        'to 2999-01-01T00:00:00.000Z, which is still to come',
      ],
    ]
    for (const [flags, code, message] of refusals) {
      const refused = await batch(...flags)
      expect([refused.code, refused.output]).toEqual([code, expect.stringContaining(message)])
      expect(lines(`out-${runs}.jsonl`)).toEqual([])
    }
  })

  test.each(['workqueue', 'interest'] as const)(
    'refuses a stream with retention %s',
    async (retention) => {
      await job.admin.makeStream('QUEUE', { subjects: ['queue'], retention })
      const { code, output } = await batch('--set', 'sources.seen.jetstream.stream=QUEUE')
      expect(code).toBe(EXIT.configuration)
      expect(output).toContain(
        `stream QUEUE has retention ${retention}: its messages are gone once they were delivered`,
      )
    },
  )
})

describe('live behind a batch', { timeout: 120_000 }, () => {
  test('goes on with the next message, though it is killed all the time', async () => {
    const seed = newSeed()
    console.log(`seed ${seed} (MILLRACE_SEED=${seed} repeats it)`)
    const random = randomFrom(seed)
    const flags = ['--mode', 'batch', '--then', 'live']
    let pushed = 1_000
    await job.push(1, pushed)
    for (let kills = 0; kills < 6; kills++) {
      const run = job.folder.start(flags)
      // A start takes about half a second, and the switch another moment.
      await new Promise((resolve) => setTimeout(resolve, 200 + random() * 800))
      run.child.kill('SIGKILL')
      expect(await run.ended, run.output()).toBe('SIGKILL')
      await job.push(pushed + 1, pushed + 100)
      pushed += 100
    }
    const last = job.folder.start(flags)
    await until(() => lines().length >= pushed, `${pushed} results`)
    await job.admin.appendTexts('seen', records(pushed + 1, pushed + 10))
    await until(() => lines().length >= pushed + 10, 'the newest results')
    last.child.kill('SIGTERM')
    expect(await last.ended, last.output()).toBe(EXIT.ok)
    expect(lines()).toEqual(results(pushed + 10))
    // Without --then it is what it is by now: a live state.
    const live = job.folder.start(['--mode', 'live'])
    await job.push(pushed + 11, pushed + 20)
    await until(() => lines().length >= pushed + 20, 'more results')
    live.child.kill('SIGTERM')
    expect(await live.ended).toBe(EXIT.ok)
    expect(lines()).toEqual(results(pushed + 20))
  })

  test('goes on in two processes, though they and the job are killed all the time', async () => {
    const seed = newSeed()
    console.log(`seed ${seed} (MILLRACE_SEED=${seed} repeats it)`)
    const random = randomFrom(seed)
    const several = ['--set', 'parallelism=3', '--set', 'processes=2']
    const often = ['--set', 'restart.delay=10ms', '--set', 'restart.attempts=100']
    const flags = ['--mode', 'batch', '--then', 'live', ...several, ...often]
    let pushed = 1_000
    await job.push(1, pushed)
    let run = job.folder.start(flags)
    for (let kills = 0; kills < 12; kills++) {
      await new Promise((resolve) => setTimeout(resolve, 100 + random() * 900))
      const workers = workersOf(run.child.pid)
      const worker = workers[Math.floor(random() * workers.length)]
      if (worker !== undefined && random() < 0.7) process.kill(worker, 'SIGKILL')
      else {
        run.child.kill('SIGKILL')
        expect(await run.ended, run.output()).toBe('SIGKILL')
        run = job.folder.start(flags)
      }
      await job.push(pushed + 1, pushed + 100)
      pushed += 100
    }
    // Tasks give the results of each user in order, and mix users.
    const ofUsers = (of: readonly string[]): readonly (readonly string[])[] =>
      range(0, 4).map((user) => of.filter((line) => line.startsWith(`{"user":${user},`)))
    await until(() => lines().length >= pushed, `${pushed} results`)
    await job.admin.appendTexts('seen', records(pushed + 1, pushed + 10))
    await until(() => lines().length >= pushed + 10, 'the newest results')
    run.child.kill('SIGTERM')
    expect(await run.ended, run.output()).toBe(EXIT.ok)
    expect(ofUsers(lines())).toEqual(ofUsers(results(pushed + 10)))
    // It is a live state by now, in one process too.
    const live = job.folder.start(['--mode', 'live', '--set', 'parallelism=3'])
    await job.push(pushed + 11, pushed + 20)
    await until(() => lines().length >= pushed + 20, 'more results')
    live.child.kill('SIGTERM')
    expect(await live.ended, live.output()).toBe(EXIT.ok)
    expect(ofUsers(lines())).toEqual(ofUsers(results(pushed + 20)))
  })

  test('is refused where nothing goes on behind the end', async () => {
    job.folder.write('in.jsonl', '')
    const { code, output } = await batch(
      '--then',
      'live',
      '--set',
      'sources.seen={"file":{"path":"in.jsonl"},"eventTime":{"field":"at"}}',
    )
    expect(code).toBe(EXIT.configuration)
    expect(output).toContain("nothing goes on behind the end of 'seen' (file)")
  })
})
