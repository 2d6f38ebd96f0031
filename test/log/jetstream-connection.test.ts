/** Connecting to a real nats-server: away, refusing, too old, and what users may not do. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError, UnavailableError } from '../../runtime/errors.ts'
import { isVersionAtLeast, JetStreamConnection } from '../../runtime/log/jetstream-connection.ts'
import type { CoreConnection } from '../../runtime/log/jetstream-core.ts'
import { JetStreamLog } from '../../runtime/log/jetstream-log.ts'
import { JetStreamPublisher, encodeHeaders } from '../../runtime/log/jetstream-publisher.ts'
import { JetStreamApi } from '../../runtime/log/jetstream-wire.ts'
import { JetStreamSink } from '../../runtime/sink/jetstream-sink.ts'
import { FaultyConnection } from '../support/faulty-connection.ts'
import { numbers, take, textOf, within } from '../support/jetstream.ts'
import { NatsServer } from '../support/nats-server.ts'
import { ownerOf, rowsOf } from '../support/outbox-rows.ts'

const READ_ONLY = `
  { user: reader, password: secret, permissions: {
      publish: [
        "$JS.API.INFO", "$JS.API.STREAM.INFO.IN", "$JS.API.STREAM.MSG.GET.IN",
        "$JS.API.CONSUMER.CREATE.IN.>", "$JS.API.CONSUMER.DELETE.IN.*", "$JS.API.CONSUMER.MSG.NEXT.IN.*"
      ],
      subscribe: ["_MILL.>"] } }`
const NO_PULL = `
  { user: nopull, password: secret, permissions: {
      publish: [
        "$JS.API.INFO", "$JS.API.STREAM.INFO.IN", "$JS.API.STREAM.MSG.GET.IN",
        "$JS.API.CONSUMER.CREATE.IN.>", "$JS.API.CONSUMER.DELETE.IN.*"
      ] } }`
const NO_WRITE = `
  { user: nowrite, password: secret, permissions: { publish: { deny: ["in", "out"] } } }`

let server: NatsServer
let admin: JetStreamConnection

beforeAll(async () => {
  server = await NatsServer.start({
    config: `authorization: { users: [ { user: admin, password: secret }, ${READ_ONLY}, ${NO_PULL}, ${NO_WRITE} ] }`,
  })
  admin = await JetStreamConnection.open({ servers: server.url, user: 'admin', password: 'secret' })
  await new JetStreamApi(admin).createStream({ name: 'IN', subjects: ['in'] })
  const publisher = new JetStreamPublisher(admin, 'in', 10)
  const headers = encodeHeaders({})
  await publisher.publish(3, (index) => ({ data: Buffer.from(String(index + 1)), headers }))
  publisher.close()
})

afterAll(async () => {
  await admin?.close()
  await server?.remove()
})

const as = (user: string) => ({ servers: server.url, user, password: 'secret' })

describe('connecting', () => {
  test('to a server that is away says so without user and password', async () => {
    const gone = await NatsServer.start()
    await gone.remove()
    const servers = `nats://someone:hidden@127.0.0.1:${gone.port}`
    const connecting = JetStreamConnection.open({ servers })
    await expect(connecting).rejects.toBeInstanceOf(UnavailableError)
    const message = await connecting.then(String, String)
    expect(message).toContain(`nats://127.0.0.1:${gone.port} does not answer`)
    expect(message).not.toMatch(/someone|hidden/)
  })

  test('with a wrong password, or without one, is a matter of configuration', async () => {
    const wrong = JetStreamConnection.open({ ...as('admin'), password: 'no' })
    await expect(wrong).rejects.toBeInstanceOf(ConfigError)
    await expect(wrong).rejects.toThrow(/refused user "admin"/)
    await expect(JetStreamConnection.open({ servers: server.url })).rejects.toBeInstanceOf(
      ConfigError,
    )
  })

  test('takes user and password from the address', async () => {
    const servers = `nats://admin:secret@127.0.0.1:${server.port}`
    const connection = await JetStreamConnection.open({ servers })
    expect(await new JetStreamApi(connection).streamInfo('IN')).toBeDefined()
    await connection.close()
  })

  test('with a credentials file that cannot be read, or is none, is refused', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-creds-'))
    const missing = join(folder, 'missing.creds')
    await expect(
      JetStreamConnection.open({ servers: server.url, credentials: missing }),
    ).rejects.toThrow(/missing\.creds cannot be read/)
    const bad = join(folder, 'bad.creds')
    writeFileSync(bad, 'nothing')
    await expect(
      JetStreamConnection.open({ servers: server.url, credentials: bad }),
    ).rejects.toBeInstanceOf(ConfigError)
    rmSync(folder, { recursive: true })
  })

  test('to a server that is too old is refused', async () => {
    const inner = await FaultyConnection.open(plain)
    const old: CoreConnection = {
      info: { version: '2.9.9', max_payload: 1_048_576 },
      publish: (...published) => inner.publish(...published),
      subscribe: (...subscribed) => inner.subscribe(...subscribed),
      request: (...requested) => inner.request(...requested),
      status: () => inner.status(),
      isClosed: () => inner.isClosed(),
      close: () => inner.close(),
    }
    await expect(JetStreamConnection.open({ connection: old })).rejects.toThrow(
      /nats-server 2\.9\.9 is too old; at least 2\.9\.10/,
    )
    await inner.close()
  })

  test('compares versions by number', () => {
    expect(isVersionAtLeast('2.9.10', '2.9.9')).toBe(true)
    expect(isVersionAtLeast('2.10.0-beta.1', '2.9.21')).toBe(true)
    expect(isVersionAtLeast('2.9.9', '2.9.10')).toBe(false)
  })
})

let plain: NatsServer

beforeAll(async () => {
  plain = await NatsServer.start()
})

afterAll(async () => {
  await plain?.remove()
})

describe('a user', () => {
  test('with the documented permissions reads', async () => {
    const log = await JetStreamLog.open({ ...as('reader'), inboxPrefix: '_MILL' })
    const reader = await log.read('IN', 0, 0)
    expect((await take(reader, { count: 3 })).map(textOf)).toEqual(numbers(1, 3))
    await log.close()
  })

  test('who may not ask for a stream is told what to add', async () => {
    const log = await JetStreamLog.open({ ...as('reader'), inboxPrefix: '_MILL' })
    const asking = log.inspect('OTHER', 0)
    await expect(asking).rejects.toBeInstanceOf(ConfigError)
    await expect(asking).rejects.toThrow(
      /user "reader" may not publish to "\$JS\.API\.STREAM\.INFO\.OTHER"; add it to the publish permissions/,
    )
    await log.close()
  })

  test('who may not receive answers is told so', async () => {
    const log = await JetStreamLog.open(as('reader'))
    await expect(log.inspect('IN', 0)).rejects.toThrow(/may not subscribe to "_INBOX\./)
    await log.close()
  })

  test('who may not pull is told so', async () => {
    const log = await JetStreamLog.open(as('nopull'))
    const reader = await log.read('IN', 0, 0)
    await expect(within(reader.ready(), 'nothing was said')).rejects.toThrow(
      /may not publish to "\$JS\.API\.CONSUMER\.MSG\.NEXT\.IN\./,
    )
    await log.close()
  })

  test('who may not write results is told so', async () => {
    const sink = new JetStreamSink({ ...as('nowrite'), stream: 'OUT', subject: 'out' })
    await sink.open(ownerOf('run'), undefined)
    const delivering = sink.deliver(rowsOf(1, 3))
    await expect(delivering).rejects.toBeInstanceOf(ConfigError)
    await expect(delivering).rejects.toThrow(/user "nowrite" may not publish to "out"/)
    await sink.close()
  })
})
