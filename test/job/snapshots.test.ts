/**
 * Snapshots in real processes: a job whose machine is gone goes on elsewhere from its newest snapshot, and its
 * results are those of a run in which nothing happened.
 */
import { spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { EXIT } from '../../runtime/cli/exit-codes.ts'
import { LmdbStore } from '../../runtime/state/lmdb-store.ts'
import { differences, latestRatings } from '../crash/expected.ts'
import { type TestInput, testInput } from '../crash/ratings.ts'
import { NatsServer } from '../support/nats-server.ts'
import { newSeed, randomFrom } from '../support/random.ts'
import { S3Server } from '../support/s3-server.ts'

const pathOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const MAIN = pathOf('dist/runtime/cli/main.js')
const JOB = pathOf('jobs/latest-rating.yaml')
const PROCESS_MS_MAX = 60_000
const PATIENCE_MS = 120_000
/** Also on a machine that has much else to do. */
const WAIT_MS_MAX = 40_000

const seed = newSeed()
const random = randomFrom(seed)
let root: string
let input: TestInput
let count = 0

beforeAll(async () => {
  console.log(`seed ${seed} (MILLRACE_SEED=${seed} repeats it)`)
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is not there: npm run build`)
  root = await mkdtemp(join(tmpdir(), 'millrace-snapshots-'))
  input = testInput(350_000, seed)
  await writeFile(join(root, 'ratings.jsonl'), input.lines.map((line) => `${line}\n`).join(''))
})
afterAll(() => rm(root, { recursive: true, force: true }))

interface Ended {
  readonly code: number | NodeJS.Signals
  readonly output: string
}

/** A job in a folder of its own. */
class Place {
  readonly folder = join(root, `place-${++count}`)
  readonly #children = new Set<ReturnType<typeof spawn>>()

  path(name: string): string {
    return join(this.folder, name)
  }

  get lines(): string[] {
    return readFileSync(this.path('out.jsonl'), 'utf8').trimEnd().split('\n')
  }

  get ids(): string[] {
    const folder = this.path('snapshots')
    if (!existsSync(folder)) return []
    return readdirSync(folder)
      .filter((id) => existsSync(join(folder, id, 'manifest.json')))
      .toSorted()
  }

  start(
    command: readonly string[],
    set: readonly string[] = [],
  ): {
    readonly kill: () => void
    readonly stop: () => void
    readonly output: () => string
    readonly ended: Promise<Ended>
  } {
    const settings = [
      `sources.ratings.file.path=${join(root, 'ratings.jsonl')}`,
      'sources.ratings.eventTime.order=ordered',
      `sinks.latest.file.path=${this.path('out.jsonl')}`,
      `snapshots.to=${this.path('snapshots')}`,
      'commit.records=2000',
      ...set,
    ]
    const [verb = '', ...rest] = command
    const words = ['run', 'stop'].includes(verb) ? [verb, JOB] : ['snapshot', verb, JOB]
    const child = spawn(
      process.execPath,
      [
        MAIN,
        ...words,
        ...rest,
        '--state',
        this.path('state'),
        ...settings.flatMap((setting) => ['--set', setting]),
        ...(verb === 'run' ? ['--mode', 'batch', '--quiet', '--log-level', 'info'] : []),
      ],
      { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    this.#children.add(child)
    let output = ''
    const read = (bytes: Buffer): void => void (output += bytes.toString())
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    const hangs = setTimeout(() => child.kill('SIGABRT'), PROCESS_MS_MAX)
    const ended = new Promise<Ended>((resolve) => {
      child.once('close', (code, signal) => {
        clearTimeout(hangs)
        this.#children.delete(child)
        resolve({ code: signal ?? code ?? -1, output })
      })
    })
    return {
      kill: () => child.kill('SIGKILL'),
      stop: () => child.kill('SIGTERM'),
      output: () => output,
      ended,
    }
  }

  run(command: readonly string[], set: readonly string[] = []): Promise<Ended> {
    return this.start(command, set).ended
  }

  end(): void {
    for (const child of this.#children) child.kill('SIGKILL')
  }
}

let place: Place
afterEach(() => place.end())

async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + WAIT_MS_MAX
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

const letters = (of: Place): number =>
  readFileSync(of.path('state/dead-letter.jsonl'), 'utf8').trimEnd().split('\n').length

/** Runs until there are some snapshots, then a little longer, and dies. */
async function liveAndDie(of: Place, snapshots: number, set: readonly string[]): Promise<void> {
  const life = of.start(['run'], set)
  await until(`there are ${snapshots} snapshots`, () => of.ids.length >= snapshots)
  await new Promise((resolve) => setTimeout(resolve, random() * 150))
  life.kill()
  expect((await life.ended).code).toBe('SIGKILL')
}

describe('a job with snapshots', { timeout: PATIENCE_MS }, () => {
  test('whose state is lost goes on from the newest one, with the same results', async () => {
    place = new Place()
    await liveAndDie(place, 2, ['snapshots.every=30ms'])
    const partly = place.lines.length
    rmSync(place.path('state'), { recursive: true })
    const { code, output } = await place.run(['run'])
    expect([code, output]).toEqual([EXIT.ok, expect.stringContaining('was restored from snapshot')])
    expect(partly).toBeLessThan(place.lines.length)
    expect(differences(place.lines, latestRatings(input.ratings))).toEqual([])
    expect(letters(place)).toBe(input.brokenCount)
  })

  test('goes on elsewhere from each one that is kept, its file carried along', async () => {
    const source = new Place()
    place = source
    await liveAndDie(source, 2, ['snapshots.every=30ms', 'snapshots.keep=50'])
    const { ids } = source
    for (const [id, results] of [
      [ids[0], 'resume'],
      [ids.at(-1), 'again'],
    ] as const) {
      place = new Place()
      cpSync(source.path('out.jsonl'), place.path('out.jsonl'))
      const copied = await source.run(['copy', id ?? '', '--to', place.path('snapshots')])
      expect(copied.code).toBe(EXIT.ok)
      const flags = ['--restore', id ?? '', '--results', results]
      const { code, output } = await place.run(['run', ...flags])
      expect([code, output]).toEqual([EXIT.ok, expect.stringContaining(id ?? '')])
      expect(differences(place.lines, latestRatings(input.ratings))).toEqual([])
      expect(letters(place)).toBe(input.brokenCount)
    }
  })

  test('ended again and again within increments leaves whole ones, each of which all goes on from', async () => {
    place = new Place()
    const set = ['snapshots.every=15ms', 'snapshots.keep=50', 'commit.records=500']
    for (let round = 0; round < 6; round++) {
      const life = place.start(['run'], set)
      const begun = (): string[] =>
        existsSync(place.path('snapshots')) ? readdirSync(place.path('snapshots')) : []
      let isOver = false
      void life.ended.then(() => (isOver = true))
      const isBegun = (): boolean => begun().some((id) => !place.ids.includes(id))
      await until(
        'two were taken, or all is done',
        () => isOver || life.output().split('was taken').length > 2,
      )
      await until('one is begun, or all is done', () => isOver || isBegun())
      if (round % 2 === 0) life.kill()
      else life.stop()
      const { code } = await life.ended
      if (!isOver && round % 2 === 1) expect(code).toBe(EXIT.ok)
    }
    const verified = await place.run(['verify'])
    expect([verified.code, verified.output]).toEqual([EXIT.ok, expect.anything()])
    const ids = place.ids
    for (const id of [ids.at(-1), ids[Math.floor(random() * ids.length)]]) {
      const other = new Place()
      cpSync(place.path('snapshots'), other.path('snapshots'), { recursive: true })
      cpSync(place.path('out.jsonl'), other.path('out.jsonl'))
      const { code, output } = await other.run(['run', '--restore', id ?? ''])
      expect([code, output]).toEqual([EXIT.ok, expect.anything()])
      expect(differences(other.lines, latestRatings(input.ratings))).toEqual([])
    }
  })

  test('killed again and again, within snapshots too, leaves whole ones and torn ones that go away', async () => {
    place = new Place()
    const set = ['snapshots.every=30ms', 'snapshots.keep=2']
    for (let round = 0; round < 4; round++) {
      const life = place.start(['run'], set)
      const begun = (): string[] =>
        existsSync(place.path('snapshots')) ? readdirSync(place.path('snapshots')) : []
      const before = begun()
      let isOver = false
      void life.ended.then(() => (isOver = true))
      // A folder that is new is one that is being filled.
      const isBegun = (): boolean => begun().some((id) => !before.includes(id))
      await until('a snapshot is begun, or all is done', () => isOver || isBegun())
      await new Promise((resolve) => setTimeout(resolve, random() * 20))
      life.kill()
      await life.ended
      const verified = await place.run(['verify'])
      expect(verified.code, verified.output).toBe(EXIT.ok)
      // Without a whole one there is nothing to go on from.
      if (place.ids.length > 0) rmSync(place.path('state'), { recursive: true })
    }
    const { code, output } = await place.run(['run'], set)
    expect([code, output]).toEqual([EXIT.ok, expect.anything()])
    expect(differences(place.lines, latestRatings(input.ratings))).toEqual([])
    await place.run(['create'])
    expect(readdirSync(place.path('snapshots')).toSorted()).toEqual(place.ids)
    // Two chains of nine, and the one that was asked for.
    expect(place.ids.length).toBeLessThanOrEqual(19)
  })

  test('takes one when it is asked to, running or not, and lists, shows and removes them', async () => {
    place = new Place()
    const life = place.start(['run'], ['commit.records=50'])
    await until('it runs', () => existsSync(place.path('state/run.json')))
    const created = await place.run(['create'])
    expect([created.code, created.output]).toEqual([EXIT.ok, expect.stringContaining('epoch')])
    expect((await life.ended).code).toBe(EXIT.ok)
    expect((await place.run(['create'])).output).toMatch(/^latest-rating\./)
    expect((await place.run(['create'])).output).toMatch(/nothing has changed/)
    const [older = '', newer = ''] = place.ids
    const listed = await place.run(['ls'])
    expect(listed.output.split('\n').map((line) => line.split(' ')[0])).toEqual([newer, older, ''])
    const shown = JSON.parse((await place.run(['inspect', 'latest'])).output) as { id: string }
    expect(shown.id).toBe(newer)
    const refused = await place.run(['rm', older])
    expect([refused.code, refused.output]).toEqual([EXIT.state, expect.stringContaining(newer)])
    for (const id of [newer, older]) expect((await place.run(['rm', id])).code).toBe(EXIT.ok)
    expect(place.ids).toEqual([])
    expect((await place.run(['rm', older])).code).toBe(EXIT.state)
  })

  test('whose snapshot folder goes away goes on, says so, and takes one when it is back', async () => {
    place = new Place()
    const life = place.start(['run'], ['snapshots.every=30ms'])
    await until('there is a snapshot', () => place.ids.length > 0)
    const taken = (): number => life.output().split('a snapshot was taken').length
    renameSync(place.path('snapshots'), place.path('away'))
    writeFileSync(place.path('snapshots'), 'no folder')
    await until('one failed', () => life.output().includes('the job goes on without'))
    rmSync(place.path('snapshots'))
    renameSync(place.path('away'), place.path('snapshots'))
    const before = taken()
    await until('another was taken', () => taken() > before)
    expect((await life.ended).code).toBe(EXIT.ok)
    expect(differences(place.lines, latestRatings(input.ratings))).toEqual([])
  })

  test('does not start afresh while nobody can tell whether there are snapshots', async () => {
    place = new Place()
    writeFileSync(join(root, 'no-folder'), '')
    const { code, output } = await place.run(
      ['run'],
      [`snapshots.to=${join(root, 'no-folder', 'x')}`],
    )
    expect([code, output]).toEqual([EXIT.unavailable, expect.stringContaining('cannot be read')])
  })
})

describe('a job whose tasks run in two processes', { timeout: PATIENCE_MS }, () => {
  const inOne = ['parallelism=3']
  const inTwo = [...inOne, 'processes=2']

  /** In a folder that is empty but for what is out. */
  async function goesOn(source: Place, id: string, set: readonly string[]): Promise<void> {
    place = new Place()
    cpSync(source.path('snapshots'), place.path('snapshots'), { recursive: true })
    cpSync(source.path('out.jsonl'), place.path('out.jsonl'))
    // Results of several tasks come in another order each time: the file is cut back to the snapshot.
    const flags = ['--restore', id, '--results', 'again']
    const { code, output } = await place.run(['run', ...flags], set)
    expect([code, output]).toEqual([EXIT.ok, expect.stringContaining(id)])
    expect(differences(place.lines, latestRatings(input.ratings))).toEqual([])
    expect(letters(place)).toBe(input.brokenCount)
  }

  test('takes them in time, and goes on from them in as many and in one', async () => {
    const source = new Place()
    place = source
    await liveAndDie(source, 3, [...inTwo, 'snapshots.every=30ms', 'snapshots.keep=50'])
    const { ids } = source
    await goesOn(source, ids[0] ?? '', inTwo)
    await goesOn(source, ids.at(-1) ?? '', inTwo)
    await goesOn(source, ids.at(-1) ?? '', inOne)
  })

  test('takes one when it is asked to while it runs, and goes on from it in as many and in one', async () => {
    const source = new Place()
    place = source
    const life = source.start(['run'], [...inTwo, 'commit.records=50'])
    await until(
      'there are results',
      () => existsSync(source.path('out.jsonl')) && source.lines.length > 100,
    )
    const created = await source.run(['create'], inTwo)
    expect([created.code, created.output]).toEqual([EXIT.ok, expect.stringContaining('epoch')])
    life.kill()
    expect((await life.ended).code).toBe('SIGKILL')
    const [id = ''] = source.ids
    await goesOn(source, id, inTwo)
    await goesOn(source, id, inOne)
  })
})

describe('stop', { timeout: PATIENCE_MS }, () => {
  const slowly = ['commit.records=50']
  const running = async (set: readonly string[] = []): Promise<ReturnType<Place['start']>> => {
    const life = place.start(['run'], [...slowly, ...set])
    await until(
      'there are results',
      () => existsSync(place.path('out.jsonl')) && place.lines.length > 100,
    )
    return life
  }
  /** What is on its way in the state that a job has left: rows for sinks and between tasks. */
  const onItsWay = async (): Promise<number> => {
    let rows = 0
    for (const name of readdirSync(place.path('state')).filter((each) =>
      each.startsWith('task-'),
    )) {
      const store = new LmdbStore(join(place.path('state'), name), { readOnly: true })
      rows += store.count('outbox')
      await store.close()
    }
    return rows
  }

  test.each([
    ['--snapshot', 1, 1],
    ['--drain', 1, 1],
    ['--drain', 3, 1],
    ['--snapshot', 3, 2],
    ['--drain', 3, 2],
  ])(
    '%s, with parallelism %i in %i processes, leaves a snapshot from which all goes on',
    async (flag, tasks, processes) => {
      place = new Place()
      const set = [`parallelism=${tasks}`, `processes=${processes}`]
      const life = await running(set)
      const stopped = await place.run(['stop', flag], set)
      expect([stopped.code, stopped.output]).toEqual([
        EXIT.ok,
        expect.stringMatching(/^stopped\nlatest-rating\..* epoch /),
      ])
      expect((await life.ended).code).toBe(EXIT.ok)
      if (flag === '--drain') expect(await onItsWay()).toBe(0)
      expect((await place.run(['create'], set)).output).toMatch(/nothing has changed/)
      const results = place.lines.length
      expect(results).toBeLessThan(latestRatings(input.ratings).length)
      rmSync(place.path('state'), { recursive: true })
      const { code, output } = await place.run(['run'], set)
      expect([code, output]).toEqual([EXIT.ok, expect.stringContaining('was restored from')])
      expect(differences(place.lines, latestRatings(input.ratings))).toEqual([])
      expect(letters(place)).toBe(input.brokenCount)
    },
  )

  test('says so when nothing runs, and stops nothing when a snapshot has no place to be in', async () => {
    place = new Place()
    expect((await place.run(['stop'])).code).toBe(EXIT.state)
    const life = await running()
    const refused = await place.run(['stop', '--drain'], ['snapshots.to={}'])
    expect([refused.code, refused.output]).toEqual([
      EXIT.configuration,
      expect.stringMatching(/snapshots/),
    ])
    const stopped = await place.run(['stop'])
    expect([stopped.code, stopped.output]).toEqual([EXIT.ok, 'stopped\n'])
    expect((await life.ended).code).toBe(EXIT.ok)
    expect(place.ids).toEqual([])
  })
})

describe('a job whose snapshots are', { timeout: PATIENCE_MS }, () => {
  let s3: S3Server
  let nats: NatsServer
  beforeAll(async () => {
    s3 = await S3Server.start()
    nats = await NatsServer.start()
  })
  afterAll(async () => {
    await s3.stop()
    await nats.remove()
  })

  const places = {
    'in a bucket': () => ({ s3: { ...s3.options, prefix: 'tests/' } }),
    'in a stream': () => ({ jetstream: { servers: nats.url, stream: 'SNAPSHOTS' } }),
  } as const

  test.each(['in a bucket', 'in a stream'] as const)(
    '%s goes on elsewhere from the newest one, an increment',
    async (where) => {
      place = new Place()
      const to = [`snapshots.to=${JSON.stringify(places[where]())}`]
      const life = place.start(['run'], [...to, 'snapshots.every=30ms', 'snapshots.keep=50'])
      const taken = (): number => life.output().split('a snapshot was taken').length - 1
      await until('there are three snapshots', () => taken() >= 3)
      life.kill()
      await life.ended
      const listed = await place.run(['ls'], to)
      expect([listed.code, listed.output]).toEqual([EXIT.ok, expect.stringMatching(/  on latest-/)])
      const verified = await place.run(['verify'], to)
      expect([verified.code, verified.output]).toEqual([
        EXIT.ok,
        expect.stringMatching(/ whole\n$/),
      ])
      rmSync(place.path('state'), { recursive: true })
      const { code, output } = await place.run(['run'], to)
      expect([code, output]).toEqual([EXIT.ok, expect.stringContaining('was restored from')])
      expect(differences(place.lines, latestRatings(input.ratings))).toEqual([])
    },
  )

  test('in a bucket that is away goes on, says so, and takes one when it is back', async () => {
    place = new Place()
    const to = [`snapshots.to=${JSON.stringify(places['in a bucket']())}`]
    const other = ['name=away', ...to, 'snapshots.every=30ms']
    s3.problem = { status: 507, code: 'InsufficientStorage' }
    try {
      // Nobody can tell whether there are snapshots: that is for the one who starts it to say.
      const life = place.start(['run', '--restore', 'none'], other)
      await until('one failed', () => life.output().includes('the job goes on without'))
      s3.problem = undefined
      await until('one was taken', () => life.output().includes('a snapshot was taken'))
      expect((await life.ended).code).toBe(EXIT.ok)
      expect(differences(place.lines, latestRatings(input.ratings))).toEqual([])
    } finally {
      s3.problem = undefined
    }
  })
})

describe('a restore', { timeout: PATIENCE_MS }, () => {
  const made = async (): Promise<Place> => {
    const of = new Place()
    await liveAndDie(of, 2, ['snapshots.every=30ms', 'snapshots.keep=50'])
    return of
  }
  const damage = (id: string, how: (path: string) => void): void =>
    how(place.path(`snapshots/${id}/task-0.000000`))

  test('passes over the newest when it is damaged, and says so', async () => {
    place = await made()
    const newest = place.ids.at(-1) ?? ''
    damage(newest, (path) => {
      const bytes = readFileSync(path)
      const at = Math.floor(random() * bytes.length)
      bytes[at] = (bytes[at] ?? 0) ^ 1
      writeFileSync(path, bytes)
    })
    rmSync(place.path('state'), { recursive: true })
    const { code, output } = await place.run(['run'])
    expect([code, output]).toEqual([EXIT.ok, expect.stringContaining('the one before is tried')])
    expect(differences(place.lines, latestRatings(input.ratings))).toEqual([])
    expect((await place.run(['verify'])).code).toBe(EXIT.state)
  })

  test('passes over all that stand on a damaged one, to the chain before, and says so of each', async () => {
    place = await made()
    const before = place.ids
    rmSync(place.path('state'), { recursive: true })
    // Another history begins with a snapshot that stands alone.
    await liveAndDie(place, before.length + 2, ['snapshots.every=30ms', 'snapshots.keep=50'])
    const spoilt = place.ids.filter((id) => !before.includes(id))
    damage(spoilt[0] ?? '', (path) => writeFileSync(path, readFileSync(path).subarray(0, -1)))
    rmSync(place.path('state'), { recursive: true })
    const { code, output } = await place.run(['run'])
    expect([code, output]).toEqual([EXIT.ok, expect.anything()])
    expect(output.split('the one before is tried').length - 1).toBe(spoilt.length)
    expect(output).toContain(`was restored from snapshot ${before.at(-1)}`)
    expect(differences(place.lines, latestRatings(input.ratings))).toEqual([])
  })

  test('of an increment is refused when what it stands on is gone', async () => {
    place = await made()
    const [first = '', second = ''] = place.ids
    rmSync(place.path('state'), { recursive: true })
    rmSync(place.path(`snapshots/${first}`), { recursive: true })
    const { code, output } = await place.run(['run', '--restore', second])
    expect([code, output]).toEqual([EXIT.state, expect.stringContaining(`stands on ${first}`)])
    expect(readdirSync(place.path('state'))).toEqual([])
  })

  test('of one that is named and damaged is refused, and leaves nothing behind', async () => {
    place = await made()
    const [id = ''] = place.ids
    damage(id, (path) => rmSync(path))
    rmSync(place.path('state'), { recursive: true })
    const { code, output } = await place.run(['run', '--restore', id])
    expect([code, output]).toEqual([EXIT.state, expect.stringMatching(/part .* is missing/)])
    expect(readdirSync(place.path('state'))).toEqual([])
  })

  test('into a folder with a state, or by two at once, is refused', async () => {
    place = await made()
    const [id = ''] = place.ids
    const held = await place.run(['run', '--restore', id])
    expect([held.code, held.output]).toEqual([EXIT.state, expect.stringMatching(/holds a state/)])
    rmSync(place.path('state'), { recursive: true })
    const both = await Promise.all([
      place.run(['run', '--restore', id]),
      place.run(['run', '--restore', id]),
    ])
    const codes = new Set(both.map(({ code }) => code))
    expect([codes, both]).toEqual([new Set([EXIT.ok, EXIT.state]), expect.anything()])
    expect(differences(place.lines, latestRatings(input.ratings))).toEqual([])
  })

  test('of another job is refused unless asked for by name', async () => {
    place = await made()
    const [id = ''] = place.ids
    rmSync(place.path('state'), { recursive: true })
    const other = ['name=other']
    const refused = await place.run(['run', '--restore', id], other)
    expect([refused.code, refused.output]).toEqual([
      EXIT.state,
      expect.stringMatching(/is of the job latest-rating, not of other.*--as other/),
    ])
    const { code, output } = await place.run(['run', '--restore', id, '--as', 'other'], other)
    expect([code, output]).toEqual([EXIT.ok, expect.anything()])
    expect(differences(place.lines, latestRatings(input.ratings))).toEqual([])
  })

  test('refuses a file that has less than the snapshot knows to be in it', async () => {
    place = await made()
    rmSync(place.path('state'), { recursive: true })
    rmSync(place.path('out.jsonl'))
    const { code, output } = await place.run(['run'])
    expect([code, output]).toEqual([EXIT.dataLoss, expect.stringMatching(/has 0 bytes, and had/)])
    expect(readdirSync(place.path('state'))).toEqual([])
  })
})
