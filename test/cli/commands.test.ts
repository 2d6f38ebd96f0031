import { gzipSync } from 'node:zlib'
import { writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkNode } from '../../runtime/cli/doctor.ts'
import type { PublisherOptions } from '../../runtime/cli/publisher.ts'
import type { StateEntry, StateReader } from '../../runtime/state/read-state.ts'
import { StateError } from '../../runtime/errors.ts'
import { Cli, JOB, ManualClock, MANIFEST, Project, until } from './cli-harness.ts'

let project: Project
let cli: Cli
beforeEach(async () => {
  project = await Project.create()
  cli = new Cli(project.folder)
})
afterEach(() => project.remove())

describe('the command line itself', () => {
  test('explains commands and exit codes', async () => {
    expect(await cli.run('--help')).toBe(0)
    for (const command of [
      'run',
      'dev',
      'validate',
      'plan',
      'publish',
      'state',
      'explain',
      'doctor',
    ]) {
      expect(cli.out).toMatch(new RegExp(`^  ${command} `, 'm'))
    }
    expect(cli.out).toMatch(/Exit codes:\n  0 {4}done/)
    expect(cli.out).toMatch(/^  130  ended at once by a second signal/m)
  })

  test('knows its version', async () => {
    expect(await cli.run('--version')).toBe(0)
    expect(cli.out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  test.each([
    [['rum', 'x'], /unknown command 'rum'\n\(Did you mean run\?\)/],
    [['run'], /missing required argument 'job'/],
    [['run', 'x', '--mod', 'batch'], /unknown option '--mod'\n\(Did you mean --mode\?\)/],
    [['run', 'x', '--mode', 'fast'], /Allowed choices are live, batch/],
    [['publish', 'x', '--to', 'kafka', '--stream', 's'], /Allowed choices are embedded, jetstream/],
    [['publish', 'x', '--to', 'embedded'], /required option '--stream <name>' not specified/],
    [['publish', 'x', '--to', 'embedded', '--stream', 's', '--speed', 'fast'], /Write it as in 1x/],
    [['publish', 'x', '--to', 'embedded', '--stream', 'a.b'], /is not a stream name/],
    [['state', 'scan', 'x', 'o', '--limit', '0'], /Write a whole number above 0/],
    [['run', 'none.yaml'], /error: none\.yaml does not exist; name a manifest/],
    [['plan', 'jobs'], /jobs is a folder that no job remembers its manifest in; name the manifest/],
  ])('%j ends with code 2', async (argv, message) => {
    expect(await cli.run(...argv)).toBe(2)
    expect(cli.err).toMatch(message)
    expect(cli.out).toBe('')
  })
})

describe('validate', () => {
  test('says that a job is valid', async () => {
    expect(await cli.run('validate', 'jobs/job.yaml')).toBe(0)
    expect(cli.out).toBe(
      `jobs/job.yaml: job 'last-seen' is valid (1 source, 1 sink, state in ${project.path('.millrace/last-seen')})\n`,
    )
  })

  test('tells everything that does not fit together, with lines', async () => {
    await project.put(
      'jobs/job.yaml',
      `job: ./job.ts
sources:
  sean:
    file: { path: none.csv }
sinks:
  out:
    table: {}
  more:
    file: { path: none.csv }
deadLetter: { file: { path: none.csv } }
operators:
  lost: { onError: fail }
`,
    )
    expect(await cli.run('validate', 'jobs/job.yaml')).toBe(2)
    expect(cli.err.split('\n').map((line) => line.replace(/^(error:)? +/, ''))).toEqual([
      `jobs/job.yaml:2:1 sources: the job has a source 'seen', which is not here; add it, or rename 'sean'`,
      `jobs/job.yaml:3:3 sources.sean: the job has no source 'sean' (it has seen); remove it, or use it in the job`,
      `jobs/job.yaml:8:3 sinks.more: the job has no sink 'more' (it has out); remove it, or use it in the job`,
      expect.stringMatching(
        /^jobs\/job\.yaml:12:3 operators\.lost: the job has no operator 'lost'; it has last, keyBy#/,
      ),
      `jobs/job.yaml:9:19 sinks.more.file.path: cannot write ${project.path('jobs/none.csv')}: sources.sean reads it; choose another file`,
      `jobs/job.yaml:10:29 deadLetter.file.path: cannot write ${project.path('jobs/none.csv')}: sinks.more writes it; choose another file`,
      expect.stringMatching(/^jobs\/job\.yaml:4:19 sources\.sean\.file\.path: .*none\.csv/),
      '',
    ])
  })

  test('a file needs an event time, from the manifest or from the job, but not from both', async () => {
    await project.put('jobs/job.yaml', MANIFEST.replace('eventTime: { field: at, unit: s }', ''))
    expect(await cli.run('validate', 'jobs/job.yaml')).toBe(2)
    expect(cli.err).toMatch(/3:3 sources\.seen: needs eventTime: \{field: …\}/)
    // A module is loaded once a process: another version of it is another file.
    const timed = JOB.replace("source('seen', Seen)", "source('seen', Seen, { time: () => 0 })")
    await project.put('jobs/timed.ts', timed)
    const neither = MANIFEST.replace('eventTime: { field: at, unit: s }', '')
    await project.put('jobs/timed.yaml', neither.replace('job.ts', 'timed.ts'))
    expect(await new Cli(project.folder).run('validate', 'jobs/timed.yaml')).toBe(0)
    await project.put('jobs/both.yaml', MANIFEST.replace('job.ts', 'timed.ts'))
    const both = new Cli(project.folder)
    expect(await both.run('validate', 'jobs/both.yaml')).toBe(2)
    expect(both.err).toMatch(
      /sources\.seen\.eventTime: the job's own function gives the event time/,
    )
  })

  test.each([
    ['export const other = 1\n', /has no default export; write: export default job\('name', …\)/],
    ['export default 17\n', /has a default export that is not a job but a value of type number/],
    ['export default () => 1\n', /not a job but a function/],
    [
      JOB.replace('export default', 'export const mine ='),
      /exports its job as 'mine', not as its default/,
    ],
    ['\nthrow new Error("at load")\n', /job\.ts:2(:\d+)? cannot be loaded: at load/],
    [
      JOB.replace(".to(sink('out'))", ''),
      /job\.ts.* cannot be loaded: job 'last-seen' has no sink/,
    ],
  ])('a module that is no job: %j', async (text, message) => {
    await project.put('jobs/job.ts', text)
    expect(await cli.run('validate', 'jobs/job.yaml')).toBe(2)
    expect(cli.err).toMatch(message)
  })
})

test('more processes than tasks are refused before anything runs', async () => {
  expect(await cli.run('validate', 'jobs/job.yaml', '--set', 'processes=2')).toBe(2)
  expect(cli.err).toContain(
    '--set processes: is 2, and the job has 1 task with parallelism 1; write at most 1',
  )
  const tasks = ['--set', 'processes=2', '--set', 'parallelism=2']
  expect(await cli.run('validate', 'jobs/job.yaml', ...tasks)).toBe(0)
})

describe('plan', () => {
  test('is a table for people', async () => {
    expect(await cli.run('plan', 'jobs/job.yaml')).toBe(0)
    expect(cli.out).toBe(`last-seen   live, state in .millrace/last-seen
  0  source    seen                 file jobs/in.csv (csv); event time: at (s), unordered
  1  step      keyBy#1  ← 0         keyBy
  2  operator  last     ← 1  state  tumbling 1000 ms · reduce
  3  step      map#3    ← 2         map
  4  sink      out      ← 3         file jobs/out.jsonl (jsonl)
`)
  })

  test('tells what watermarks come from, and what keeps together', async () => {
    const fields = '{"field":"at","unit":"s","watermarkField":"upTo","alignment":{"maxDrift":"1m"}}'
    const set = `sources.seen.eventTime=${fields}`
    expect(await cli.run('plan', 'jobs/job.yaml', '--set', set)).toBe(0)
    expect(cli.out).toContain(
      '; event time: at (s), unordered, watermarks: upTo, at most 60s ahead of group default\n',
    )
  })

  test('is JSON for programs, and holds no secret', async () => {
    const sink = 'sinks.out={"jetstream":{"stream":"a","token":"hunter2"}}'
    expect(await cli.run('plan', 'jobs/job.yaml', '--json', '--set', sink)).toBe(0)
    expect(JSON.parse(cli.out)).toMatchObject({
      job: 'last-seen',
      mode: 'live',
      commit: { everyMs: 100 },
      stateDir: project.path('.millrace/last-seen'),
      nodes: [
        { id: 0, kind: 'source', name: 'seen', inputs: [], keepsState: false },
        { id: 1, kind: 'step', inputs: [0] },
        { id: 2, kind: 'keyed', name: 'last', inputs: [1], keepsState: true },
        { id: 3, kind: 'step', inputs: [2] },
        { id: 4, kind: 'sink', name: 'out', inputs: [3], detail: 'JetStream stream a (own)' },
      ],
    })
    expect(cli.out).not.toContain('hunter2')
  })
})

describe('state', () => {
  const entries: StateEntry[] = [
    { key: 1, cells: { last: 'number' }, epoch: 9 },
    { key: '1', cells: { last: 'text' }, epoch: 9 },
    { key: 'é\u0000*', cells: { seen: new Map([['a', 1]]) }, epoch: 9 },
  ]
  let asked: string[]

  function reader(): StateReader {
    return {
      job: 'latest-rating',
      epoch: 9,
      bounds: [],
      operators: () => ['last'],
      get: (_, key) => Promise.resolve(entries.find((entry) => entry.key === key)),
      async *scan(_, { limit }) {
        yield* await Promise.resolve(entries.slice(0, limit))
      },
      close: () => {
        asked.push('closed')
        return Promise.resolve()
      },
    }
  }

  function stateCli(): Cli {
    asked = []
    return new Cli(project.folder, {
      services: {
        openStateReader: (dir) => {
          asked.push(dir)
          return Promise.resolve(reader())
        },
      },
    })
  }

  test.each([
    ['1', { key: 1, cells: { last: 'number' }, epoch: 9 }],
    ['"1"', { key: '1', cells: { last: 'text' }, epoch: 9 }],
    ['é\u0000*', { key: 'é\u0000*', cells: { seen: [['a', 1]] }, epoch: 9 }],
  ])('get %s prints one line of JSON', async (key, line) => {
    const one = stateCli()
    expect(await one.run('state', 'get', 'jobs/job.yaml', 'last', key)).toBe(0)
    expect(JSON.parse(one.out)).toEqual(line)
    expect(asked).toEqual([project.path('.millrace/last-seen'), 'closed'])
  })

  test('scan prints a line a key, at most so many', async () => {
    const one = stateCli()
    expect(await one.run('state', 'scan', 'jobs/job.yaml', 'last', '--limit', '2')).toBe(0)
    expect(one.out.trim().split('\n')).toHaveLength(2)
  })

  test('takes a state folder, and --state', async () => {
    await project.put('st/x', '')
    await stateCli().run('state', 'get', 'st', 'last', '1')
    expect(asked[0]).toBe(project.path('st'))
    await stateCli().run('state', 'get', 'jobs/job.yaml', 'last', '1', '--state', 'st')
    expect(asked[0]).toBe(project.path('st'))
  })

  test('a key that is not there', async () => {
    const one = stateCli()
    expect(await one.run('state', 'get', 'jobs/job.yaml', 'last', '7')).toBe(2)
    expect(one.err).toMatch(/operator 'last' has no key 7 as of epoch 9/)
    expect(asked).toContain('closed')
  })

  test('an operator that is not there', async () => {
    const one = stateCli()
    expect(await one.run('state', 'scan', 'jobs/job.yaml', 'lst')).toBe(2)
    expect(one.err).toMatch(/no operator 'lst'; did you mean 'last'\?/)
  })

  test('no state', async () => {
    const one = new Cli(project.folder, {
      services: { openStateReader: () => Promise.reject(new StateError('no state there')) },
    })
    expect(await one.run('state', 'scan', 'jobs/job.yaml', 'last')).toBe(3)
  })
})

describe('publish', () => {
  const CSV = 'user,film,at\n1,10,3\n2,20,1\nbroken\n3,30,1\n4,40,2\n'

  test('sends a JSON message a record and says what it left out', async () => {
    await project.put('in.csv', CSV)
    expect(await cli.run('publish', 'in.csv', '--to', 'embedded', '--stream', 's')).toBe(0)
    expect(cli.published).toEqual([
      { user: 1, film: 10, at: 3 },
      { user: 2, film: 20, at: 1 },
      { user: 3, film: 30, at: 1 },
      { user: 4, film: 40, at: 2 },
    ])
    expect(cli.out).toMatch(
      / in\.csv   4 records to a stream · .*\n left out 1 .*in\.csv:4: has 1 fields/,
    )
  })

  test('sorts by a number, and leaves equal ones in their order', async () => {
    await project.put('in.csv', CSV)
    await cli.run('publish', 'in.csv', '--to', 'embedded', '--stream', 's', '--order-by', 'at')
    expect(cli.published).toMatchObject([{ user: 2 }, { user: 3 }, { user: 4 }, { user: 1 }])
  })

  test('reads packed JSON lines; columns may stay text', async () => {
    await writeFile(project.path('in.jsonl.gz'), gzipSync('{"a":"x"}\n{"a":[1]}\n'))
    await cli.run('publish', 'in.jsonl.gz', '--to', 'embedded', '--stream', 's')
    await project.put('t.csv', 'id,n\n007,7\n12,7\n')
    await cli.run('publish', 't.csv', '--to', 'embedded', '--stream', 's', '--text', 'id')
    expect(cli.published).toEqual([{ a: 'x' }, { a: [1] }, { id: '007', n: 7 }, { id: '12', n: 7 }])
  })

  test('hands the stream on as it was named', async () => {
    const opened: PublisherOptions[] = []
    const one = new Cli(project.folder, {
      services: {
        openPublisher: (options) => {
          opened.push(options)
          return Promise.reject(new Error('seen enough'))
        },
      },
    })
    await project.put('in.csv', CSV)
    await one.run('publish', 'in.csv', '--to', 'embedded', '--stream', 's')
    await one.run('publish', 'in.csv', '--to', 'jetstream', '--stream', 's', '--servers', 'a,b')
    expect(opened).toEqual([
      { kind: 'embedded', stream: 's', log: project.path('.millrace/log') },
      {
        kind: 'jetstream',
        stream: 's',
        servers: 'a,b',
        credentials: undefined,
        subject: undefined,
      },
    ])
  })

  test('paces by the field', async () => {
    await project.put('in.csv', 'at\n100\n101\n105\n')
    const clock = new ManualClock()
    const one = new Cli(project.folder, { clock })
    const flags = ['--to', 'embedded', '--stream', 's', '--order-by', 'at', '--speed', '10x']
    const code = one.run('publish', 'in.csv', ...flags)
    await until('the first record is out', () => one.published.length === 1)
    clock.advance(99)
    expect(one.published).toHaveLength(1)
    clock.advance(1)
    await until('the second record is out', () => one.published.length === 2)
    clock.advance(399)
    expect(one.published).toHaveLength(2)
    clock.advance(1)
    expect(await code).toBe(0)
    expect(one.published).toHaveLength(3)
  })

  test.each([
    [['none.csv', '--to', 'embedded', '--stream', 's'], /none\.csv/],
    [['in.txt', '--to', 'embedded', '--stream', 's'], /format is unknown; say --format csv/],
    [
      ['in.csv', '--to', 'embedded', '--stream', 's', '--order-by', 'no'],
      /a record has no number there/,
    ],
    [['in.csv', '--to', 'embedded', '--stream', 's', '--speed', '2x'], /--speed needs --order-by/],
  ])('%j is refused', async (argv, message) => {
    await project.put('in.csv', CSV)
    await project.put('in.txt', CSV)
    expect(await cli.run('publish', ...argv)).toBe(2)
    expect(cli.err).toMatch(message)
    expect(cli.published).toEqual([])
  })
})

describe('doctor', () => {
  test('without a job looks at Node.js, LMDB and the disk', async () => {
    expect(await cli.run('doctor')).toBe(0)
    expect(cli.out).toMatch(
      /^ok {7}Node\.js \d+\.\d+\.\d+\nok {7}LMDB loads, and \. is writable\n(ok {5}|warning)  [\d.]+ GB free/,
    )
  })

  test('with a job looks at its state and its servers, each once', async () => {
    const asked: unknown[] = []
    const one = new Cli(project.folder, {
      services: {
        checkNats: ({ servers, streams }) => {
          asked.push({ servers, streams })
          return Promise.resolve([
            { level: 'problem', what: 'NATS does not answer', todo: 'start it' },
          ])
        },
      },
    })
    const jetstream = '{"jetstream":{"stream":"a","servers":"nats://h:1"}}'
    const code = await one.run(
      'doctor',
      'jobs/job.yaml',
      '--set',
      `sinks.out=${jetstream}`,
      '--set',
      `deadLetter=${jetstream}`,
    )
    expect(code).toBe(2)
    expect(asked).toEqual([
      {
        servers: ['nats://h:1'],
        streams: [
          { stream: 'a', use: 'write' },
          { stream: 'a', use: 'write' },
        ],
      },
    ])
    expect(one.out).toContain('ok       no state in .millrace/last-seen yet\n')
    expect(one.out).toContain('problem  NATS does not answer; start it\n')
  })

  test('tells how far behind the records of a state came', async () => {
    const bounds = { source: 'seen', records: 9_000, keeping99Ms: 0, keeping999Ms: 90_000 }
    const one = new Cli(project.folder, {
      services: {
        openStateReader: () =>
          Promise.resolve({
            job: 'last-seen',
            epoch: 9,
            bounds: [{ ...bounds, keepingAllMs: 7_200_000 }],
            operators: () => [],
            get: () => Promise.resolve(undefined),
            async *scan() {},
            close: () => Promise.resolve(),
          }),
      },
    })
    await project.put('st/task-0/data.mdb', '')
    expect(await one.run('doctor', 'jobs/job.yaml', '--state', 'st')).toBe(0)
    expect(one.out).toContain(
      'ok       state in st is at epoch 9\nok       of 9,000 records of seen, outOfOrder 0ms keeps 99 % in time, 90s 99.9 %, 120m all\n',
    )
  })

  test('tells what is wrong with a manifest', async () => {
    await project.put('jobs/job.yaml', 'job: ./job.ts\n')
    expect(await cli.run('doctor', 'jobs/job.yaml')).toBe(2)
    expect(cli.out).toMatch(/problem {2}jobs\/job\.yaml:1:1 sources: is missing/)
  })

  test.each([
    ['20.18.3', 'problem'],
    ['18.20.0', 'problem'],
    ['20.19.0', 'ok'],
    ['22.0.0', 'ok'],
    ['24.1.0', 'ok'],
  ])('Node.js %s: %s', (version, level) => {
    expect(checkNode(version).level).toBe(level)
  })
})
