/** A job's state lives on when the job changes: real processes, a state folder, the command line. */
import { spawnSync } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '../support/jetstream.ts'
import { FILE_MANIFEST, JobFolder, jobText, records, results, textOf } from './job-process.ts'

const MAIN = join(import.meta.dirname, '../../dist/runtime/cli/main.js')
const PATIENCE = { timeout: 60_000 }

/** Counts as the first version did, in a cell of another name and kind. */
const SECOND = (upcast: string): string => `import { actor, job, list } from 'millrace'
const Seen = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }
const seen = actor('seen', {
  version: 2,
  upcast: { 1: ${upcast} },
  state: { ticks: list() },
  onRecord(record, key) {
    key.state.ticks.push(record.n)
    key.emit({ user: record.user, n: record.n, count: key.state.ticks.toArray().length })
  },
})
export default job('last-seen', ({ source, sink }) => {
  source('seen', Seen).keyBy((record) => record.user).process(seen).to(sink('out'))
})
`
const GOOD = '({ count }) => ({ ticks: Array.from({ length: count }, (_, i) => i) })'
const BAD = `({ count }) => { if (count % 2 === 1) throw new Error('odd'); return { ticks: [] } }`

const ENDS = ['--mode', 'batch', '--set', 'sources.seen.file.follow=false']

let job: JobFolder
beforeEach(async () => {
  job = new JobFolder(FILE_MANIFEST.replace('in.jsonl', 'in.jsonl, follow: true'))
  job.write('in.jsonl', textOf(records(1, 52)))
  const life = job.start(['--mode', 'live'])
  await until(() => job.read('out.jsonl') === textOf(results(52)), 'the first results')
  life.child.kill('SIGTERM')
  expect(await life.ended, life.output()).toBe(0)
  appendFileSync(job.path('in.jsonl'), textOf(records(53, 100)))
})
afterEach(() => job.remove())

function millrace(...args: string[]): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    cwd: job.folder,
    encoding: 'utf8',
    timeout: 30_000,
  })
  return { code: status, output: stdout + stderr }
}

test('an actor of a new version goes on with the state of the old one', PATIENCE, async () => {
  job.write('job.js', SECOND(GOOD))
  expect(millrace('migrate', 'job.yaml', '--state', 'state', '--dry-run')).toEqual({
    code: 0,
    output: 'seen  5 keys can be brought from version 1 to 2\n',
  })
  const ended = await job.run(ENDS)
  expect(ended.code, ended.output).toBe(0)
  expect(job.read('out.jsonl')).toBe(textOf(results(100)))
  // A state that newer code has written is not read by older code.
  job.write('job.js', jobText())
  const back = await job.run(ENDS)
  expect([back.code, back.output]).toEqual([3, expect.stringContaining('written by newer code')])
})

test('all keys can be brought over at once, and then no upcast is needed', PATIENCE, async () => {
  job.write('job.js', SECOND(GOOD))
  expect(millrace('migrate', 'job.yaml', '--state', 'state')).toEqual({
    code: 0,
    output: 'seen  5 keys were brought from version 1 to 2\n',
  })
  expect(millrace('migrate', 'job.yaml', '--state', 'state').output).toBe(
    'all keys are of the versions of the job\n',
  )
  job.write('job.js', SECOND(GOOD).replace(/ upcast: .*,\n/, '\n'))
  const ended = await job.run(ENDS)
  expect(ended.code, ended.output).toBe(0)
  expect(job.read('out.jsonl')).toBe(textOf(results(100)))
})

test(
  'keys that cannot be brought over are all found, and nothing is changed',
  PATIENCE,
  async () => {
    const before = job.dataHash()
    job.write('job.js', SECOND(BAD))
    for (const flags of [['--dry-run'], []]) {
      const { code, output } = millrace('migrate', 'job.yaml', '--state', 'state', ...flags)
      expect(code).toBe(3)
      expect(output).toContain(
        "operator 'seen': 2 keys cannot be brought to version 2. Nothing was changed.",
      )
      expect(output).toMatch(/for key [12] failed at version 1: odd/)
    }
    expect(job.dataHash()).toBe(before)
    const run = await job.run(ENDS)
    expect([run.code, run.output]).toEqual([5, expect.stringContaining('failed at version 1: odd')])
  },
)

test('keys of several tasks are brought over, all of them or none', PATIENCE, async () => {
  const ofUser = (user: number): string[] =>
    results(100).filter((line) => line.startsWith(`{"user":${user},`))
  const inThree = ['--state', 'three', '--set', 'parallelism=3', '--set', 'processes=2']
  const ownFile = ['--set', 'sinks.out.file.path=three.jsonl']
  job.write('in.jsonl', textOf(records(1, 52)))
  const live = job.start(['--mode', 'live', ...inThree, ...ownFile])
  const lines = (): string[] => job.read('three.jsonl').split('\n').slice(0, -1)
  await until(() => lines().length === 52, 'the first results')
  live.child.kill('SIGTERM')
  expect(await live.ended, live.output()).toBe(0)
  job.write('in.jsonl', textOf(records(1, 100)))

  const before = [0, 1, 2, 3, 4].map((task) => job.dataHash('three', task))
  job.write('job.js', SECOND(BAD))
  const refused = millrace('migrate', 'job.yaml', '--state', 'three')
  expect([refused.code, refused.output]).toEqual([
    3,
    expect.stringContaining("operator 'seen': 2 keys cannot be brought to version 2."),
  ])
  expect([0, 1, 2, 3, 4].map((task) => job.dataHash('three', task))).toEqual(before)

  job.write('job.js', SECOND(GOOD))
  for (const [flags, output] of [
    [['--dry-run'], 'seen  5 keys can be brought from version 1 to 2\n'],
    [[], 'seen  5 keys were brought from version 1 to 2\n'],
    [[], 'all keys are of the versions of the job\n'],
  ] as const) {
    expect(millrace('migrate', 'job.yaml', '--state', 'three', ...flags).output).toBe(output)
  }
  // Neither an upcast nor as many tasks are needed from there.
  job.write('job.js', SECOND(GOOD).replace(/ upcast: .*,\n/, '\n'))
  const two = ['--state', 'three', '--set', 'parallelism=2']
  const ended = await job.run([...ENDS, ...two, ...ownFile])
  expect(ended.code, ended.output).toBe(0)
  for (const user of [0, 1, 2, 3, 4]) {
    expect(lines().filter((line) => line.startsWith(`{"user":${user},`))).toEqual(ofUser(user))
  }
})

test('what is no longer wanted is dropped by its name, and only by it', PATIENCE, async () => {
  job.write('job.js', jobText({ operator: 'renamed' }))
  const refused = await job.run(ENDS)
  expect([refused.code, refused.output]).toEqual([3, expect.stringContaining('--drop-state NAME')])
  const wrong = await job.run([...ENDS, '--drop-state', 'sen'])
  expect([wrong.code, wrong.output]).toEqual([3, expect.stringContaining('--drop-state sen: ')])

  const dropped = await job.run([...ENDS, '--drop-state', 'seen'])
  expect(dropped.code, dropped.output).toBe(0)
  expect(dropped.output).toMatch(/"dropped":\["seen"\],"rows":5/)
  // Its count begins again.
  const fresh = job.read('out.jsonl').trimEnd().split('\n').slice(52)
  expect(JSON.parse(fresh[0] ?? '')).toEqual({ user: 3, n: 53, count: 1 })
  expect(fresh.length).toBe(48)
})

test('an operator of several tasks is renamed as the refusal advises', PATIENCE, async () => {
  const three = ['--set', 'parallelism=3', '--set', 'processes=2']
  const one = ['--set', 'parallelism=1', '--set', 'processes=1']
  const lines = (): string[] => job.read('out.jsonl').split('\n').slice(0, -1)
  /** Runs it live until so many results are out, and stops it. */
  const liveUntil = async (count: number, set: readonly string[]): Promise<void> => {
    const life = job.start(['--mode', 'live', ...set])
    await until(() => lines().length === count, `${count} results`)
    life.child.kill('SIGTERM')
    expect(await life.ended, life.output()).toBe(0)
  }
  await liveUntil(100, three)

  job.write('job.js', jobText({ operator: 'users' }))
  const drop = ['--drop-state', 'seen']
  const advice = '--set parallelism=1 --set processes=1, stop it, and run the changed one'
  for (const [flags, code, problem] of [
    [three, 3, 'stages are others now'],
    [[...one, ...drop], 3, 'stages are others now'],
    [[...three, ...drop], 2, '--drop-state works with parallelism 1'],
  ] as const) {
    const refused = await job.run([...ENDS, ...flags])
    expect([refused.code, refused.output]).toEqual([code, expect.stringContaining(problem)])
    expect(refused.output).toContain(advice)
  }

  job.write('job.js', jobText())
  appendFileSync(job.path('in.jsonl'), textOf(records(101, 110)))
  await liveUntil(110, one)
  job.write('job.js', jobText({ operator: 'users' }))
  appendFileSync(job.path('in.jsonl'), textOf(records(111, 115)))
  await liveUntil(115, [...drop, ...one])
  appendFileSync(job.path('in.jsonl'), textOf(records(116, 120)))
  const { code, output } = await job.run([...ENDS, ...three])
  expect(code, output).toBe(0)
  const counts = lines()
    .slice(110)
    .map((line) => (JSON.parse(line) as { count: number }).count)
  expect(counts).toEqual([1, 1, 1, 1, 1, 2, 2, 2, 2, 2])
})
