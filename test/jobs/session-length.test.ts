/**
 * Sessions of ratings against an independent computation: by hand, random, and from files. The folder
 * in MILLRACE_DATA holds movielens-small/ratings.csv; without it the ratings are generated, and that
 * is said.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { testJob } from 'millrace/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadManifest } from '../../config/load-manifest.ts'
import { generateRatings } from '../../jobs/ratings-generator.ts'
import type { Rating } from '../../jobs/schemas.ts'
import { SeededRandom } from '../../jobs/seeded-random.ts'
import sessionLength from '../../jobs/session-length.ts'
import { type RunningJob, startJob } from '../../runtime/job/run-job.ts'
import { differences } from '../crash/expected.ts'
import { csvOfRatings, ratingsOfCsv } from '../crash/ratings.ts'
import { until } from '../support/jetstream.ts'

const GAP_SECONDS = 1_800
const PATIENCE_MS = 60_000
const MANIFEST = fileURLToPath(new URL('../../jobs/session-length.yaml', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'millrace-sessions-'))
let ratings: readonly Rating[]
let file: string

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

/** Days of few ratings, so that users have many sessions; grouped by user, as MovieLens' are. */
function generated(): Rating[] {
  const rare = { ratings: 30_000, seed: 7, users: 200, perSecond: 0.05, brokenShare: 0 }
  const made = [...generateRatings(rare)].filter((item) => typeof item !== 'string')
  return made.toSorted((a, b) => a.userId - b.userId)
}

/** A line for each session: each user's times in order, cut where too much lies between two. */
function sessionsOf(rated: Iterable<Rating>): string[] {
  const timesOf = new Map<number, number[]>()
  for (const { userId, timestamp } of rated) {
    timesOf.set(userId, [...(timesOf.get(userId) ?? []), timestamp])
  }
  return Array.from(timesOf).flatMap(([userId, times]) => {
    const sessions: number[][] = []
    for (const time of times.toSorted((a, b) => a - b)) {
      const last = sessions.at(-1)
      if (last !== undefined && time - (last.at(-1) ?? 0) <= GAP_SECONDS) last.push(time)
      else sessions.push([time])
    }
    return sessions.map((session) => {
      const [first = 0, last = 0] = [session[0], session.at(-1)].map((time) => Number(time) * 1_000)
      const lengthMs = last - first
      return JSON.stringify({ userId, start: first, end: last, lengthMs, records: session.length })
    })
  })
}

const at = (timestamp: number, userId = 1): Rating => ({
  userId,
  movieId: 31,
  rating: 4,
  timestamp,
})

async function start(
  name: string,
  mode: 'batch' | 'live',
  path: string,
  set: readonly string[],
): Promise<RunningJob> {
  const files = [
    `sources.ratings.file.path=${path}`,
    `sinks.sessions.file.path=${join(folder, `${name}.jsonl`)}`,
  ]
  const { manifest } = await loadManifest(MANIFEST, { env: {}, set: [...files, ...set] })
  const silent = (): void => undefined
  return startJob({
    manifest,
    definition: sessionLength,
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

test('a session lasts while at most half an hour passes, also over a crash', async () => {
  const t = await testJob(sessionLength, { eventTime: { ratings: { unit: 's' } } })
  t.push('ratings', at(0), at(1_000), at(2_800), at(4_601), at(0, 2))
  t.crash()
  t.endInput('ratings')
  expect(await t.output('sessions')).toEqual([
    { userId: 2, start: 0, end: 0, lengthMs: 0, records: 1 },
    { userId: 1, start: 0, end: 2_800_000, lengthMs: 2_800_000, records: 3 },
    { userId: 1, start: 4_601_000, end: 4_601_000, lengthMs: 0, records: 1 },
  ])
  expect(await t.state('sessions', 1)).toBeUndefined()
  await t.close()
})

test('a late rating between two sessions makes them one', async () => {
  const t = await testJob(sessionLength, { eventTime: { ratings: { unit: 's' } } })
  t.push('ratings', at(0), at(3_000))
  t.advanceWatermark('ratings', 1_799_000)
  t.kill()
  t.push('ratings', at(1_500))
  t.advanceWatermark('ratings', 5_000_000)
  expect(await t.output('sessions')).toEqual([
    { userId: 1, start: 0, end: 3_000_000, lengthMs: 3_000_000, records: 3 },
  ])
  await t.close()
})

test('random ratings in any order, with crashes between, give the sessions they have', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const random = new SeededRandom(seed)
    const rated = Array.from({ length: 300 }, () =>
      at(Math.floor(random.next() * 200) * 300, Math.floor(random.next() * 5)),
    )
    const t = await testJob(sessionLength, { eventTime: { ratings: { unit: 's' } } })
    for (let from = 0; from < rated.length; from += 50) {
      t.push('ratings', ...rated.slice(from, from + 50))
      if (random.next() < 0.5) t.crash()
      else t.reopen({ commit: { records: 7 }, cache: { entries: 2 } })
    }
    t.endInput('ratings')
    const lines = (await t.output('sessions')).map((line) => JSON.stringify(line))
    expect(differences(lines, sessionsOf(rated)), `seed ${seed}`).toEqual([])
    await t.close()
  }
})

test('a file, sorted or as it is, gives the same', { timeout: PATIENCE_MS }, async () => {
  const expected = sessionsOf(ratings)
  for (const order of ['sorted', 'unordered']) {
    const job = await start(order, 'batch', file, [`sources.ratings.eventTime.order=${order}`])
    expect(await job.done).toMatchObject({ records: ratings.length, late: 0, deadLettered: 0 })
    expect(differences(linesOf(order), expected), order).toEqual([])
  }
  const ends = linesOf('sorted').map((line) => (JSON.parse(line) as { end: number }).end)
  expect(ends).toEqual(ends.toSorted((a, b) => a - b))
})

test('gives the same live, in the order of time', { timeout: PATIENCE_MS }, async () => {
  const ordered = ratings.toSorted((a, b) => a.timestamp - b.timestamp)
  const newest = ordered.at(-1)?.timestamp ?? 0
  const path = join(folder, 'ordered.csv')
  // The last rating closes every session before it; its own stays open.
  writeFileSync(path, csvOfRatings([...ordered, at(newest + 2 * GAP_SECONDS, 0)]))
  const job = await start('live', 'live', path, [
    'sources.ratings.file.follow=true',
    'sources.ratings.eventTime.order=ordered',
  ])
  const expected = sessionsOf(ratings)
  await until(() => linesOf('live').length >= expected.length, 'all results', PATIENCE_MS)
  job.stop()
  expect(await job.done).toMatchObject({ finished: false, late: 0 })
  expect(differences(linesOf('live'), expected)).toEqual([])
})
