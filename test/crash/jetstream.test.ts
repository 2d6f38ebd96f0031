/**
 * JetStream → latest-rating → JetStream, live, while the job and the server are killed: every result
 * is in the stream once (I4), and none leaves before it is durable (I3).
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Moment } from '../../runtime/task/task-parts.ts'
import { Admin } from '../support/jetstream.ts'
import { NatsServer } from '../support/nats-server.ts'
import { newSeed, randomFrom } from '../support/random.ts'
import { type Death, runThroughCrashes } from './crashes.ts'
import { JetStreamScene, type Writing } from './jetstream-scene.ts'
import { closingRating, testInput } from './ratings.ts'
import { ServerCrashes } from './server-crashes.ts'

const PATIENCE_MS = 120_000
let server: NatsServer
let admin: Admin
let folder: string

beforeEach(async () => {
  server = await NatsServer.start()
  admin = await Admin.open(server)
  folder = await mkdtemp(join(tmpdir(), 'millrace-crash-'))
})
afterEach(async () => {
  await admin.close()
  await server.remove()
  await rm(folder, { recursive: true, force: true })
})

/** The moments in which the stream and the state may disagree. */
const MOMENTS: readonly Moment[] = ['written', 'flushed', 'sent', 'acknowledged', 'trimmed']
const PLANS: readonly {
  writing: Writing
  count: number
  deaths: readonly Death[]
  serverKills: number
}[] = [
  { writing: 'own', count: 30_000, deaths: [...MOMENTS, 'outside', 'outside'], serverKills: 2 },
  { writing: 'shared', count: 10_000, deaths: ['sent', 'acknowledged', 'outside'], serverKills: 2 },
  { writing: 'sharedChained', count: 2_000, deaths: ['sent', 'outside'], serverKills: 1 },
]

describe('a live job from stream to stream', { timeout: PATIENCE_MS }, () => {
  test.each(PLANS)('gives each result once: $writing stream', async (plan) => {
    const { writing, count, deaths, serverKills } = plan
    const seed = newSeed()
    console.log(`seed ${seed} (MILLRACE_SEED=${seed} repeats it)`)
    const input = testInput(count, seed)
    const scene = new JetStreamScene(admin, server, writing, input.ratings)
    await scene.makeStreams()
    // Half of the input is there before the first life, the rest comes while the job dies.
    const half = count / 2
    await admin.appendTexts('ratings', input.lines.slice(0, half))
    const slice = Math.ceil(half / (deaths.length + 1))
    const crashes = new ServerCrashes(server, {
      random: randomFrom(seed + 1),
      kills: serverKills,
      aliveMsMax: 1_500,
      awayMsMax: 300,
    })

    const outcome = await runThroughCrashes({
      seed,
      kills: deaths.length,
      deaths,
      epochs: 'small',
      life: scene.life(join(folder, 'state')),
      beforeLife: (lives) =>
        crashes.spare(async () => {
          await scene.connected()
          const from = half + lives * slice
          await admin.appendTexts('ratings', input.lines.slice(from, from + slice))
          await scene.writeForeign()
          if (lives < deaths.length) return
          await admin.appendTexts('ratings', [JSON.stringify(closingRating(input.ratings))])
        }),
      isDone: scene.isDone,
    })
    await crashes.finished()

    expect(await scene.differences()).toEqual([])
    expect(outcome.kills).toBe(deaths.length)
    expect(crashes.kills).toBe(serverKills)
    expect(outcome.end).toMatchObject({ records: input.ratings.length + 1, late: 0 })
  })
})
