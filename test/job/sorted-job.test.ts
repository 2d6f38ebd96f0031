/** A grouped file, sorted before it is read, replays as it once streamed. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { loadManifest } from '../../config/load-manifest.ts'
import latestRating from '../../jobs/latest-rating.ts'
import { generateRatings } from '../../jobs/ratings-generator.ts'
import { type JobSummary, type RunningJob, startJob } from '../../runtime/job/run-job.ts'
import { differences, latestRatings } from '../crash/expected.ts'
import { csvOfRatings } from '../crash/ratings.ts'
import { until } from '../support/jetstream.ts'

const PATIENCE_MS = 60_000
const MANIFEST = fileURLToPath(new URL('../../jobs/latest-rating.yaml', import.meta.url))
const SORTED = 'sources.ratings.eventTime.order=sorted'

const folder = mkdtempSync(join(tmpdir(), 'millrace-sorted-job-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const streamed = [...generateRatings({ ratings: 30_000, seed: 11, brokenShare: 0 })]
  .filter((item) => typeof item !== 'string')
  .toSorted((a, b) => a.timestamp - b.timestamp)
const grouped = streamed.toSorted((a, b) => a.userId - b.userId)

const pathOf = (name: string): string => join(folder, name)
writeFileSync(pathOf('streamed.csv'), csvOfRatings(streamed))
writeFileSync(pathOf('grouped.csv'), csvOfRatings(grouped))
const BROKEN = ['1,2,3', 'x,2,3,9', '7,7,7,']
writeFileSync(pathOf('broken.csv'), `${csvOfRatings(grouped)}${BROKEN.join('\n')}\n`)

async function start(name: string, input: string, set: readonly string[]): Promise<RunningJob> {
  const { manifest } = await loadManifest(MANIFEST, {
    env: {},
    set: [
      `sources.ratings.file.path=${pathOf(input)}`,
      `sinks.latest.file.path=${pathOf(`${name}.jsonl`)}`,
      ...set,
    ],
  })
  const silent = (): void => undefined
  return startJob({
    manifest,
    definition: latestRating,
    stateDir: pathOf(name),
    mode: 'batch',
    overwrite: false,
    log: { info: silent, warn: silent, error: silent },
  })
}

const run = async (name: string, input: string, set: readonly string[]): Promise<JobSummary> =>
  (await start(name, input, set)).done

const linesOf = (path: string): string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
const resultsOf = (name: string): string[] => linesOf(pathOf(`${name}.jsonl`))

describe('a grouped file that is sorted', { timeout: PATIENCE_MS }, () => {
  test('gives the results of the stream it once was, and in their order', async () => {
    const asStreamed = await run('streamed', 'streamed.csv', [
      'sources.ratings.eventTime={"field":"timestamp","unit":"s","order":"monotonous"}',
    ])
    expect(asStreamed).toMatchObject({ records: 30_000, late: 0, deadLettered: 0 })
    const sorted = await run('sorted', 'grouped.csv', [
      SORTED,
      'sources.ratings.eventTime.sort.memory=1MB',
    ])
    expect(sorted).toMatchObject({ records: 30_000, late: 0, deadLettered: 0, finished: true })
    expect(resultsOf('sorted').toSorted()).toEqual(resultsOf('streamed').toSorted())
    expect(differences(resultsOf('sorted'), latestRatings(grouped))).toEqual([])
    const ends = resultsOf('sorted').map((line) => (JSON.parse(line) as WindowRow).windowEnd)
    expect(ends).toEqual(ends.toSorted((a, b) => a - b))
    expect(sorted.bounds).toMatchObject([{ source: 'ratings', keepingAllMs: 0 }])
    expect(existsSync(pathOf('sorted/sort/ratings'))).toBe(false)
  })

  test('goes on behind what it had taken when it is stopped and started', async () => {
    const set = [SORTED, 'sources.ratings.eventTime.sort.memory=1MB', 'commit.records=500']
    for (let life = 1; ; life++) {
      expect(life).toBeLessThan(60)
      const job = await start('stopped', 'broken.csv', set)
      await until(() => job.progress().recordsRead > 2_000 || hasEnded(job), 'records', PATIENCE_MS)
      if (!hasEnded(job)) job.stop()
      if ((await job.done).finished) break
    }
    expect(differences(resultsOf('stopped'), latestRatings(grouped))).toEqual([])
    // Lines without a usable time come once, with where they stood.
    const letters = linesOf(pathOf('stopped/dead-letter.jsonl')).map(
      (line) => JSON.parse(line) as { readonly text: string; readonly place: string },
    )
    expect(letters.map(({ text, place }) => [text, place])).toEqual(
      BROKEN.map((text, i) => [text, `broken.csv:${30_002 + i}`]),
    )
  })
})

interface WindowRow {
  readonly windowEnd: number
}

const hasEnded = (job: RunningJob): boolean =>
  job.progress().state === 'finished' || job.progress().state === 'failed'

describe('late records', { timeout: PATIENCE_MS }, () => {
  test('tell the bound that would have kept them', async () => {
    const summary = await run('late', 'grouped.csv', [])
    expect(summary.late).toBeGreaterThan(1_000)
    const [bounds] = summary.bounds
    if (bounds === undefined) throw new Error('the source has bounds')
    expect(bounds.records).toBe(30_000)
    expect(bounds.keeping99Ms).toBeLessThanOrEqual(bounds.keeping999Ms)
    expect(bounds.keeping999Ms).toBeLessThanOrEqual(bounds.keepingAllMs)
    // With the bounds told, no more than the rest is behind; with the largest, nothing is.
    for (const [name, boundMs, lateMax] of [
      ['late-99', bounds.keeping99Ms, 300],
      ['late-999', bounds.keeping999Ms, 30],
      ['late-none', bounds.keepingAllMs, 0],
    ] as const) {
      const bounded = await run(name, 'grouped.csv', [
        `sources.ratings.eventTime.outOfOrder=${boundMs}ms`,
      ])
      expect(bounded.late).toBeLessThanOrEqual(lateMax)
    }
  })
})
