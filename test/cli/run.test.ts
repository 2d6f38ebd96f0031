import { readFile, stat } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LiveLine } from '../../runtime/cli/io.ts'
import {
  ConfigError,
  DataLossError,
  StateError,
  UnavailableError,
  UserCodeError,
} from '../../runtime/errors.ts'
import { Cli, ManualClock, Project, PROGRESS, until } from './cli-harness.ts'
import type { FakeJob } from './cli-harness.ts'

let project: Project
beforeEach(async () => {
  project = await Project.create()
})
afterEach(() => project.remove())

/** Starts a command and waits for its job. */
async function started(
  cli: Cli,
  ...argv: readonly string[]
): Promise<{ readonly job: FakeJob; readonly code: Promise<number> }> {
  const code = cli.run(...argv)
  let ended = false
  void code.then(() => (ended = true))
  await until('the job is started', () => ended || cli.jobs.length > 0)
  const [job] = cli.jobs
  if (job === undefined) throw new Error(`no job was started: ${cli.err}`)
  return { job, code }
}

/** Starts the job under a clock of the test's own. */
async function withClock(liveLine?: LiveLine): Promise<{
  readonly cli: Cli
  readonly clock: ManualClock
  readonly job: FakeJob
  readonly code: Promise<number>
}> {
  const clock = new ManualClock()
  const cli = new Cli(project.folder, liveLine === undefined ? { clock } : { clock, liveLine })
  return { cli, clock, ...(await started(cli, 'run', 'jobs/job.yaml')) }
}

describe('run', () => {
  test('hands the job what manifest and flags say, and prints a summary', async () => {
    const cli = new Cli(project.folder)
    const { job, code } = await started(
      cli,
      'run',
      'jobs/job.yaml',
      '--mode',
      'batch',
      '--overwrite',
      '--set',
      'commit.every=1s',
      '--set',
      'sinks.out.file.path=o.jsonl',
    )
    expect(job.options).toMatchObject({
      mode: 'batch',
      overwrite: true,
      stateDir: project.path('.millrace/last-seen'),
      manifest: { commit: { everyMs: 1_000 } },
      definition: { name: 'last-seen' },
    })
    job.current = {
      ...PROGRESS,
      records: 100_004,
      recordsRead: 100_004,
      windows: 78_159,
      epoch: 9,
      share: 0.5,
    }
    job.finish({
      elapsedMs: 243,
      deadLettered: 2,
      deadLetterWhere: project.path('.millrace/last-seen/dead-letter.jsonl'),
      outputs: [{ sink: 'out', where: project.path('o.jsonl'), records: 78_159 }],
    })
    expect(await code).toBe(0)
    expect(cli.out).toBe(
      ` last-seen   ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━   100 %   100,004 records   412 k/s   0 late   2 dead letters
 wrote 78,159 records to o.jsonl
 set 2 records aside in .millrace/last-seen/dead-letter.jsonl, with the reasons
 state in .millrace/last-seen (epoch 9) · 78,159 windows · 0.2 s · finished
 next  head -n 3 o.jsonl
       head -n 3 .millrace/last-seen/dead-letter.jsonl
`,
    )
  })

  test('says which bound would have kept the records that were late', async () => {
    const cli = new Cli(project.folder)
    const { job, code } = await started(cli, 'run', 'jobs/job.yaml')
    const bounds = {
      source: 'seen',
      records: 9_000,
      keeping99Ms: 11_400,
      keeping999Ms: 240_001,
      keepingAllMs: 400_000_000,
    }
    job.current = { ...PROGRESS, late: 7 }
    job.finish({ bounds: [bounds] })
    expect(await code).toBe(0)
    expect(cli.out).toContain(
      ' outOfOrder of seen is 5s; 12s would have kept 99 % of its records in time, 5m 99.9 %, 5d all\n',
    )

    const alike = new Cli(project.folder)
    const third = await started(alike, 'run', 'jobs/job.yaml')
    third.job.current = { ...PROGRESS, late: 7 }
    const near = { keeping99Ms: 11_400, keeping999Ms: 11_600, keepingAllMs: 11_900 }
    const deadLetterWhere = project.path('dead.jsonl')
    third.job.finish({ bounds: [{ ...bounds, ...near }], deadLetterWhere })
    expect(await third.code).toBe(0)
    expect(alike.out).toContain(
      ' late records without a side output are in dead.jsonl\n outOfOrder of seen is 5s; 12s would have kept all of its records in time\n',
    )

    const inTime = new Cli(project.folder)
    const other = await started(inTime, 'run', 'jobs/job.yaml')
    other.job.finish({ bounds: [bounds] })
    expect(await other.code).toBe(0)
    expect(inTime.out).not.toContain('outOfOrder')
  })

  test('takes mode, name and state from the manifest when no flag says otherwise', async () => {
    await project.put(
      'jobs/job.yaml',
      `${await readFile(project.path('jobs/job.yaml'), 'utf8')}mode: batch\nname: other\n`,
    )
    const cli = new Cli(project.folder)
    const { job, code } = await started(cli, 'run', 'jobs/job.yaml', '--quiet')
    expect(job.options).toMatchObject({ mode: 'batch', stateDir: project.path('.millrace/other') })
    job.finish()
    expect(await code).toBe(0)
    expect(cli.out + cli.err).toBe('')
  })

  test('says that there is nothing to do for a finished state', async () => {
    const cli = new Cli(project.folder)
    const { job, code } = await started(cli, 'run', 'jobs/job.yaml', '--state', 'st')
    job.finish({ alreadyFinished: true, epoch: 4 })
    expect(await code).toBe(0)
    expect(cli.out).toMatch(
      /nothing to do: the state in st has read its input to the end \(epoch 4\)/,
    )
    expect(cli.out).toMatch(/another folder with --state, or remove st/)
  })

  test('remembers the manifest in the state folder, so that the folder stands for the job', async () => {
    const first = new Cli(project.folder)
    const one = await started(first, 'run', 'jobs/job.yaml', '--state', 'st', '--set', 'mode=batch')
    one.job.finish()
    expect(await one.code).toBe(0)

    const second = new Cli('/')
    const two = await started(second, 'run', project.path('st'))
    expect(two.job.options).toMatchObject({ stateDir: project.path('st'), mode: 'batch' })
    two.job.finish()
    expect(await two.code).toBe(0)
  })

  test('writes no secret into the state folder', async () => {
    const cli = new Cli(project.folder)
    const connection = 'sinks.out={"jetstream":{"stream":"a","user":"u","password":"hunter2"}}'
    const { job, code } = await started(
      cli,
      'run',
      'jobs/job.yaml',
      '--state',
      'st',
      '--set',
      connection,
      '--set',
      'mode=batch',
    )
    job.finish()
    await code
    const text = await readFile(project.path('st/run.json'), 'utf8')
    expect(JSON.parse(text)).toMatchObject({ set: ['mode=batch'] })
    expect(text).not.toContain('hunter2')
    expect((await stat(project.path('st/run.json'))).mode & 0o077).toBe(0)
  })
})

describe('signals', () => {
  test('the first finishes the epoch', async () => {
    const cli = new Cli(project.folder)
    const { job, code } = await started(cli, 'run', 'jobs/job.yaml')
    cli.signal()
    expect(job.calls).toEqual(['stop'])
    expect(cli.err).toContain('finishing the epoch; once more to stop at once')
    job.finish({ finished: false, state: 'stopped' })
    expect(await code).toBe(0)
    expect(cli.out).toContain('stopped; run it again to go on')
    expect(cli.listeners).toBe(0)
  })

  test('the second ends at once, with code 130', async () => {
    const cli = new Cli(project.folder)
    const { job, code } = await started(cli, 'run', 'jobs/job.yaml')
    cli.signal()
    cli.signal()
    expect(await code).toBe(130)
    expect(job.calls).toEqual(['stop', 'kill'])
    expect(cli.out).toBe('')
  })
})

describe('what fails', () => {
  test.each([
    [2, new ConfigError(['one thing', 'another thing'])],
    [3, new StateError('in use')],
    [4, new DataLossError('gone back')],
    [5, new UserCodeError('threw', { operator: 'last', key: '1', position: undefined })],
    [6, new UnavailableError('away')],
    [1, new TypeError('x is not a function')],
  ])('ends with code %d', async (expected, error) => {
    const cli = new Cli(project.folder)
    const { job, code } = await started(cli, 'run', 'jobs/job.yaml', '--quiet')
    job.fail(error)
    expect(await code).toBe(expected)
    const [first, ...rest] = error.message.split('\n')
    expect(cli.err).toContain(`error: ${first}\n${rest.map((line) => `       ${line}\n`).join('')}`)
    expect(cli.err).not.toContain('    at ')
  })

  test('an error of another copy of the package keeps its code', async () => {
    const cli = new Cli(project.folder)
    const { job, code } = await started(cli, 'run', 'jobs/job.yaml', '--quiet')
    job.fail(Object.assign(new Error('elsewhere'), { name: 'DataLossError' }))
    expect(await code).toBe(4)
  })

  test('shows the stack with --trace only', async () => {
    const cli = new Cli(project.folder)
    const { job, code } = await started(cli, 'run', 'jobs/job.yaml', '--quiet', '--trace')
    job.fail(new TypeError('x is not a function', { cause: new Error('the cause') }))
    expect(await code).toBe(1)
    expect(cli.err).toMatch(/error: x is not a function\n[^]*    at [^]*the cause/)
  })

  test('never prints a password', async () => {
    const cli = new Cli(project.folder)
    const { job, code } = await started(cli, 'run', 'jobs/job.yaml', '--quiet')
    job.options.log.error({ server: 'nats://me:hunter2@host:4222', token: 'hunter2' }, 'lost')
    job.fail(new UnavailableError('nats://me:hunter2@host:4222 is away'))
    await code
    expect(cli.err).toContain('nats://***@host:4222 is away')
    expect(cli.err).not.toContain('hunter2')
  })
})

describe('progress', () => {
  test('without a terminal is a line a second, and none when nothing happens', async () => {
    const { cli, clock, job, code } = await withClock()
    job.current = {
      ...PROGRESS,
      records: 1_500,
      recordsRead: 1_500,
      share: 0.25,
      late: 1,
    }
    clock.advance(1_000)
    expect(cli.err).toBe(
      ` last-seen   ━━━━━━━━──────────────────────    25 %   1,500 records   1.5 k/s   1 late   0 dead letters\n`,
    )
    clock.advance(5_000)
    expect(cli.err.split('\n')).toHaveLength(2)
    job.current = {
      ...PROGRESS,
      records: 1_500,
      recordsRead: 1_500,
      state: 'backingOff',
      restarts: 2,
    }
    clock.advance(1_000)
    expect(cli.err).toMatch(/ last-seen   waiting before attempt 3   1,500 records   0\/s/)
    job.finish()
    await code
  })

  test('tells how long it will still take, once it has come on for a second', async () => {
    const { cli, clock, job, code } = await withClock()
    const lines = (): string[] => cli.err.split('\n').slice(0, -1)
    job.current = { ...PROGRESS, records: 100, recordsRead: 100, share: 0.2 }
    clock.advance(1_000)
    job.current = { ...job.current, records: 200, recordsRead: 200, share: 0.4 }
    clock.advance(1_000)
    expect(lines()[0]).not.toContain('left')
    // 0.2 of it in a second: the other 0.6 take three.
    expect(lines()[1]).toMatch(/ 40 %   200 records   100\/s   3.0 s left   0 late/)
    // Over to live: there is no end any more.
    job.current = { ...job.current, records: 300, share: undefined }
    clock.advance(1_000)
    expect(lines()[2]).toMatch(/last-seen   300 records   \d+\/s   0 late/)
    job.finish()
    await code
  })

  test('on a terminal is one line that is taken away at the end; logs go above it', async () => {
    const seen: string[] = []
    const { cli, clock, job, code } = await withClock({
      update: (text) => void seen.push(`update ${text}`),
      above: (text) => void seen.push(`above ${text}`),
      clear: () => void seen.push('clear'),
    })
    job.current = { ...PROGRESS, records: 1 }
    clock.advance(100)
    job.options.log.warn({ source: 'seen', token: 'hunter2' }, 'slow')
    job.finish()
    await code
    expect(seen).toEqual([
      'update  last-seen   1 record   0 late   0 dead letters',
      'above 00:00:00 warn  slow source=seen token=[Redacted]',
      'clear',
    ])
    expect(cli.err).toBe('')
  })
})
