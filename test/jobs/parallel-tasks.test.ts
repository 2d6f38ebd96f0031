/** Jobs run by several tasks, on real ratings where they are there. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadManifest } from '../../config/load-manifest.ts'
import latestRating from '../../jobs/latest-rating.ts'
import { generateRatings } from '../../jobs/ratings-generator.ts'
import type { Rating } from '../../jobs/schemas.ts'
import { type RunningJob, startJob } from '../../runtime/job/run-job.ts'
import { differences, latestRatings } from '../crash/expected.ts'
import { csvOfRatings, ratingsOfCsv } from '../crash/ratings.ts'

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
