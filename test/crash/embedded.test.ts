/**
 * Embedded stream → latest-rating → embedded stream in processes that are killed. The producer's
 * number and the messages are one transaction, so each result is there once (I4).
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EmbeddedLog } from '../../runtime/log/embedded-log.ts'
import { MOMENTS } from '../../runtime/task/task-parts.ts'
import { newSeed } from '../support/random.ts'
import { take, textOf } from '../support/jetstream.ts'
import { runThroughCrashes } from './crashes.ts'
import { differences, latestRatings } from './expected.ts'
import { closingRating, testInput } from './ratings.ts'

const PATIENCE_MS = 120_000
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-crash-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test(
  'each result is in the stream once, whenever the job is killed',
  async () => {
    const seed = newSeed()
    console.log(`seed ${seed} (MILLRACE_SEED=${seed} repeats it)`)
    const input = testInput(50_000, seed)
    const path = join(folder, 'log')
    const log = await EmbeddedLog.open(path)
    await log.createStream('ratings')
    // Half of the input is there before the first life, the rest comes while the job dies.
    const expected = latestRatings(input.ratings)
    const messages = input.lines.map((line) => Buffer.from(line))
    const half = messages.length / 2
    await log.append('ratings', 0, messages.slice(0, half))
    const kills = MOMENTS.length + 3
    const slice = Math.ceil(half / (kills + 1))

    const outcome = await runThroughCrashes({
      seed,
      kills,
      epochs: 'small',
      life: {
        job: 'latest-rating',
        mode: 'live',
        stateDir: join(folder, 'state'),
        set: [
          `sources.ratings=${JSON.stringify({
            embedded: { stream: 'ratings', log: path },
            eventTime: { field: 'timestamp', unit: 's', order: 'ordered' },
          })}`,
          `sinks.latest=${JSON.stringify({ embedded: { stream: 'latest', log: path } })}`,
        ],
      },
      beforeLife: async (lives) => {
        const from = half + lives * slice
        const next = messages.slice(from, from + slice)
        if (next.length > 0) await log.append('ratings', 0, next)
        if (lives === kills)
          await log.append('ratings', 0, [
            Buffer.from(JSON.stringify(closingRating(input.ratings))),
          ])
      },
      isDone: async () =>
        (await log.inspect('latest', 0).catch(() => ({ last: 0 }))).last >= expected.length,
    })

    const { last } = await log.inspect('latest', 0)
    const reader = await log.read('latest', 0, 0)
    const found = (await take(reader, { through: last })).map(textOf)
    await reader.close()
    await log.close()
    expect(differences(found, expected)).toEqual([])
    expect(outcome.kills).toBe(kills)
    // The last message only moves time on: its own window stays open.
    expect(outcome.end).toMatchObject({ records: input.ratings.length + 1, late: 0 })
  },
  PATIENCE_MS,
)
