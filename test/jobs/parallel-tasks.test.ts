/** Jobs run by several tasks, on real ratings where they are there. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadManifest } from '../../config/load-manifest.ts'
import latestRating from '../../jobs/latest-rating.ts'
import { generateRatings } from '../../jobs/ratings-generator.ts'
import type { Rating } from '../../jobs/schemas.ts'
import { askJob } from '../../runtime/job/control-socket.ts'
import { type JobSummary, type RunningJob, startJob } from '../../runtime/job/run-job.ts'
import { differences, latestRatings } from '../crash/expected.ts'
import { csvOfRatings, ratingsOfCsv } from '../crash/ratings.ts'
import { until } from '../support/jetstream.ts'

const PATIENCE_MS = 60_000
const MANIFEST = fileURLToPath(new URL('../../jobs/latest-rating.yaml', import.meta.url))
const GENERATED_RATINGS = 50_000
const folder = mkdtempSync(join(tmpdir(), 'millrace-parallel-'))
let file: string
let ratings: readonly Rating[]

beforeAll(() => {
  const data = process.env['MILLRACE_DATA']
  const real = join(data ?? '', 'movielens-small', 'ratings.csv')
  if (data !== undefined && existsSync(real)) {
    file = real
  } else {
    console.warn(
      'THE REAL RATINGS ARE ABSENT (see MILLRACE_DATA): this test runs on generated ones.',
    )
    file = join(folder, 'generated.csv')
    writeFileSync(file, csvOfRatings(generated()))
  }
  ratings = ratingsOfCsv(readFileSync(file, 'utf8'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function generated(): Rating[] {
  const items = [...generateRatings({ ratings: GENERATED_RATINGS, seed: 7, brokenShare: 0 })]
  return items.filter((item) => typeof item !== 'string')
}

async function start(name: string, set: readonly string[]): Promise<RunningJob> {
  const files = [
    `sources.ratings.file.path=${file}`,
    `sinks.latest.file.path=${join(folder, `${name}.jsonl`)}`,
  ]
  const { manifest } = await loadManifest(MANIFEST, { env: {}, set: [...files, ...set] })
  const silent = (): void => undefined
  return startJob({
    manifest,
    definition: latestRating,
    stateDir: join(folder, name),
    mode: 'batch',
    overwrite: false,
    log: { info: silent, warn: silent, error: silent },
  })
}

const linesOf = (name: string): string[] => {
  const path = join(folder, `${name}.jsonl`)
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
}

test.each([2, 3, 8])(
  'with parallelism %i the results are those of an independent computation',
  { timeout: PATIENCE_MS },
  async (parallelism) => {
    const name = `p${parallelism}`
    const job = await start(name, [
      'sources.ratings.eventTime.order=unordered',
      `parallelism=${parallelism}`,
    ])
    const summary = await job.done
    const expected = latestRatings(ratings)
    expect(summary).toMatchObject({
      finished: true,
      records: ratings.length,
      late: 0,
      deadLettered: 0,
    })
    expect(summary.results).toBe(expected.length)
    expect(differences(linesOf(name), expected)).toEqual([])
  },
)

/** Runs until so many records are read, and stops. */
async function runUntil(
  name: string,
  records: number,
  set: readonly string[],
): Promise<JobSummary> {
  const job = await start(name, set)
  await until(() => job.progress().records >= records, `${records} records`, PATIENCE_MS)
  job.stop()
  return await job.done
}

describe.each([
  ['of open windows', 'unordered'],
  ['of time that goes on', 'ordered'],
])('a state %s', (_, order) => {
  test(
    'moves from one parallelism to another in the middle: 1 → 3 → 8 → 1',
    { timeout: PATIENCE_MS * 2 },
    async () => {
      const name = `moved-${order}`
      const ordered = ratings.toSorted((a, b) => a.timestamp - b.timestamp)
      const path = join(folder, 'ordered.csv')
      writeFileSync(path, csvOfRatings(order === 'ordered' ? ordered : ratings))
      const set = [
        `sources.ratings.eventTime.order=${order}`,
        `sources.ratings.file.path=${path}`,
        'commit.records=2000',
      ]
      const step = Math.floor(ratings.length / 4)
      let before = 0
      for (const [i, parallelism] of [1, 3, 8].entries()) {
        const summary = await runUntil(name, step * (i + 1), [...set, `parallelism=${parallelism}`])
        expect(summary).toMatchObject({ finished: false, late: 0 })
        expect(summary.records).toBeGreaterThan(before)
        before = summary.records
      }
      const job = await start(name, [...set, 'parallelism=1'])
      const summary = await job.done
      expect(summary).toMatchObject({
        finished: true,
        records: ratings.length,
        late: 0,
        deadLettered: 0,
      })
      expect(differences(linesOf(name), latestRatings(ratings))).toEqual([])
      expect(readdirSync(join(folder, name)).filter((at) => at.startsWith('task-'))).toEqual([
        'task-0',
      ])
    },
  )
})

test('a finished state that is moved is finished', { timeout: PATIENCE_MS }, async () => {
  const set = ['sources.ratings.eventTime.order=unordered']
  await (
    await start('done', [...set, 'parallelism=2'])
  ).done
  const lines = linesOf('done')
  const again = await (await start('done', [...set, 'parallelism=3'])).done
  expect(again).toMatchObject({ finished: true, alreadyFinished: true, records: ratings.length })
  expect(linesOf('done')).toEqual(lines)
})

test(
  'a snapshot taken while several tasks run starts again with as many, and with more',
  { timeout: PATIENCE_MS * 2 },
  async () => {
    const set = [
      'sources.ratings.eventTime.order=unordered',
      'commit.records=500',
      `snapshots.to=${join(folder, 'snapshots')}`,
    ]
    const job = await start('shot', [...set, 'parallelism=2'])
    const isTaken = async (): Promise<boolean> => {
      if (job.progress().records < ratings.length / 5) return false
      // While a task is still being opened there is nothing to take.
      const taken = await askJob(join(folder, 'shot'), 'snapshot').catch(() => undefined)
      return taken !== undefined
    }
    await until(isTaken, 'a snapshot', PATIENCE_MS)
    await job.done
    for (const parallelism of [2, 3]) {
      const name = `from-shot-${parallelism}`
      const summary = await (await start(name, [...set, `parallelism=${parallelism}`])).done
      expect(summary).toMatchObject({ finished: true, records: ratings.length })
      expect(differences(linesOf(name), latestRatings(ratings))).toEqual([])
    }
  },
)
