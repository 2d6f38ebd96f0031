/**
 * File → latest-rating → file in processes that are killed: the output and the dead letters are
 * those of an independent computation, nothing missing and nothing twice (I1 to I4).
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openStateReader } from '../../runtime/state/read-state.ts'
import { MOMENTS } from '../../runtime/task/task-parts.ts'
import { newSeed } from '../support/random.ts'
import { runThroughCrashes } from './crashes.ts'
import { differences, lastFilms, latestRatings } from './expected.ts'
import { type TestInput, testInput } from './ratings.ts'

const PATIENCE_MS = 120_000
const seed = newSeed()
let folder: string
let input: TestInput

beforeAll(async () => {
  console.log(`seed ${seed} (MILLRACE_SEED=${seed} repeats it)`)
  folder = await mkdtemp(join(tmpdir(), 'millrace-crash-'))
  input = testInput(40_000, seed)
  await writeFile(join(folder, 'ratings.jsonl'), input.lines.map((line) => `${line}\n`).join(''))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const linesOf = async (path: string): Promise<string[]> => {
  const text = await readFile(path, 'utf8')
  expect(text.endsWith('\n')).toBe(true)
  return text.slice(0, -1).split('\n')
}

const set = (name: string, order: 'ordered' | 'unordered'): string[] => [
  `sources.ratings.file.path=${join(folder, 'ratings.jsonl')}`,
  `sources.ratings.eventTime.order=${order}`,
  `sinks.latest.file.path=${join(folder, `${name}.jsonl`)}`,
]

describe('a job from file to file', { timeout: PATIENCE_MS }, () => {
  test('that is killed at every moment of the protocol gives each result once', async () => {
    const stateDir = join(folder, 'moments')
    const outcome = await runThroughCrashes({
      seed,
      kills: MOMENTS.length,
      deaths: MOMENTS,
      epochs: 'small',
      life: { job: 'latest-rating', mode: 'batch', stateDir, set: set('moments', 'ordered') },
    })
    const lines = await linesOf(join(folder, 'moments.jsonl'))
    expect(differences(lines, latestRatings(input.ratings))).toEqual([])
    const letters = await linesOf(join(stateDir, 'dead-letter.jsonl'))
    expect(letters).toHaveLength(input.brokenCount)
    expect(outcome.end).toMatchObject({ late: 0, finished: true, deadLettered: letters.length })
    expect(outcome.end.records).toBe(input.ratings.length)
    expect([...outcome.deaths.keys()]).toEqual(MOMENTS)
  })

  test('that is killed while it opens and at any time gives each result once', async () => {
    const outcome = await runThroughCrashes({
      seed,
      kills: 5,
      deaths: ['outside', 'opening'],
      life: {
        job: 'latest-rating',
        mode: 'batch',
        stateDir: join(folder, 'anytime'),
        set: set('anytime', 'unordered'),
      },
    })
    const lines = await linesOf(join(folder, 'anytime.jsonl'))
    expect(differences(lines, latestRatings(input.ratings))).toEqual([])
    expect(outcome.end).toMatchObject({ records: input.ratings.length, finished: true })
  })

  test('that keeps a table as well has each key in it, with its newest row', async () => {
    const stateDir = join(folder, 'table')
    await runThroughCrashes({
      seed,
      kills: 4,
      deaths: ['written', 'outside', 'flushed'],
      life: {
        job: 'demo',
        mode: 'batch',
        stateDir,
        set: [
          `sources.ratings=${JSON.stringify({
            file: { path: join(folder, 'ratings.jsonl') },
            eventTime: { field: 'timestamp', unit: 's', order: 'ordered' },
          })}`,
          `sinks.latestRatings.file.path=${join(folder, 'table.jsonl')}`,
          `deadLetter.file.path=${join(folder, 'table-letters.jsonl')}`,
        ],
      },
    })
    const lines = await linesOf(join(folder, 'table.jsonl'))
    expect(differences(lines, latestRatings(input.ratings))).toEqual([])
    const reader = await openStateReader(stateDir)
    const found = new Map<unknown, unknown>()
    for await (const { key, cells } of reader.scan('lastFilm', { limit: 10_000 })) {
      found.set(key, cells)
    }
    await reader.close()
    const expected = lastFilms(input.ratings)
    expect(found.size).toBe(expected.size)
    for (const [user, row] of expected) {
      expect(JSON.stringify(found.get(user))).toContain(JSON.stringify(row))
    }
  })
})
