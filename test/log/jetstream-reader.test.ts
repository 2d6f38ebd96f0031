/**
 * Reading a stream of a real nats-server through everything that goes wrong with it. Each test has a
 * stream of its own; those that kill the server have a server of their own.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError, DataLossError, UnavailableError } from '../../runtime/errors.ts'
import { JetStreamLog } from '../../runtime/log/jetstream-log.ts'
import { FaultyConnection } from '../support/faulty-connection.ts'
import { Admin, numbers, take, textOf, until, within } from '../support/jetstream.ts'
import { NatsServer } from '../support/nats-server.ts'

let server: NatsServer
let admin: Admin
let log: JetStreamLog

beforeAll(async () => {
  server = await NatsServer.start()
  admin = await Admin.open(server)
  log = await JetStreamLog.open({ servers: server.url })
})

afterAll(async () => {
  await log?.close()
  await admin?.close()
  await server?.remove()
})

describe('a reader', () => {
  test('gets every message once and in order, with its sequence and time', async () => {
    await admin.makeStream('ORDER')
    const before = Date.now()
    await admin.append('ORDER', 5_000)
    const reader = await log.read('ORDER', 0, 0)
    const messages = await take(reader, { count: 5_000 })
    expect(messages.map(textOf)).toEqual(numbers(1, 5_000))
    expect(messages.map(({ sequence }) => sequence)).toEqual(numbers(1, 5_000).map(Number))
    const times = messages.map(({ time }) => time)
    expect(Math.min(...times)).toBeGreaterThanOrEqual(before - 1)
    expect(Math.max(...times)).toBeLessThanOrEqual(Date.now() + 1)
    await reader.close()
  })

  test('starts right behind a position and then waits for what is appended', async () => {
    await admin.makeStream('FOLLOW')
    await admin.append('FOLLOW', 3)
    const reader = await log.read('FOLLOW', 0, 2)
    expect((await take(reader, { count: 1 })).map(textOf)).toEqual(['3'])
    expect(reader.poll()).toBeUndefined()
    await admin.append('FOLLOW', 2, 4)
    expect((await take(reader, { count: 2 })).map(textOf)).toEqual(['4', '5'])
    await reader.close()
  })

  test('holds no more than its buffer while nobody polls, and then goes on', async () => {
    await admin.makeStream('PRESSURE')
    await admin.append('PRESSURE', 5_000)
    const small = await JetStreamLog.open({
      servers: server.url,
      bufferMessagesMax: 1_000,
      batchMessagesMax: 100,
    })
    const reader = await small.read('PRESSURE', 0, 0)
    await until(() => reader.buffered >= 500, 'a half-full buffer')
    await admin.append('PRESSURE', 1, 5_001)
    expect(reader.buffered).toBeLessThanOrEqual(1_000)
    const messages = await take(reader, { count: 5_001 })
    expect(messages.map(textOf)).toEqual(numbers(1, 5_001))
    expect(reader.recoveries).toBe(0)
    await small.close()
  })

  test('takes messages that are larger than its bound of bytes one after the other', async () => {
    await admin.makeStream('LARGE')
    const text = 'x'.repeat(600_000)
    await admin.appendTexts('large', [text, text, text, text, text])
    const small = await JetStreamLog.open({ servers: server.url, bufferBytesMax: 100_000 })
    const reader = await small.read('LARGE', 0, 0)
    expect((await take(reader, { count: 5 })).map(({ data }) => data.length)).toEqual(
      Array<number>(5).fill(600_000),
    )
    await small.close()
  })

  test('gives only the messages of a subject when asked to, and moves on past the others', async () => {
    await admin.makeStream('MIXED', { subjects: ['mixed.>'] })
    await admin.appendTexts('mixed.a', ['1', '2'])
    await admin.appendTexts('mixed.b', ['x', 'y'])
    await admin.appendTexts('mixed.a', ['3'])
    await admin.appendTexts('mixed.b', ['z'])
    const filtered = await JetStreamLog.open({ servers: server.url, subject: 'mixed.a' })
    const reader = await filtered.read('MIXED', 0, 0)
    expect((await take(reader, { through: 6 })).map(textOf)).toEqual(['1', '2', '3'])
    expect(reader.skipped).toBe(0)
    await filtered.close()
  })

  test('ends its wait when it is closed', async () => {
    await admin.makeStream('CLOSING')
    const reader = await log.read('CLOSING', 0, 0)
    const waiting = reader.ready()
    await reader.close()
    await within(waiting, 'ready() still waits')
    await expect(reader.ready()).rejects.toThrow(/read after it was closed/)
    expect(reader.poll()).toBeUndefined()
  })
})

describe('messages that are gone', () => {
  test('a start below the oldest message is refused and says which messages were discarded', async () => {
    await admin.makeStream('PURGED')
    await admin.append('PURGED', 10)
    await admin.api.purgeStream('PURGED', 6)
    await expect(log.read('PURGED', 0, 2)).rejects.toThrow(
      /messages 3\.\.5 of stream PURGED were discarded .* it had read up to 2/,
    )
    await expect(log.read('PURGED', 0, 2)).rejects.toBeInstanceOf(DataLossError)
    expect((await take(await log.read('PURGED', 0, 5), { count: 5 })).map(textOf)).toEqual(
      numbers(6, 10),
    )
  })

  test('a stream that is purged altogether is refused as well', async () => {
    await admin.makeStream('EMPTIED')
    await admin.append('EMPTIED', 10)
    await admin.api.purgeStream('EMPTIED')
    await expect(log.read('EMPTIED', 0, 2)).rejects.toThrow(/messages 3\.\.10 of stream EMPTIED/)
  })

  test('a purge ahead of a running reader is reported before anything behind it is given', async () => {
    await admin.makeStream('AHEAD')
    await admin.append('AHEAD', 4_000)
    const small = await JetStreamLog.open({
      servers: server.url,
      bufferMessagesMax: 1_000,
      batchMessagesMax: 100,
    })
    const reader = await small.read('AHEAD', 0, 0)
    await until(() => reader.buffered >= 500, 'a half-full buffer')
    await admin.api.purgeStream('AHEAD', 3_001)
    const read: string[] = []
    const reading = (async () => {
      for (;;) read.push(...(await take(reader, { count: 1 })).map(textOf))
    })()
    await expect(within(reading, 'the loss was not reported')).rejects.toThrow(
      /messages \d+\.\.3000 of stream AHEAD were discarded/,
    )
    expect(read).toEqual(numbers(1, read.length))
    expect(read.length).toBeLessThan(3_000)
    await small.close()
  })

  test('with onDataLoss: skip they are counted and reading goes on', async () => {
    await admin.makeStream('SKIPPED')
    await admin.append('SKIPPED', 10)
    await admin.api.purgeStream('SKIPPED', 6)
    const lenient = await JetStreamLog.open({ servers: server.url, onDataLoss: 'skip' })
    const reader = await lenient.read('SKIPPED', 0, 2)
    expect((await take(reader, { count: 5 })).map(textOf)).toEqual(numbers(6, 10))
    expect(reader.lost).toBe(3)
    await lenient.close()
  })

  test('messages that were deleted one by one are counted, not fatal', async () => {
    await admin.makeStream('HOLES')
    await admin.append('HOLES', 100)
    for (const sequence of [5, 6, 50]) await admin.api.deleteMessage('HOLES', sequence)
    const reader = await log.read('HOLES', 0, 0)
    const messages = await take(reader, { count: 97 })
    expect(messages.map(textOf)).toEqual(
      numbers(1, 100).filter((n) => !['5', '6', '50'].includes(n)),
    )
    expect(reader.skipped).toBe(3)
    await reader.close()
  })

  test('a deleted end is reported as passed, so that reading up to it ends', async () => {
    await admin.makeStream('ENDLESS')
    await admin.append('ENDLESS', 10)
    for (const sequence of [9, 10]) await admin.api.deleteMessage('ENDLESS', sequence)
    const reader = await log.read('ENDLESS', 0, 0)
    expect((await take(reader, { through: 10 })).map(textOf)).toEqual(numbers(1, 8))
    await admin.append('ENDLESS', 1, 11)
    expect((await take(reader, { through: 11 })).map(textOf)).toEqual(['11'])
    expect(reader.skipped).toBe(2)
    await reader.close()
  })

  test('a stream that keeps only the newest of each subject is meant to have holes', async () => {
    await admin.makeStream('COMPACT', { subjects: ['compact.>'], max_msgs_per_subject: 1 })
    for (const text of ['1', '2', '3']) await admin.appendTexts('compact.a', [text])
    await admin.appendTexts('compact.b', ['4'])
    const reader = await log.read('COMPACT', 0, 0)
    expect((await take(reader, { count: 2 })).map(textOf)).toEqual(['3', '4'])
    expect(reader.skipped).toBe(2)
    await reader.close()
  })
})

describe('a stream that is not what it was', () => {
  test('a missing stream is unavailable, since it may still be made', async () => {
    const missing = log.read('NOWHERE', 0, 0)
    await expect(missing).rejects.toBeInstanceOf(UnavailableError)
    await expect(log.inspect('NOWHERE', 0)).rejects.toThrow(/stream NOWHERE does not exist/)
    await expect(log.partitions('NOWHERE')).rejects.toThrow(/create it, or check its name/)
  })

  test('a position beyond the end is refused: acknowledged messages were lost', async () => {
    await admin.makeStream('SHORT')
    await admin.append('SHORT', 3)
    await expect(log.read('SHORT', 0, 4)).rejects.toThrow(
      /stream SHORT ends at 3, but .* read up to 4/,
    )
  })

  test('a stream that is deleted under a reader makes it unavailable', async () => {
    await admin.makeStream('GOING')
    const { created } = await log.inspect('GOING', 0)
    const reader = await log.read('GOING', 0, 0)
    await admin.append('GOING', 1)
    await take(reader, { count: 1 })
    await admin.api.deleteStream('GOING')
    await expect(take(reader, { count: 1 })).rejects.toBeInstanceOf(UnavailableError)
    await reader.close()
    await admin.makeStream('GOING')
    expect((await log.inspect('GOING', 0)).created).not.toBe(created)
  })

  test('streams that forget what was delivered are refused', async () => {
    await admin.makeStream('QUEUE', { retention: 'workqueue' })
    await admin.makeStream('INTEREST', { retention: 'interest' })
    await expect(log.read('QUEUE', 0, 0)).rejects.toThrow(/retention workqueue/)
    await expect(log.read('INTEREST', 0, 0)).rejects.toBeInstanceOf(ConfigError)
  })

  test('a name that is no stream name is refused without asking the server', async () => {
    await expect(log.inspect('A.B', 0)).rejects.toBeInstanceOf(ConfigError)
    await expect(log.inspect('>', 0)).rejects.toBeInstanceOf(ConfigError)
  })
})

describe('a start', () => {
  test('is found by word, sequence and time', async () => {
    await admin.makeStream('STARTS')
    await admin.append('STARTS', 10)
    await until(() => Date.now() % 2 === 0, 'an even millisecond')
    await new Promise((resolve) => setTimeout(resolve, 20))
    const middle = Date.now()
    await admin.append('STARTS', 10, 11)
    await admin.api.deleteMessage('STARTS', 11)
    await admin.api.purgeStream('STARTS', 3)
    expect(await log.resolveStart('STARTS', 0, 'start')).toBe(2)
    expect(await log.resolveStart('STARTS', 0, 'now')).toBe(20)
    expect(await log.resolveStart('STARTS', 0, { after: 7 })).toBe(7)
    expect(await log.resolveStart('STARTS', 0, { time: 0 })).toBe(2)
    expect(await log.resolveStart('STARTS', 0, { time: middle })).toBe(10)
    expect(await log.resolveStart('STARTS', 0, { time: Date.now() + 60_000 })).toBe(20)
  })

  test('of an empty stream is its beginning', async () => {
    await admin.makeStream('BLANK')
    expect(await log.inspect('BLANK', 0)).toMatchObject({ first: 1, last: 0 })
    expect(await log.resolveStart('BLANK', 0, 'start')).toBe(0)
    expect(await log.resolveStart('BLANK', 0, { time: Date.now() })).toBe(0)
    expect(await log.fetch('BLANK', 0, 1)).toBeUndefined()
  })
})

describe('interruptions', () => {
  const owns: NatsServer[] = []
  const admins: Admin[] = []

  afterEach(async () => {
    for (const open of admins.splice(0)) await open.close()
    for (const running of owns.splice(0)) await running.remove()
  })

  async function startOwn(): Promise<{ own: NatsServer; ownAdmin: Admin }> {
    const own = await NatsServer.start()
    owns.push(own)
    const ownAdmin = await Admin.open(own)
    admins.push(ownAdmin)
    return { own, ownAdmin }
  }

  test('a consumer that is deleted is replaced without a hole or a repeat', async () => {
    await admin.makeStream('CONSUMER')
    await admin.append('CONSUMER', 10)
    const reader = await log.read('CONSUMER', 0, 0)
    await take(reader, { count: 10 })
    const subject = '$JS.API.CONSUMER.NAMES.CONSUMER'
    const answer = await admin.connection.core.request(subject, Buffer.from(''), { timeout: 1_000 })
    const { consumers }: { consumers: string[] } = JSON.parse(Buffer.from(answer.data).toString())
    expect(consumers).toHaveLength(1)
    for (const consumer of consumers) await admin.api.deleteConsumer('CONSUMER', consumer)
    await admin.append('CONSUMER', 10, 11)
    expect((await take(reader, { count: 10 })).map(textOf)).toEqual(numbers(11, 20))
    expect(reader.recoveries).toBe(1)
    await reader.close()
  })

  test('a delivery that got lost on the way is fetched again, not taken for a deleted message', async () => {
    await admin.makeStream('DROPPED')
    await admin.append('DROPPED', 100)
    const connection = await FaultyConnection.open(server)
    connection.onDelivery = (number, give) => {
      if (number !== 1 && number !== 30) give()
    }
    const lossy = await JetStreamLog.open({ connection })
    const reader = await lossy.read('DROPPED', 0, 0)
    expect((await take(reader, { count: 100 })).map(textOf)).toEqual(numbers(1, 100))
    expect(reader.skipped).toBe(0)
    expect(reader.recoveries).toBe(2)
    await lossy.close()
    await connection.close()
  })

  test('a server killed in the middle of reading leaves neither hole nor repeat', async () => {
    const { own, ownAdmin } = await startOwn()
    await ownAdmin.makeStream('KILLED')
    await ownAdmin.append('KILLED', 20_000)
    const ownLog = await JetStreamLog.open({ servers: own.url, bufferMessagesMax: 2_000 })
    const reader = await ownLog.read('KILLED', 0, 0)
    const texts = (await take(reader, { count: 3_000 })).map(textOf)
    for (let round = 0; round < 3; round++) {
      await own.kill()
      await own.start()
      texts.push(...(await take(reader, { count: 3_000 })).map(textOf))
    }
    texts.push(...(await take(reader, { through: 20_000 })).map(textOf))
    expect(texts).toEqual(numbers(1, 20_000))
    expect(reader.skipped + reader.lost).toBe(0)
    await ownLog.close()
  })

  test('a server that is away for a while is waited for', async () => {
    const { own, ownAdmin } = await startOwn()
    await ownAdmin.makeStream('AWAY')
    const ownLog = await JetStreamLog.open({ servers: own.url })
    const reader = await ownLog.read('AWAY', 0, 0)
    await own.stop()
    await expect(ownLog.inspect('AWAY', 0)).rejects.toBeInstanceOf(UnavailableError)
    await own.start()
    await until(() => ownAdmin.connection.isConnected, 'a connection')
    await ownAdmin.append('AWAY', 3)
    expect((await take(reader, { count: 3 })).map(textOf)).toEqual(numbers(1, 3))
    await ownLog.close()
  })

  test('a server that forgot what it had acknowledged is found by a shorter stream', async () => {
    const { own, ownAdmin } = await startOwn()
    await ownAdmin.makeStream('TRUNCATED')
    await ownAdmin.append('TRUNCATED', 5)
    await own.stop()
    own.saveStore('old')
    await own.start()
    await until(() => ownAdmin.connection.isConnected, 'a connection')
    await ownAdmin.append('TRUNCATED', 5, 6)
    const ownLog = await JetStreamLog.open({ servers: own.url })
    const reader = await ownLog.read('TRUNCATED', 0, 0)
    await take(reader, { count: 10 })
    await own.stop()
    own.restoreStore('old')
    await own.start()
    await expect(take(reader, { count: 1 })).rejects.toThrow(/ends at 5, but .* read up to 10/)
    await ownLog.close()
  })

  test('a stream that was deleted and made again meanwhile is refused', async () => {
    const { own, ownAdmin } = await startOwn()
    await ownAdmin.makeStream('AGAIN')
    await ownAdmin.append('AGAIN', 3)
    const ownLog = await JetStreamLog.open({ servers: own.url })
    const reader = await ownLog.read('AGAIN', 0, 0)
    await take(reader, { count: 3 })
    await own.stop()
    const elsewhere = await own.startElsewhere()
    const other = await Admin.open(elsewhere)
    await other.api.deleteStream('AGAIN')
    await other.makeStream('AGAIN')
    await other.append('AGAIN', 20)
    await other.close()
    await elsewhere.stop()
    await own.start()
    await expect(take(reader, { count: 1 })).rejects.toThrow(/AGAIN was deleted and made again/)
    await ownLog.close()
  })

  test('numbers that were given to other messages are found by the newest one read', async () => {
    const { own, ownAdmin } = await startOwn()
    await ownAdmin.makeStream('REFILLED')
    await ownAdmin.append('REFILLED', 5)
    await own.stop()
    own.saveStore('old')
    await own.start()
    await until(() => ownAdmin.connection.isConnected, 'a connection')
    await ownAdmin.append('REFILLED', 5, 6)
    const ownLog = await JetStreamLog.open({ servers: own.url })
    const reader = await ownLog.read('REFILLED', 0, 0)
    await take(reader, { count: 10 })
    // Refilled while the reader cannot see it: it meets the server again only with more messages.
    await own.stop()
    own.restoreStore('old')
    const elsewhere = await own.startElsewhere()
    const other = await Admin.open(elsewhere)
    await other.append('REFILLED', 20, 106)
    await other.close()
    await elsewhere.stop()
    await own.start()
    await expect(take(reader, { count: 1 })).rejects.toThrow(/message 10 of stream REFILLED is not/)
    await ownLog.close()
  })
})
