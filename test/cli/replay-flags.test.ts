/** What `--from`, `--to`, `--then` and `--speed` set, and what of it is refused. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Cli, Project, PUBLIC_INDEX, until } from './cli-harness.ts'

const JOB = `import { job } from '${PUBLIC_INDEX}'
const Seen = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } } as const
export default job('replayed', ({ source, sink }) => {
  source('near', Seen).union(source('far', Seen)).union(source('old', Seen)).to(sink('out'))
})
`
const MANIFEST = `job: ./job.ts
sources:
  near:
    embedded: { stream: NEAR }
  far:
    jetstream: { stream: FAR }
  old:
    file: { path: in.csv }
    eventTime: { field: at, unit: s }
sinks:
  out:
    file: { path: out.jsonl }
`

let project: Project
beforeEach(async () => {
  project = await Project.create()
  await project.put('jobs/job.ts', JOB)
  await project.put('jobs/job.yaml', MANIFEST)
})
afterEach(() => project.remove())

/** What the job is started with; else the error. */
async function started(...flags: readonly string[]): Promise<unknown> {
  const cli = new Cli(project.folder)
  const code = cli.run('run', 'jobs/job.yaml', ...flags)
  let ended = false
  void code.then(() => (ended = true))
  await until('the job is started', () => ended || cli.jobs.length > 0)
  const [job] = cli.jobs
  if (job === undefined) return `${await code} ${cli.err}`
  job.finish()
  await code
  const { sources, followedBy, speed } = job.options.manifest
  const ranges = [...sources].flatMap(([name, { input }]) =>
    'from' in input ? [[name, { from: input.from, to: input.to }]] : [],
  )
  return { ...Object.fromEntries(ranges), followedBy, speed }
}

const T = Date.UTC(2026, 0, 31, 8, 30)

test('a place is a sequence, a time of the log, start or now; for all sources or for one', async () => {
  const batch = ['--mode', 'batch']
  expect(
    await started(...batch, '--from', 'near=1000', '--to', 'near=2000', '--to', 'far=now'),
  ).toEqual({
    near: { from: { after: 999 }, to: { through: 2000 } },
    far: { from: 'start', to: 'now' },
  })
  expect(
    await started(
      ...batch,
      '--from',
      'far=2026-01-31T08:30:00Z',
      '--to',
      `far=${T + 5}ms`,
      '--from',
      'near=2026-01-31',
      '--then',
      'live',
      '--speed',
      '10x',
    ),
  ).toEqual({
    near: { from: { time: Date.UTC(2026, 0, 31) }, to: 'now' },
    far: { from: { time: T }, to: { before: T + 5 } },
    followedBy: 'live',
    speed: 10,
  })
  // What holds anyway may be said of a file too.
  expect(await started(...batch, '--from', 'start', '--to', 'now', '--speed', 'max')).toEqual({
    near: { from: 'start', to: 'now' },
    far: { from: 'start', to: 'now' },
    speed: Number.POSITIVE_INFINITY,
  })
  // Where a live job begins can be said too.
  expect(await started('--from', 'near=now')).toMatchObject({ near: { from: 'now' } })
})

test.each<[string, string[], RegExp]>([
  ['what is no place', ['--from', 'yesterday'], /--from yesterday: write a sequence/],
  ['a time without its zone', ['--from', 'near=2026-01-31T08:30'], /near.embedded.from: write/],
  ['an end at the start', ['--to', 'start'], /--to start: write a sequence/],
  ['an unknown source', ['--from', 'nera=5'], /no source 'nera'; did you mean 'near'\?/],
  ['a place in a file', ['--from', '5'], /'old' reads a file, whose records have neither/],
  [
    'an end before the beginning',
    ['--from', 'near=7', '--to', 'near=6'],
    /ends with sequence 6, before it begins with sequence 7/,
  ],
  [
    'a time before the beginning',
    ['--from', 'near=2026-02-01', '--to', 'near=2026-01-31'],
    /ends at 2026-01-31T00:00:00.000Z, before it begins at 2026-02-01T00:00:00.000Z/,
  ],
  ['a speed that is none', ['--speed', '0x'], /speed: write how many times as fast/],
  ['an end of a live job', ['--mode', 'live', '--to', 'near=5'], /--to is for batches/],
  ['a live job behind a live job', ['--mode', 'live', '--then', 'live'], /--then is for batches/],
  ['a pace of a live job', ['--mode', 'live', '--speed', '2x'], /--speed is for batches/],
])('refuses %s', async (_, flags, message) => {
  const mode = flags.includes('--mode') ? [] : ['--mode', 'batch']
  const said = String(await started(...mode, ...flags)).replaceAll(/\s+/g, ' ')
  expect(said).toMatch(/^2 /)
  expect(said).toMatch(message)
})
