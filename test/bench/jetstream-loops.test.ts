import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BareJetStream } from '../../bench/baselines/bare-jetstream.ts'
import { jetStreamPublishLoop } from '../../bench/baselines/jetstream-publish-loop.ts'
import { jetStreamReadLoop } from '../../bench/baselines/jetstream-read-loop.ts'
import { Checksum, checksumOfFile } from '../../bench/checksum.ts'
import { generateRatings, lineOf } from '../../jobs/ratings-generator.ts'
import { NatsServer } from '../support/nats-server.ts'

/** More than one pull request, and many windows in flight. */
const RATINGS = 25_000

const folder = mkdtempSync(join(tmpdir(), 'millrace-loops-'))
let server: NatsServer

beforeAll(async () => {
  server = await NatsServer.start()
})

afterAll(async () => {
  await server.remove()
  rmSync(folder, { recursive: true })
})

test('what the publishing loop sends is what the reading loop gets', async () => {
  const path = join(folder, 'ratings.jsonl')
  const ratings = generateRatings({ ratings: RATINGS, brokenShare: 0 })
  writeFileSync(path, Array.from(ratings, (item) => `${lineOf(item)}\n`).join(''))

  expect(await jetStreamPublishLoop(path, `${server.url} RATINGS`)).toBe(RATINGS)
  expect(await jetStreamReadLoop(server.url, 'RATINGS')).toBe(RATINGS)

  const jetStream = await BareJetStream.connect(server.url)
  const checksum = new Checksum()
  await jetStream.readAll('RATINGS', ({ data }) => checksum.add(data))
  await jetStream.close()
  expect(String(checksum)).toBe(await checksumOfFile(path))
})

test('publishing into a stream that others wrote to fails instead of going on', async () => {
  const jetStream = await BareJetStream.connect(server.url)
  await jetStream.makeStream('TAKEN')
  await jetStream.publishChained('TAKEN', [Buffer.from('first')])
  await expect(jetStream.publishChained('TAKEN', [Buffer.from('again')])).rejects.toThrow(
    /wrong last sequence/,
  )
  await jetStream.close()
})
