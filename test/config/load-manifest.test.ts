import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadManifest } from '../../config/load-manifest.ts'
import type { LoadOptions } from '../../config/load-manifest.ts'
import type { ResolvedManifest } from '../../config/manifest.ts'
import { ConfigError } from '../../runtime/errors.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'manifest-'))
  await put('jobs/job.ts', '')
})
afterEach(() => rm(folder, { recursive: true }))

async function put(name: string, text: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true })
  await writeFile(join(folder, name), text)
}

async function load(text: string, options: Partial<LoadOptions> = {}): Promise<ResolvedManifest> {
  await put('jobs/m.yaml', text)
  const loaded = await loadManifest('jobs/m.yaml', { env: {}, workingDir: folder, ...options })
  return loaded.manifest
}

async function problems(text: string, options: Partial<LoadOptions> = {}): Promise<string[]> {
  const error: unknown = await load(text, options).then(
    () => new Error('was accepted'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ConfigError)) throw error
  return [...error.problems]
}

const HEAD = `job: ./job.ts
sources:
  ratings:
    file: { path: data/ratings.csv }
    eventTime: { field: timestamp, unit: s }
sinks:
  latest:
    file: { path: out/latest.jsonl }
`

describe('a small manifest', () => {
  test('is completed with defaults, in milliseconds and bytes', async () => {
    const manifest = await load(HEAD)
    expect(manifest).toEqual({
      job: join(folder, 'jobs/job.ts'),
      sources: new Map([
        [
          'ratings',
          {
            input: {
              kind: 'file',
              path: join(folder, 'jobs/data/ratings.csv'),
              format: 'csv',
              textColumns: [],
              follow: false,
            },
            eventTime: {
              field: 'timestamp',
              from: undefined,
              unit: 's',
              order: 'unordered',
              outOfOrderMs: 5_000,
              idleAfterMs: 30_000,
              whenIdle: 'exclude',
              maxAheadMs: 86_400_000,
              minTimeMs: Date.UTC(1990, 0, 1),
            },
            onDataLoss: 'fail',
          },
        ],
      ]),
      sinks: new Map([
        ['latest', { kind: 'file', path: join(folder, 'jobs/out/latest.jsonl'), format: 'jsonl' }],
      ]),
      commit: { everyMs: undefined, recordsMax: 10_000_000, bytesMax: 64_000_000 },
      cache: { entriesMax: 1_000_000, bytesMax: 256_000_000 },
      restart: { strategy: 'exponential', attemptsMax: 10, delayMs: 1_000, delayMaxMs: 60_000 },
      parallelism: 1,
      processes: 1,
      durability: 'local',
      limits: { recordBytesMax: 1_048_576, outboxBytesMax: 64_000_000 },
      operators: new Map(),
      mode: 'live',
    })
  })

  test('resolves how event time comes', async () => {
    const eventTime = async (fields: string): Promise<unknown> =>
      (await load(HEAD.replace('unit: s', fields))).sources.get('ratings')?.eventTime
    expect(await eventTime('order: monotonous')).toMatchObject({ outOfOrderMs: 0 })
    expect(await eventTime('order: monotonous, outOfOrder: 0')).toMatchObject({ outOfOrderMs: 0 })
    expect(await eventTime('order: sorted, outOfOrder: 5s')).toMatchObject({
      order: 'sorted',
      outOfOrderMs: 0,
      sort: { memoryBytesMax: 64_000_000 },
    })
    expect(await eventTime('order: sorted, sort: { memory: 2MB }')).toMatchObject({
      sort: { memoryBytesMax: 2_000_000 },
    })
    expect(
      await eventTime(
        'whenIdle: advance, watermarkField: upTo, alignment: { group: all, maxDrift: 1m }',
      ),
    ).toMatchObject({
      whenIdle: 'advance',
      watermarkField: 'upTo',
      alignment: { group: 'all', maxDriftMs: 60_000 },
    })
    expect(await eventTime('alignment: { maxDrift: 1m }')).toMatchObject({
      alignment: { group: 'default' },
    })
  })

  test('can be JSON', async () => {
    const manifest = await load(
      JSON.stringify({
        job: 'job.ts',
        sources: { a: { embedded: { stream: 'a', from: { sequence: 5 } } } },
        sinks: { t: { table: {} } },
        operators: { w: { onError: { deadLetterAfter: 3 } } },
      }),
    )
    expect(manifest.sources.get('a')?.input).toEqual({
      kind: 'embedded',
      stream: 'a',
      log: join(folder, '.millrace/log'),
      from: { after: 4 },
      to: 'now',
    })
    expect(manifest.sinks.get('t')).toEqual({ kind: 'table', per: 'key' })
    expect(manifest.operators.get('w')).toEqual({ onError: { deadLetterAfter: 3 } })
  })

  test.each([
    ['data/a.csv.gz', 'csv'],
    ['data/*.jsonl', 'jsonl'],
    ['data/a.ndjson.gz', 'jsonl'],
    ['DATA.CSV', 'csv'],
  ])('knows the format of %s', async (path, format) => {
    const manifest = await load(HEAD.replace('data/ratings.csv', `"${path}"`))
    expect(manifest.sources.get('ratings')?.input).toMatchObject({ format })
  })

  test.each([
    ['start', 'start'],
    ['now', 'now'],
    ['{ sequence: 1 }', { after: 0 }],
    ['{ time: 2026-01-31T08:30:00Z }', { time: Date.UTC(2026, 0, 31, 8, 30) }],
    ['{ time: 2026-01-31 }', { time: Date.UTC(2026, 0, 31) }],
  ])('begins to read a stream from %s', async (written, from) => {
    const manifest = await load(
      HEAD.replace(
        'file: { path: data/ratings.csv }',
        `jetstream: { stream: R, from: ${written} }`,
      ),
    )
    expect(manifest.sources.get('ratings')?.input).toMatchObject({ from })
  })

  test.each([
    ['{ stream: R }', 'own'],
    ['{ stream: R, shared: true }', 'shared'],
    ['{ stream: R, shared: true, chained: true }', 'sharedChained'],
  ])('a JetStream sink %s is written as %s', async (sink, writing) => {
    const manifest = await load(
      HEAD.replace('file: { path: out/latest.jsonl }', `jetstream: ${sink}`),
    )
    expect(manifest.sinks.get('latest')).toMatchObject({ writing })
  })
})

describe('a wrong manifest is refused with line and column', () => {
  test.each<[string, string, string]>([
    [
      'an unknown section',
      `${HEAD}comit: { every: 1s }\n`,
      "9:1 comit: unknown field; did you mean 'commit'?",
    ],
    [
      'an unknown field that is near to nothing',
      `${HEAD}checkpoint: 4\n`,
      '9:1 checkpoint: unknown field; known here: job, name, sources, sinks, deadLetter, state, commit, cache, restart, parallelism, processes, durability, snapshots, metrics, limits, operators, mode, followedBy, speed',
    ],
    [
      'an unknown field inside',
      HEAD.replace('field:', 'feild:'),
      "5:18 sources.ratings.eventTime.feild: unknown field; did you mean 'field'?",
    ],
    ['no job', HEAD.replace('job: ./job.ts\n', ''), '1:1 job: is missing; write a text'],
    [
      'snapshots at no place',
      `${HEAD}snapshots: { to: 5 }\n`,
      '9:18 snapshots.to: write a folder, or a section with jetstream or s3',
    ],
    [
      'snapshots in a bucket without keys',
      `${HEAD}snapshots: { to: { s3: { bucket: films, regoin: eu } } }\n`,
      "9:14 snapshots.to: s3.accessKeyId is missing; write a text; s3.secretAccessKey is missing; write a text; s3 unknown field; did you mean 'region'?",
    ],
    [
      'no sinks',
      HEAD.slice(0, HEAD.indexOf('sinks')),
      '1:1 sinks: is missing; write a section of named entries',
    ],
    [
      'sinks of nothing',
      `${HEAD.slice(0, HEAD.indexOf('sinks'))}sinks: {}\n`,
      '6:1 sinks: has none; name at least one',
    ],
    [
      'an empty section',
      `${HEAD}commit:\n`,
      '9:8 commit: is empty; write a section of fields, or remove it, or write {}',
    ],
    [
      'two kinds of source',
      HEAD.replace('eventTime', 'embedded: { stream: a }\n    eventTime'),
      '3:3 sources.ratings: a source needs exactly one of file, embedded, jetstream, generator; this one has file and embedded',
    ],
    [
      'no kind of sink',
      HEAD.replace('file: { path: out/latest.jsonl }', '{}'),
      '7:3 sinks.latest: a sink needs exactly one of file, embedded, jetstream, table, console; this one has none',
    ],
    [
      'two ways to dead letters',
      `${HEAD}deadLetter: { file: { path: a.jsonl }, embedded: { stream: a } }\n`,
      '9:1 deadLetter: deadLetter needs exactly one of file, embedded, jetstream; this one has file and embedded',
    ],
    [
      'a duration without a unit',
      `${HEAD}commit: { every: "100" }\n`,
      `9:18 commit.every: "100" cannot be read; write a number with a unit, as in '500ms', '1s', '5m', '2h' or '7d'`,
    ],
    [
      'a duration out of range',
      `${HEAD}commit: { every: 2h }\n`,
      '9:18 commit.every: "2h" is out of range; at least 1ms and at most 1h',
    ],
    [
      'a negative duration',
      HEAD.replace('unit: s', 'outOfOrder: -1s'),
      '5:48 sources.ratings.eventTime.outOfOrder: "-1s" is out of range; not negative',
    ],
    [
      'a size that is none',
      `${HEAD}cache: { bytes: lots }\n`,
      `9:17 cache.bytes: "lots" cannot be read; write a number with a unit, as in '512kB', '64MB' or '1GiB'`,
    ],
    [
      'keys longer than can be kept',
      `${HEAD}limits: { recordBytes: 1GB }\n`,
      '9:24 limits.recordBytes: "1GB" is out of range; at least 1B and at most 512MB',
    ],
    [
      'a count below one',
      `${HEAD}commit: { records: 0 }\n`,
      '9:20 commit.records: is too small; write at least 1',
    ],
    [
      'a fraction where a count belongs',
      `${HEAD}cache: { entries: 1.5 }\n`,
      '9:19 cache.entries: is a number; write a whole number',
    ],
    [
      'a choice',
      `${HEAD}mode: bacth\n`,
      `9:7 mode: "bacth" is not known here; did you mean 'batch'?`,
    ],
    [
      'a durability that is not built',
      `${HEAD}durability: replicated\n`,
      '9:13 durability: "replicated" is not known here; write local',
    ],
    [
      'a number where a text belongs',
      HEAD.replace('./job.ts', '17'),
      '1:6 job: is a whole number; write a text (in quotes)',
    ],
    [
      'a list where a section belongs',
      `${HEAD}restart: [1]\n`,
      '9:1 restart: is a list; write a section of fields',
    ],
    [
      'a delay longer than the longest',
      `${HEAD}restart: { delay: 2m }\n`,
      '9:1 restart: delay is longer than delayMax; make delayMax at least as long',
    ],
    [
      'a file of unknown format',
      HEAD.replace('ratings.csv', 'ratings.txt'),
      '4:19 sources.ratings.file.path: does not end in .csv or .jsonl, so its format is unknown; write format: csv or format: jsonl',
    ],
    [
      'results that would be packed',
      HEAD.replace('latest.jsonl', 'latest.jsonl.gz'),
      '8:19 sinks.latest.file.path: ends in .gz, but results are not packed; leave .gz out',
    ],
    [
      'a field and the log as event time',
      HEAD.replace('unit: s', 'from: log'),
      '5:5 sources.ratings.eventTime: has field and from; a record has one event time, so use one of them',
    ],
    [
      'a bound where no record is behind',
      HEAD.replace('unit: s', 'order: monotonous, outOfOrder: 1s'),
      '5:5 sources.ratings.eventTime: has outOfOrder, and with order: monotonous no record is behind another; remove one of them',
    ],
    [
      'memory to sort in where nothing is sorted',
      HEAD.replace('unit: s', 'sort: { memory: 1MB }'),
      '5:5 sources.ratings.eventTime: has sort, which is for order: sorted; remove it, or write order: sorted',
    ],
    [
      'a log that is to be sorted',
      HEAD.replace('file: { path: data/ratings.csv }', 'embedded: { stream: a }').replace(
        'unit: s',
        'order: sorted',
      ),
      '3:3 sources.ratings: has order: sorted, which is for files; use ordered or unordered',
    ],
    [
      'a followed file that is to be sorted',
      HEAD.replace('ratings.csv }', 'ratings.csv, follow: true }').replace(
        'unit: s',
        'order: sorted',
      ),
      '3:3 sources.ratings: has order: sorted and a file that is followed; it has no end to sort up to',
    ],
    [
      'too little memory to sort in',
      HEAD.replace('unit: s', 'order: sorted, sort: { memory: 1kB }'),
      '5:67 sources.ratings.eventTime.sort.memory: "1kB" is out of range; at least 1MB',
    ],
    [
      'a drift of nothing',
      HEAD.replace('unit: s', 'alignment: { maxDrift: 0ms }'),
      '5:59 sources.ratings.eventTime.alignment.maxDrift: "0ms" is out of range; at least 1ms',
    ],
    [
      'an alignment without a drift',
      HEAD.replace('unit: s', 'alignment: { group: all }'),
      `5:36 sources.ratings.eventTime.alignment.maxDrift: write a number with a unit, as in '500ms', '1s', '5m', '2h' or '7d'`,
    ],
    [
      'a name with a dot',
      HEAD.replace('latest:', 'la.test:'),
      '7:3 sinks.la.test: is not a name; use up to 64 letters, digits, _ and -',
    ],
    [
      'a stream with a wildcard',
      HEAD.replace('file: { path: out/latest.jsonl }', 'embedded: { stream: "a.>" }'),
      '8:25 sinks.latest.embedded.stream: is not a stream name; leave out spaces and . * > / \\',
    ],
    [
      'a user without a password',
      HEAD.replace('file: { path: out/latest.jsonl }', 'jetstream: { stream: a, user: b }'),
      '8:5 sinks.latest.jetstream: user and password go together; write both or none',
    ],
    [
      'two ways to say who one is',
      HEAD.replace(
        'file: { path: out/latest.jsonl }',
        'jetstream: { stream: a, token: b, credentials: c }',
      ),
      '8:5 sinks.latest.jetstream: has credentials and token; use one of them',
    ],
    [
      'chained on a stream of its own',
      HEAD.replace('file: { path: out/latest.jsonl }', 'jetstream: { stream: a, chained: true }'),
      '8:5 sinks.latest.jetstream: chained is for shared streams; a stream of our own always is; remove it',
    ],
    [
      'a start that is none',
      HEAD.replace('file: { path: data/ratings.csv }', 'embedded: { stream: a, from: { seq: 1 } }'),
      `4:28 sources.ratings.embedded.from: write start, now, {sequence: 17} or {time: '2026-01-31T08:30:00Z'}`,
    ],
    [
      'a first time without a zone',
      HEAD.replace('unit: s', 'minTime: 2026-01-31T08:30'),
      '5:45 sources.ratings.eventTime.minTime: "2026-01-31T08:30" cannot be read; write a date, as in 2026-01-31 or 2026-01-31T08:30:00Z',
    ],
    [
      'a policy that is none',
      `${HEAD}operators: { w: { onError: ignore } }\n`,
      '9:28 operators.w.onError: write fail or {deadLetterAfter: 3}',
    ],
    [
      'metrics for everybody without a token',
      `${HEAD}metrics: { host: 0.0.0.0 }\n`,
      '9:1 metrics: 0.0.0.0 can be reached from other machines; write a token, or host: 127.0.0.1',
    ],
  ])('%s', async (_, text, line) => {
    expect(await problems(text)).toEqual([`jobs/m.yaml:${line}`])
  })

  test('all problems are told at once, in the order of the file', async () => {
    const text = `jobb: ./job.ts
sources:
  ratings:
    file: { path: x.csv, colums: {} }
    embedded: { stream: 'a b' }
    eventTime: { unit: sec, outOfOrder: 5x }
sinks:
  latest: { table: }
commit: { every: 2h, records: 0 }
mode: bacth
`
    const places = (await problems(text)).map((line) => line.split(': ', 1)[0])
    expect(places).toEqual([
      'jobs/m.yaml:1:1 job',
      'jobs/m.yaml:1:1 jobb',
      'jobs/m.yaml:3:3 sources.ratings',
      'jobs/m.yaml:4:26 sources.ratings.file.colums',
      'jobs/m.yaml:5:25 sources.ratings.embedded.stream',
      'jobs/m.yaml:6:24 sources.ratings.eventTime.unit',
      'jobs/m.yaml:6:41 sources.ratings.eventTime.outOfOrder',
      'jobs/m.yaml:8:20 sinks.latest.table',
      'jobs/m.yaml:9:18 commit.every',
      'jobs/m.yaml:9:31 commit.records',
      'jobs/m.yaml:10:7 mode',
    ])
  })

  test('a thousand problems are a hundred lines', async () => {
    const many = Array.from({ length: 1_000 }, (_, index) => `  s${index}: {}`).join('\n')
    const lines = await problems(`job: ./job.ts\nsources:\n${many}\nsinks: { a: { table: {} } }\n`)
    expect(lines).toHaveLength(101)
    expect(lines.at(-1)).toBe('and 900 more problems')
  })
})

describe('a file that is no manifest', () => {
  test('is not there', async () => {
    const loading = loadManifest('jobs/no.yaml', { env: {}, workingDir: folder })
    await expect(loading).rejects.toThrow(/^jobs\/no\.yaml does not exist; name a manifest/)
  })

  test('is larger than 1 MB', async () => {
    expect(await problems(`#${' '.repeat(1_000_000)}`)).toEqual([
      'jobs/m.yaml: is larger than 1 MB; this is not a manifest',
    ])
  })

  test('is endless', async () => {
    const loading = loadManifest('/dev/zero', { env: {}, workingDir: folder })
    await expect(loading).rejects.toThrow(/is larger than 1 MB/)
  })

  test('is not text', async () => {
    await put('jobs/b.yaml', new Uint8Array([0x6a, 0xff, 0xfe]))
    const loading = loadManifest('jobs/b.yaml', { env: {}, workingDir: folder })
    await expect(loading).rejects.toThrow('jobs/b.yaml: is not UTF-8 text; save it as UTF-8')
  })

  test.each([
    ['', /is empty; write a section of fields/],
    ['just a text', /is a text; write a section of fields/],
    ['[1, 2]', /is a list; write a section of fields/],
    ['job: [', /jobs\/m\.yaml:\d+:\d+/],
    [`${HEAD}__proto__: {}\n`, /9:1 __proto__: '__proto__' cannot be the name of a field/],
    [`${HEAD}job: ./other.ts\n`, /9:1 job: is there twice/],
    [`${HEAD}commit: !!js/regexp /a/\n`, /9:9: .*tag/i],
  ])('%j', async (text, message) => {
    expect((await problems(text)).join('\n')).toMatch(message)
  })
})

describe('${env:NAME}', () => {
  const sink = 'jetstream: { stream: a, user: me, password: "x${env:PASSWORD}y" }'
  const text = HEAD.replace('file: { path: out/latest.jsonl }', sink)

  test('is replaced inside of a text, and what it holds is taken as it is', async () => {
    const manifest = await load(text, { env: { PASSWORD: '}: [${env:HOME} *' } })
    expect(manifest.sinks.get('latest')).toMatchObject({
      connection: { password: 'x}: [${env:HOME} *y' },
    })
  })

  test('of a name that is not set is a problem, at its place', async () => {
    expect(await problems(text)).toEqual([
      'jobs/m.yaml:8:49 sinks.latest.jetstream.password: the environment has no PASSWORD; set it, or take ${env:PASSWORD} out',
    ])
  })

  test('does not reach into JavaScript', async () => {
    expect(await problems(text.replace('PASSWORD', 'constructor'))).toHaveLength(1)
  })
})

describe('--set', () => {
  test('overrides a field, makes missing sections, reads JSON where it is JSON', async () => {
    const manifest = await load(HEAD, {
      set: [
        'commit.every=1s',
        'cache.entries=5',
        'operators.w={"onError":{"deadLetterAfter":2}}',
        'sources.ratings.eventTime.order=ordered',
        'sources.ratings.file.columns.title=string',
        'mode="batch"',
      ],
    })
    expect(manifest.commit.everyMs).toBe(1_000)
    expect(manifest.cache.entriesMax).toBe(5)
    expect(manifest.operators.get('w')).toEqual({ onError: { deadLetterAfter: 2 } })
    expect(manifest.sources.get('ratings')).toMatchObject({
      eventTime: { order: 'ordered' },
      input: { textColumns: ['title'] },
    })
    expect(manifest.mode).toBe('batch')
  })

  test('the last of two counts', async () => {
    const manifest = await load(HEAD, { set: ['commit.every=1s', 'commit.every=2s'] })
    expect(manifest.commit.everyMs).toBe(2_000)
  })

  test('null removes a field, so that a sink can become another', async () => {
    const manifest = await load(HEAD, { set: ['sinks.latest.file=null', 'sinks.latest.table={}'] })
    expect(manifest.sinks.get('latest')).toEqual({ kind: 'table', per: 'key' })
  })

  test.each([
    ['comit.every=1s', "--set comit.every comit: unknown field; did you mean 'commit'?"],
    ['commit.evry=1s', "--set commit.evry: unknown field; did you mean 'every'?"],
    ['commit.every=soon', /^--set commit\.every: "soon" cannot be read/],
    ['commit.every', '--set commit.every: has no value; write it as in --set commit.every=1s'],
    ['commit..every=1s', /^--set commit\.\.every: has an empty name/],
    ['=1', /^--set : has an empty name/],
    ['job.x=1', "--set job.x: 'job' is not a section, so nothing in it can be set"],
    ['__proto__.polluted=1', /^--set __proto__\.polluted: '__proto__' cannot be/],
    ['operators={"constructor":{}}', /^--set operators: 'constructor' cannot be/],
    ['sinks.b.file.path=x', /^--set sinks\.b\.file\.path: does not end in \.csv/],
  ])('%s', async (setting, line) => {
    const lines = await problems(HEAD, { set: [setting] })
    expect(lines[0]).toMatch(line)
    expect(lines).toHaveLength(1)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('paths', () => {
  test('in the file are relative to it, in --set to the working directory', async () => {
    const manifest = await load(`${HEAD}state: ../state\n`, {
      set: ['sinks.latest.file.path=o.jsonl', 'deadLetter.file={"path":"dead.jsonl"}'],
    })
    expect(manifest.sources.get('ratings')?.input).toMatchObject({
      path: join(folder, 'jobs/data/ratings.csv'),
    })
    expect(manifest.sinks.get('latest')).toMatchObject({ path: join(folder, 'o.jsonl') })
    expect(manifest.deadLetter).toMatchObject({ path: join(folder, 'dead.jsonl') })
    expect(manifest.state).toBe(join(folder, 'state'))
  })

  test('that are absolute stay', async () => {
    const manifest = await load(HEAD.replace('data/ratings.csv', '/data/ratings.csv'))
    expect(manifest.sources.get('ratings')?.input).toMatchObject({ path: '/data/ratings.csv' })
  })

  test('a log folder is relative to the manifest, its default to the working directory', async () => {
    const both = `job: ./job.ts
sources: { a: { embedded: { stream: a, log: ../log } } }
sinks: { b: { embedded: { stream: b } } }
`
    const manifest = await load(both)
    expect(manifest.sources.get('a')?.input).toMatchObject({ log: join(folder, 'log') })
    expect(manifest.sinks.get('b')).toMatchObject({ log: join(folder, '.millrace/log') })
  })

  test('a module that is not there', async () => {
    expect(await problems(HEAD.replace('job.ts', 'nojob.ts'))).toEqual([
      `jobs/m.yaml:1:6 job: there is no file ${join(folder, 'jobs/nojob.ts')}`,
    ])
  })

  test('a module outside of the folder is refused, also behind a link and by --set', async () => {
    await put('outside.ts', '')
    await symlink('../outside.ts', join(folder, 'jobs/link.ts'))
    const outside = /job: .*outside\.ts is outside the manifest's folder .*; move it there$/
    expect((await problems(HEAD.replace('./job.ts', '../outside.ts')))[0]).toMatch(outside)
    expect((await problems(HEAD.replace('./job.ts', 'link.ts')))[0]).toMatch(outside)
    expect((await problems(HEAD, { set: ['job=outside.ts'] }))[0]).toMatch(outside)
  })

  test('a generator outside of the folder is refused', async () => {
    await put('generate.ts', '')
    const text = HEAD.replace(
      'file: { path: data/ratings.csv }',
      'generator: { module: ../generate.ts }',
    )
    expect((await problems(text))[0]).toMatch(
      /4:26 sources\.ratings\.generator\.module: .* is outside/,
    )
  })

  test('a module in a folder whose name begins with dots is inside', async () => {
    await put('jobs/..hidden/job.ts', '')
    await expect(load(HEAD.replace('./job.ts', '..hidden/job.ts'))).resolves.toBeDefined()
  })
})
