/** Row 1's job from a JetStream stream, against a client that only reads it and parses the JSON. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { NatsServer } from '../../test/support/nats-server.ts'
import { BareJetStream } from '../baselines/bare-jetstream.ts'
import { hourlyLoop } from '../baselines/hourly-loop.ts'
import { readRatings } from '../baselines/read-ratings.ts'
import { checksumOfFile } from '../checksum.ts'
import { compare, rowOf } from '../compare.ts'
import type { Measurement } from '../compare.ts'
import { ratingsFor } from '../file-comparison.ts'
import { ourArguments } from '../our-run.ts'
import { makeRunFolder, programArguments } from '../places.ts'
import { runChild } from '../run-child.ts'
import type { RunOptions, Row, Subject } from '../subject.ts'

const STREAM = 'BENCH_RATINGS'

interface Reading {
  readonly name: string
  readonly what: string
  /** At full size. */
  readonly records: number
}

export const jetStreamIn = reading({
  name: 'jetstream-in',
  what: 'JetStream, a JSON message a record → row 1 → file',
  records: 1_000_000,
})

/** Long enough that starting and the last commit are little of it. */
export const replay = reading({
  name: 'replay',
  what: 'replay of a long stream, a JSON message a record → row 1 → file',
  records: 5_000_000,
})

function reading({ name, what, records }: Reading): Subject {
  return {
    name,
    async measure(options) {
      const server = await NatsServer.start()
      try {
        return [await measureFrom(server.url, what, records, options)]
      } finally {
        await server.remove()
      }
    },
  }
}

async function measureFrom(
  url: string,
  what: string,
  recordsFull: number,
  options: RunOptions,
): Promise<Row> {
  const { path, records } = await ratingsFor(options.size, recordsFull)
  options.progress(`${what}: filling the stream`)
  await fill(url, path)
  const comparison = await compare(
    what,
    {
      checksum: await expectedFrom(path),
      ours: () => runOurs(url, records),
      async baseline() {
        const args = programArguments('baselines/main', ['jetstream-read-loop', url, STREAM])
        return { records, checksum: undefined, ...(await runChild(args)) }
      },
    },
    options,
  )
  return rowOf(what, comparison, { ratioMin: 0.7 })
}

async function fill(url: string, path: string): Promise<void> {
  const messages: Uint8Array[] = []
  readRatings(path, (userId, movieId, rating, timestamp) => {
    messages.push(Buffer.from(JSON.stringify({ userId, movieId, rating, timestamp })))
  })
  const jetStream = await BareJetStream.connect(url)
  await jetStream.makeStream(STREAM)
  await jetStream.publishChained(STREAM, messages)
  await jetStream.close()
}

/** The hand-written loop on the same ratings says what must come out. */
async function expectedFrom(path: string): Promise<string> {
  const folder = makeRunFolder()
  const output = join(folder, 'expected.jsonl')
  hourlyLoop(path, output)
  const checksum = await checksumOfFile(output)
  rmSync(folder, { recursive: true })
  return checksum
}

async function runOurs(url: string, records: number): Promise<Measurement> {
  const folder = makeRunFolder()
  const output = join(folder, 'results.jsonl')
  const args = ourArguments({
    manifest: 'bench/jobs/hourly.yaml',
    mode: 'batch',
    stateFolder: join(folder, 'state'),
    set: {
      'sources.ratings': {
        jetstream: { servers: url, stream: STREAM },
        eventTime: { field: 'timestamp', unit: 's', order: 'ordered', outOfOrder: '5s' },
      },
      'sinks.results.file.path': output,
    },
  })
  const { seconds, peakRssAnonBytes } = await runChild(args, folder)
  const checksum = await checksumOfFile(output)
  rmSync(folder, { recursive: true })
  return { records, seconds, peakRssAnonBytes, checksum }
}
