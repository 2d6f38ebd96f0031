/**
 * The main job on real ratings: the folder in MILLRACE_DATA holds movielens-small/ratings.csv. Without
 * it the ratings are generated, and that is said.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { testJob } from 'millrace/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadManifest } from '../../config/load-manifest.ts'
import latestRating from '../../jobs/latest-rating.ts'
import { generateRatings } from '../../jobs/ratings-generator.ts'
import type { Rating } from '../../jobs/schemas.ts'
import { type RunningJob, startJob } from '../../runtime/job/run-job.ts'
import { differences, latestRatings } from '../crash/expected.ts'
import { closingRating, csvOfRatings, ratingsOfCsv } from '../crash/ratings.ts'
import { until } from '../support/jetstream.ts'

const PATIENCE_MS = 60_000
const MANIFEST = fileURLToPath(new URL('../../jobs/latest-rating.yaml', import.meta.url))
const GENERATED_RATINGS = 50_000
const folder = mkdtempSync(join(tmpdir(), 'millrace-latest-'))
let file: string
let ratings: readonly Rating[]

beforeAll(() => {
  const data = process.env['MILLRACE_DATA']
  const real = join(data ?? '', 'movielens-small', 'ratings.csv')
  if (data !== undefined && existsSync(real)) {
    file = real
  } else {
    console.warn(
      `THE REAL RATINGS ARE ABSENT (${data === undefined ? 'MILLRACE_DATA is not set' : `there is no ${real}`}): this test runs on generated ones.`,
    )
    file = join(folder, 'generated.csv')
    writeFileSync(file, csvOfRatings(generated()))
  }
  ratings = ratingsOfCsv(readFileSync(file, 'utf8'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Grouped by user and not in time order, as MovieLens' are. */
function generated(): Rating[] {
  const items = [...generateRatings({ ratings: GENERATED_RATINGS, seed: 7, brokenShare: 0 })]
  const made = items.filter((item) => typeof item !== 'string')
  return made.toSorted((a, b) => a.userId - b.userId)
}

async function start(
  name: string,
  mode: 'batch' | 'live',
  path: string,
  set: readonly string[],
): Promise<RunningJob> {
  const files = [
    `sources.ratings.file.path=${path}`,
    `sinks.latest.file.path=${join(folder, `${name}.jsonl`)}`,
  ]
  const { manifest } = await loadManifest(MANIFEST, { env: {}, set: [...files, ...set] })
  const silent = (): void => undefined
  return startJob({
    manifest,
    definition: latestRating,
    stateDir: join(folder, name),
    mode,
    overwrite: false,
    log: { info: silent, warn: silent, error: silent },
  })
}

const linesOf = (name: string): string[] => {
  const path = join(folder, `${name}.jsonl`)
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
}

test('of two ratings in the same second the later one wins, also over a crash', async () => {
  const t = await testJob(latestRating, { eventTime: { ratings: { unit: 's' } } })
  t.push('ratings', { userId: 1, movieId: 31, rating: 4, timestamp: 10 })
  t.push('ratings', { userId: 1, movieId: 29, rating: 5, timestamp: 10 })
  t.crash()
  t.advanceWatermark('ratings', 11_000)
  expect((await t.output('latest')).map((row) => row['movieId'])).toEqual([29])
})

test('gives what an independent computation gives', { timeout: PATIENCE_MS }, async () => {
  const job = await start('batch', 'batch', file, ['sources.ratings.eventTime.order=unordered'])
  const summary = await job.done
  const expected = latestRatings(ratings)
  expect(summary).toMatchObject({ records: ratings.length, late: 0, deadLettered: 0 })
  expect(summary.results).toBe(expected.length)
  expect(differences(linesOf('batch'), expected)).toEqual([])
})

test(
  'gives the same live as in batch, in the order of time',
  { timeout: PATIENCE_MS },
  async () => {
    const ordered = ratings.toSorted((a, b) => a.timestamp - b.timestamp)
    const path = join(folder, 'ordered.csv')
    // The last rating closes all windows before its own, which stays open while the job is live.
    writeFileSync(path, csvOfRatings([...ordered, closingRating(ordered)]))
    const live = await start('live', 'live', path, ['sources.ratings.file.follow=true'])
    const expected = latestRatings(ratings)
    await until(() => linesOf('live').length >= expected.length, 'all results', PATIENCE_MS)
    live.stop()
    expect(await live.done).toMatchObject({ finished: false, late: 0 })
    expect(differences(linesOf('live'), expected)).toEqual([])

    const batch = await start('ordered', 'batch', path, ['commit.records=777'])
    expect(await batch.done).toMatchObject({ finished: true, late: 0 })
    expect(linesOf('ordered').slice(0, -1)).toEqual(linesOf('live'))
    expect(linesOf('ordered')).toHaveLength(expected.length + 1)
  },
)
