/** A sink in a stream that others write too, by ids and chained, on a real nats-server. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError, DataLossError } from '../../runtime/errors.ts'
import {
  JetStreamSharedSink,
  type JetStreamSharedSinkOptions,
} from '../../runtime/sink/jetstream-shared-sink.ts'
import { FaultyConnection } from '../support/faulty-connection.ts'
import { Admin, until } from '../support/jetstream.ts'
import { NatsServer } from '../support/nats-server.ts'
import { ownerOf, results, rowsOf } from '../support/outbox-rows.ts'

/** The shortest window the server allows, so that a test can let it pass. */
const WINDOW_MS = 100
const BOTH = [{ chained: false }, { chained: true }]

let server: NatsServer
let admin: Admin
const sinks: JetStreamSharedSink[] = []
const connections: FaultyConnection[] = []
let streams = 0

beforeAll(async () => {
  server = await NatsServer.start()
  admin = await Admin.open(server)
})

afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close()
  for (const connection of connections.splice(0)) await connection.close()
})

afterAll(async () => {
  await admin?.close()
  await server?.remove()
})

function sinkOn(
  stream: string,
  options: Partial<JetStreamSharedSinkOptions> = {},
): JetStreamSharedSink {
  const sink = new JetStreamSharedSink({
    servers: server.url,
    stream,
    subject: stream.toLowerCase(),
    duplicateWindowMs: WINDOW_MS,
    ...options,
  })
  sinks.push(sink)
  return sink
}

async function faultySink(
  stream: string,
  options: Partial<JetStreamSharedSinkOptions> = {},
): Promise<[JetStreamSharedSink, FaultyConnection]> {
  const connection = await FaultyConnection.open(server)
  connections.push(connection)
  return [sinkOn(stream, { connection, timeoutMs: 2 * WINDOW_MS, ...options }), connection]
}

const newStream = (): string => `SHARED${++streams}`

/** The texts that begin like results, in the order in which they are stored. */
async function ours(stream: string): Promise<string[]> {
  return (await admin.texts(stream)).filter((text) => text.startsWith('r'))
}

const sorted = (texts: readonly string[]): string[] =>
  texts.toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1)))

async function windowPasses(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 2 * WINDOW_MS))
}

describe.each(BOTH)('chained: $chained', ({ chained }) => {
  test('results stand once and in order among those of others', async () => {
    const stream = newStream()
    const sink = sinkOn(stream, { chained })
    expect((await sink.open(ownerOf('run'), undefined)).number).toBe(0)
    await sink.deliver(rowsOf(1, 30))
    await admin.append(stream, 3)
    expect((await sink.deliver(rowsOf(31, 50))).number).toBe(50)
    await admin.append(stream, 3, 4)
    await sink.deliver(rowsOf(51, 60))
    expect(await ours(stream)).toEqual(results(1, 60))
    expect(await admin.texts(stream)).toHaveLength(66)
  })

  test('a restart after the duplicate window finds what a killed process had sent', async () => {
    const stream = newStream()
    const [killed, connection] = await faultySink(stream, { chained })
    const fresh = await killed.open(ownerOf('run'), undefined)
    connection.onAnswer = () => undefined
    void killed.deliver(rowsOf(1, 20)).catch(() => undefined)
    const stored = chained ? 1 : 20
    await until(async () => (await admin.lastSequence(stream)) >= stored, 'stored results')
    await killed.close()
    await windowPasses()
    await admin.append(stream, 40)
    const restarted = sinkOn(stream, { chained })
    await restarted.open(ownerOf('run', 30), fresh)
    expect((await restarted.deliver(rowsOf(1, 30))).number).toBe(30)
    expect(await ours(stream)).toEqual(results(1, 30))
  })

  test('lost acknowledgements that are noticed after the duplicate window repeat nothing', async () => {
    const stream = newStream()
    const [sink, connection] = await faultySink(stream, { chained })
    await sink.open(ownerOf('run'), undefined)
    connection.onAnswer = (number, give) => {
      if (number > 3) give()
    }
    expect((await sink.deliver(rowsOf(1, 20))).number).toBe(20)
    expect(await ours(stream)).toEqual(results(1, 20))
  })

  test('a request that the network lost is sent again', async () => {
    const stream = newStream()
    const [sink, connection] = await faultySink(stream, { chained })
    await sink.open(ownerOf('run'), undefined)
    connection.onPublish = (number, send) => {
      if (number !== 4) send()
    }
    expect((await sink.deliver(rowsOf(1, 10))).number).toBe(10)
    expect(sorted(await ours(stream))).toEqual(results(1, 10))
  })

  test('a new state does not take the results of a former one for its own', async () => {
    const stream = newStream()
    const former = sinkOn(stream, { chained })
    await former.open(ownerOf('run'), undefined)
    const next = sinkOn(stream, { chained })
    const fresh = await next.open(ownerOf('next run'), undefined)
    await former.deliver(rowsOf(1, 5))
    await next.open(ownerOf('next run', 5), fresh)
    await next.deliver(rowsOf(1, 5))
    expect(await ours(stream)).toEqual([...results(1, 5), ...results(1, 5)])
  })

  test('a stretch that was discarded before it could be searched is refused', async () => {
    const stream = newStream()
    const first = sinkOn(stream, { chained })
    const fresh = await first.open(ownerOf('run'), undefined)
    const taken = await first.deliver(rowsOf(1, 5))
    await admin.api.purgeStream(stream, 4)
    const unsure = sinkOn(stream, { chained })
    await expect(unsure.open(ownerOf('run', 5), fresh)).rejects.toThrow(
      /messages 1\.\.3 of stream .* were discarded .* cannot know whether result 1 was sent/,
    )
    const sure = sinkOn(stream, { chained })
    await admin.api.purgeStream(stream)
    expect((await sure.open(ownerOf('run', 5), taken)).number).toBe(5)
  })

  test('a stream that was made again, or another one, is refused', async () => {
    const stream = newStream()
    const sink = sinkOn(stream, { chained })
    await sink.open(ownerOf('run'), undefined)
    const taken = await sink.deliver(rowsOf(1, 5))
    await admin.api.deleteStream(stream)
    await admin.makeStream(stream, { duplicate_window: WINDOW_MS * 1_000_000 })
    const again = sinkOn(stream, { chained })
    await expect(again.open(ownerOf('run'), taken)).rejects.toBeInstanceOf(DataLossError)
    const moved = sinkOn(newStream(), { chained })
    await expect(moved.open(ownerOf('run'), taken)).rejects.toThrow(/has written its results to/)
  })

  test('a stream that is made again while nothing is on its way is refused all the same', async () => {
    const stream = newStream()
    const sink = sinkOn(stream, { chained })
    await sink.open(ownerOf('run'), undefined)
    await sink.deliver(rowsOf(1, 5))
    await admin.api.deleteStream(stream)
    await admin.makeStream(stream, { duplicate_window: WINDOW_MS * 1_000_000 })
    await expect(sink.deliver(rowsOf(6, 6))).rejects.toBeInstanceOf(DataLossError)
  })

  test('only retention limits will do', async () => {
    const interest = newStream()
    await admin.makeStream(interest, { retention: 'interest' })
    await expect(
      sinkOn(interest, { chained }).open(ownerOf('run'), undefined),
    ).rejects.toBeInstanceOf(ConfigError)
    const compact = newStream()
    await admin.makeStream(compact, { max_msgs_per_subject: 1 })
    await expect(sinkOn(compact, { chained }).open(ownerOf('run'), undefined)).rejects.toThrow(
      /keeps only 1 messages of a subject/,
    )
  })
})

describe('by ids', () => {
  test('a stream that forgets ids too early is refused, and one that is made gets the window', async () => {
    const stream = newStream()
    await admin.makeStream(stream, { duplicate_window: WINDOW_MS * 1_000_000 })
    await expect(
      sinkOn(stream, { duplicateWindowMs: 60_000 }).open(ownerOf('run'), undefined),
    ).rejects.toThrow(/forgets message ids after 100 ms, but 60000 ms are asked for/)
    const made = newStream()
    await sinkOn(made, { duplicateWindowMs: 60_000 }).open(ownerOf('run'), undefined)
    expect((await admin.api.streamInfo(made))?.config.duplicate_window).toBe(60_000_000_000)
  })

  test('a late repeat within the duplicate window is dropped by the server', async () => {
    const stream = newStream()
    const [killed, connection] = await faultySink(stream, { duplicateWindowMs: 60_000 })
    const fresh = await killed.open(ownerOf('run'), undefined)
    const late: (() => void)[] = []
    connection.onPublish = (_number, send) => late.push(send)
    void killed.deliver(rowsOf(1, 10)).catch(() => undefined)
    await until(() => late.length === 10, 'ten requests')
    const restarted = sinkOn(stream, { duplicateWindowMs: 60_000 })
    await restarted.open(ownerOf('run', 10), fresh)
    await restarted.deliver(rowsOf(1, 10))
    for (const send of late) send()
    await connection.request('$JS.API.INFO', Buffer.from(''), { timeout: 1_000 })
    expect(await ours(stream)).toEqual(results(1, 10))
  })

  test('an acknowledged result behind an unknown one does not hide it from the search', async () => {
    const stream = newStream()
    const [sink, connection] = await faultySink(stream)
    await sink.open(ownerOf('run'), undefined)
    // The second result is stored first, its acknowledgement is lost; the first is acknowledged.
    const held: (() => void)[] = []
    connection.onPublish = (number, send) => {
      if (number === 1) held.push(send)
      else send()
      if (number === 2) for (const give of held) give()
    }
    connection.onAnswer = (number, give) => {
      if (number !== 1) give()
    }
    expect((await sink.deliver(rowsOf(1, 2))).number).toBe(2)
    expect(await ours(stream)).toEqual(['r2', 'r1'])
  })
})

describe('chained', () => {
  test('a request of a killed process that arrives after the search, and after the window, is refused', async () => {
    const stream = newStream()
    const [killed, connection] = await faultySink(stream, { chained: true })
    const fresh = await killed.open(ownerOf('run'), undefined)
    const late: (() => void)[] = []
    connection.onPublish = (number, send) => {
      if (number < 5) send()
      else late.push(send)
    }
    void killed.deliver(rowsOf(1, 10)).catch(() => undefined)
    await until(() => late.length === 1, 'the fifth request')
    const restarted = sinkOn(stream, { chained: true })
    await restarted.open(ownerOf('run', 10), fresh)
    await restarted.deliver(rowsOf(1, 10))
    await windowPasses()
    for (const send of late) send()
    await connection.request('$JS.API.INFO', Buffer.from(''), { timeout: 1_000 })
    expect(await ours(stream)).toEqual(results(1, 10))
  })

  test('order is kept although others write between any two results', async () => {
    const stream = newStream()
    const [sink, connection] = await faultySink(stream, { chained: true })
    await sink.open(ownerOf('run'), undefined)
    connection.onPublish = (number, send) => {
      if (number % 3 !== 0) return send()
      admin.append(stream, 1).then(send, send)
    }
    expect((await sink.deliver(rowsOf(1, 20))).number).toBe(20)
    expect(await ours(stream)).toEqual(results(1, 20))
  })
})
