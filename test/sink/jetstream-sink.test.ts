/**
 * A sink with a stream of its own, on a real nats-server. A killed process is a sink that is left
 * behind with what it had in flight; what it sent may arrive at any later time.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError, DataLossError, UnavailableError } from '../../runtime/errors.ts'
import { JetStreamSink } from '../../runtime/sink/jetstream-sink.ts'
import type { Taken } from '../../runtime/sink/sink.ts'
import type { JetStreamSinkOptions } from '../../runtime/sink/jetstream-stream.ts'
import { FaultyConnection } from '../support/faulty-connection.ts'
import { Admin, until } from '../support/jetstream.ts'
import { NatsServer } from '../support/nats-server.ts'
import { ownerOf, results, rowOf, rowsOf } from '../support/outbox-rows.ts'
import { encoded } from '../support/encoded.ts'

let server: NatsServer
let admin: Admin
const sinks: JetStreamSink[] = []
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

function sinkOn(stream: string, options: Partial<JetStreamSinkOptions> = {}): JetStreamSink {
  const subject = stream.toLowerCase()
  const sink = new JetStreamSink({ servers: server.url, stream, subject, ...options })
  sinks.push(sink)
  return sink
}

/** A sink whose connection the test can disturb; it waits only shortly for answers. */
async function faultySink(stream: string): Promise<[JetStreamSink, FaultyConnection]> {
  const connection = await FaultyConnection.open(server)
  connections.push(connection)
  return [sinkOn(stream, { connection, timeoutMs: 150 }), connection]
}

const newStream = (): string => `OWN${++streams}`

describe('results', () => {
  test('are stored once and in order, as text of JSON', async () => {
    const stream = newStream()
    const sink = sinkOn(stream)
    expect(encoded(sink, { a: 1 })).toBe('{"a":1}')
    expect((await sink.open(ownerOf('run'), undefined)).number).toBe(0)
    expect((await sink.deliver(rowsOf(1, 3_000))).number).toBe(3_000)
    expect((await sink.deliver(rowsOf(3_001, 3_005))).number).toBe(3_005)
    expect(await admin.texts(stream)).toEqual(results(1, 3_005))
  })

  test('follow what a stream held before the state was new', async () => {
    const stream = newStream()
    await admin.makeStream(stream)
    await admin.append(stream, 3)
    const sink = sinkOn(stream)
    const taken = await sink.open(ownerOf('run'), undefined)
    expect(taken).toMatchObject({ number: 0, memo: { stream, base: 3, run: 'run' } })
    await sink.deliver(rowsOf(1, 2))
    expect(await admin.texts(stream)).toEqual(['1', '2', '3', 'r1', 'r2'])
  })

  test('are not sent again by a clean restart', async () => {
    const stream = newStream()
    const first = sinkOn(stream)
    await first.open(ownerOf('run'), undefined)
    const taken = await first.deliver(rowsOf(1, 20))
    await first.close()
    const second = sinkOn(stream)
    expect(await second.open(ownerOf('run', 20), taken)).toEqual(taken)
    await second.deliver(rowsOf(21, 25))
    expect(await admin.texts(stream)).toEqual(results(1, 25))
  })

  test('with a row of which only the beginning was taken are continued within the row', async () => {
    const stream = newStream()
    const first = sinkOn(stream)
    const fresh = await first.open(ownerOf('run'), undefined)
    await first.deliver([rowOf(1, results(1, 4))])
    const second = sinkOn(stream)
    await second.open(ownerOf('run'), fresh)
    expect((await second.deliver([rowOf(1, results(1, 9))])).number).toBe(9)
    expect(await admin.texts(stream)).toEqual(results(1, 9))
  })
})

describe('doubt', () => {
  test('about lost acknowledgements is settled by the stream', async () => {
    const stream = newStream()
    const [sink, connection] = await faultySink(stream)
    await sink.open(ownerOf('run'), undefined)
    connection.onAnswer = (number, give) => {
      if (number % 7 !== 0 || number > 50) give()
    }
    expect((await sink.deliver(rowsOf(1, 100))).number).toBe(100)
    expect(await admin.texts(stream)).toEqual(results(1, 100))
  })

  test('about requests that the network lost is settled by sending the same again', async () => {
    const stream = newStream()
    const [sink, connection] = await faultySink(stream)
    await sink.open(ownerOf('run'), undefined)
    connection.onPublish = (number, send) => {
      if (number !== 5 && number !== 150) send()
    }
    expect((await sink.deliver(rowsOf(1, 100))).number).toBe(100)
    expect(await admin.texts(stream)).toEqual(results(1, 100))
  })

  test('of a restart is settled by adopting what a killed process had sent', async () => {
    const stream = newStream()
    const [killed, connection] = await faultySink(stream)
    const fresh = await killed.open(ownerOf('run'), undefined)
    connection.onAnswer = () => undefined
    void killed.deliver(rowsOf(1, 60)).catch(() => undefined)
    await until(async () => (await admin.lastSequence(stream)) === 60, 'sixty stored results')
    const restarted = sinkOn(stream)
    await restarted.open(ownerOf('run', 100), fresh)
    expect((await restarted.deliver(rowsOf(1, 100))).number).toBe(100)
    expect(await admin.texts(stream)).toEqual(results(1, 100))
  })

  test('of a restart is settled by the last sequence when retention has removed the messages', async () => {
    const stream = newStream()
    const [killed, connection] = await faultySink(stream)
    const fresh = await killed.open(ownerOf('run'), undefined)
    connection.onAnswer = () => undefined
    void killed.deliver(rowsOf(1, 60)).catch(() => undefined)
    await until(async () => (await admin.lastSequence(stream)) === 60, 'sixty stored results')
    await admin.api.purgeStream(stream)
    const restarted = sinkOn(stream)
    await restarted.open(ownerOf('run', 70), fresh)
    expect((await restarted.deliver(rowsOf(1, 60))).number).toBe(60)
    expect(await admin.texts(stream)).toEqual([])
    await restarted.deliver(rowsOf(61, 70))
    expect(await admin.texts(stream)).toEqual(results(61, 70))
  })

  test('is not made worse by requests of a killed process that arrive late', async () => {
    const stream = newStream()
    const [killed, connection] = await faultySink(stream)
    const fresh = await killed.open(ownerOf('run'), undefined)
    const late: (() => void)[] = []
    connection.onPublish = (number, send) => {
      if (number <= 10) send()
      else late.push(send)
    }
    void killed.deliver(rowsOf(1, 40)).catch(() => undefined)
    await until(() => connection.published === 40, 'forty requests')
    await until(async () => (await admin.lastSequence(stream)) === 10, 'ten stored results')

    const restarted = sinkOn(stream)
    await restarted.open(ownerOf('run', 60), fresh)
    for (const send of late.slice(0, 10)) send()
    await restarted.deliver(rowsOf(1, 30))
    for (const send of late) send()
    await restarted.deliver(rowsOf(31, 60))
    for (const send of late) send()
    await connection.request('$JS.API.INFO', Buffer.from(''), { timeout: 1_000 })
    expect(await admin.texts(stream)).toEqual(results(1, 60))
  })

  test('about a full stream waits until there is room', async () => {
    const stream = newStream()
    await admin.makeStream(stream, { max_msgs: 25, discard: 'new' })
    const sink = sinkOn(stream)
    const fresh = await sink.open(ownerOf('run'), undefined)
    await expect(sink.deliver(rowsOf(1, 40))).rejects.toThrow(/is full .*raise its limits/)
    await expect(sink.deliver(rowsOf(1, 40))).rejects.toBeInstanceOf(UnavailableError)
    await admin.api.purgeStream(stream, 21)
    await sink.open(ownerOf('run', 40), fresh)
    expect((await sink.deliver(rowsOf(1, 40))).number).toBe(40)
    expect(await admin.texts(stream)).toEqual(results(21, 40))
  })
})

describe('a stream that is not the sink’s own any more is refused', () => {
  test('when somebody else wrote behind its results', async () => {
    const stream = newStream()
    const sink = sinkOn(stream)
    await sink.open(ownerOf('run'), undefined)
    const taken = await sink.deliver(rowsOf(1, 5))
    await admin.append(stream, 1)
    const delivering = sink.deliver(rowsOf(6, 10))
    await expect(delivering).rejects.toBeInstanceOf(DataLossError)
    await expect(delivering).rejects.toThrow(/message 6 of stream .* was written by somebody else/)
    const restarted = sinkOn(stream)
    await expect(restarted.open(ownerOf('run'), taken)).rejects.toBeInstanceOf(DataLossError)
  })

  test('when somebody else wrote into the middle of a window', async () => {
    const stream = newStream()
    const [sink, connection] = await faultySink(stream)
    await sink.open(ownerOf('run'), undefined)
    const held: (() => void)[] = []
    connection.onPublish = (number, send) => {
      if (number < 5) send()
      else held.push(send)
    }
    const delivering = sink.deliver(rowsOf(1, 20)).then(
      () => 'taken',
      (error: unknown) => error,
    )
    await until(async () => (await admin.lastSequence(stream)) === 4, 'four stored results')
    await admin.append(stream, 1)
    for (const send of held) send()
    expect(await delivering).toBeInstanceOf(DataLossError)
    expect(String(await delivering)).toMatch(/message 5 of stream .* somebody else/)
  })

  test('when the last message is of another run', async () => {
    const stream = newStream()
    const former = sinkOn(stream)
    const taken = await former.open(ownerOf('run'), undefined)
    const other = sinkOn(stream)
    await other.open(ownerOf('other run'), undefined)
    await other.deliver(rowsOf(1, 3))
    const restarted = sinkOn(stream)
    await expect(restarted.open(ownerOf('run'), taken)).rejects.toThrow(/written by somebody else/)
    await expect(former.deliver(rowsOf(1, 3))).rejects.toBeInstanceOf(DataLossError)
    expect(await admin.texts(stream)).toEqual(results(1, 3))
  })

  test('when a result in it differs from the one the state holds', async () => {
    const stream = newStream()
    const first = sinkOn(stream)
    const fresh = await first.open(ownerOf('run'), undefined)
    await first.deliver(rowsOf(1, 5))
    const restored = sinkOn(stream)
    await restored.open(ownerOf('run'), fresh)
    const other = rowOf(1, ['r1', 'r2', 'r3', 'r4', 'another'])
    await expect(restored.deliver([other])).rejects.toThrow(/message 5 .* is not the result/)
  })

  test('when it is longer than what was made', async () => {
    const stream = newStream()
    const first = sinkOn(stream)
    const fresh = await first.open(ownerOf('run'), undefined)
    await first.deliver(rowsOf(1, 5))
    const restored = sinkOn(stream)
    await expect(restored.open(ownerOf('run', 4), fresh)).rejects.toBeInstanceOf(DataLossError)
  })

  test('when it was deleted and made again', async () => {
    const stream = newStream()
    const first = sinkOn(stream)
    await first.open(ownerOf('run'), undefined)
    const taken = await first.deliver(rowsOf(1, 5))
    await admin.api.deleteStream(stream)
    await admin.makeStream(stream)
    await admin.append(stream, 3)
    await expect(first.deliver(rowsOf(6, 7))).rejects.toThrow(/deleted and made again/)
    await expect(sinkOn(stream).open(ownerOf('run'), taken)).rejects.toBeInstanceOf(DataLossError)
  })

  test('when the manifest now names another stream', async () => {
    const stream = newStream()
    const first = sinkOn(stream)
    await first.open(ownerOf('run'), undefined)
    const taken = await first.deliver(rowsOf(1, 5))
    const moved = sinkOn(newStream())
    await expect(moved.open(ownerOf('run'), taken)).rejects.toThrow(/has written its results to/)
  })
})

describe('a stream that cannot hold results as they were sent is refused', () => {
  test('by its retention, its subjects or because it may not be made', async () => {
    const queue = newStream()
    await admin.makeStream(queue, { retention: 'workqueue' })
    const onQueue = sinkOn(queue).open(ownerOf('run'), undefined)
    await expect(onQueue).rejects.toBeInstanceOf(ConfigError)
    await expect(onQueue).rejects.toThrow(/retention workqueue/)

    const other = newStream()
    await admin.makeStream(other, { subjects: ['elsewhere.*.x'] })
    const elsewhere = sinkOn(other).open(ownerOf('run'), undefined)
    await expect(elsewhere).rejects.toThrow(/does not take subject/)
    await expect(
      sinkOn(other, { subject: 'elsewhere.y.x' }).open(ownerOf('run'), undefined),
    ).resolves.toBeDefined()
    await expect(
      sinkOn(other, { subject: 'elsewhere.*.x' }).open(ownerOf('run'), undefined),
    ).rejects.toBeInstanceOf(ConfigError)

    const missing = sinkOn(newStream(), { create: false }).open(ownerOf('run'), undefined)
    await expect(missing).rejects.toBeInstanceOf(UnavailableError)
  })

  test('by a result that is larger than the server takes', async () => {
    const stream = newStream()
    const sink = sinkOn(stream)
    await sink.open(ownerOf('run'), undefined)
    const rows = [rowOf(1, ['r1', 'x'.repeat(1_100_000)])]
    await expect(sink.deliver(rows)).rejects.toThrow(/too large .* raise max_payload/)
    expect(await admin.texts(stream)).toEqual(['r1'])
  })
})

describe('a server of its own', () => {
  test('is killed again and again while results are delivered: each is there once', async () => {
    const own = await NatsServer.start()
    const sink = new JetStreamSink({ servers: own.url, stream: 'KILLED', subject: 'killed' })
    let taken = await sink.open(ownerOf('run'), undefined)
    const rows = rowsOf(1, 30_000, 100)
    const rounds = 4
    let restarts = Promise.resolve()
    for (let at = 0; taken.number < 30_000;) {
      if (at < rounds && taken.number >= (at * 30_000) / (rounds + 1)) {
        at++
        restarts = restarts.then(() => own.kill()).then(() => own.start())
      }
      const next = rows.filter(({ first }) => first + 99 > taken.number).slice(0, 30)
      try {
        taken = await sink.deliver(next)
      } catch (error) {
        expect(error).toBeInstanceOf(UnavailableError)
        await restarts
        taken = await openWhenThere(sink, taken, 30_000)
      }
    }
    await restarts
    await sink.close()
    const reader = await Admin.open(own)
    const texts = await reader.texts('KILLED')
    await reader.close()
    await own.remove()
    expect(texts).toEqual(results(1, 30_000))
  })

  test('that forgot acknowledged results is refused', async () => {
    const own = await NatsServer.start()
    const sink = new JetStreamSink({ servers: own.url, stream: 'FORGOT', subject: 'forgot' })
    await sink.open(ownerOf('run'), undefined)
    const early = await sink.deliver(rowsOf(1, 5))
    await own.stop()
    own.saveStore('old')
    await own.start()
    await openWhenThere(sink, early, 5)
    const taken = await sink.deliver(rowsOf(6, 10))
    await own.stop()
    own.restoreStore('old')
    await own.start()
    await sink.close()
    await expect(sink.open(ownerOf('run'), taken)).rejects.toThrow(
      /ends at 5, but had acknowledged results up to 10/,
    )
    await sink.close()
    await own.remove()
  })
})

/** Opens a sink again, as often as it takes until the server is back. */
async function openWhenThere(sink: JetStreamSink, taken: Taken, made: number): Promise<Taken> {
  let opened = taken
  await until(async () => {
    try {
      opened = await sink.open(ownerOf('run', made), taken)
      return true
    } catch (error) {
      expect(error).toBeInstanceOf(UnavailableError)
      return false
    }
  }, 'the server')
  return opened
}
