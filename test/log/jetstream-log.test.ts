/** JetStream streams as a Log, on a real nats-server. */
import { afterAll, beforeAll } from 'vitest'
import { JetStreamLog } from '../../runtime/log/jetstream-log.ts'
import { encodeHeaders, JetStreamPublisher } from '../../runtime/log/jetstream-publisher.ts'
import { logConformance } from '../conformance/log-conformance.ts'
import { Admin, until } from '../support/jetstream.ts'
import { NatsServer } from '../support/nats-server.ts'

let server: NatsServer
let admin: Admin

beforeAll(async () => {
  server = await NatsServer.start()
  admin = await Admin.open(server)
})

afterAll(async () => {
  await admin?.close()
  await server?.remove()
})

logConformance('JetStreamLog', async () => {
  const log = await JetStreamLog.open({ servers: server.url })
  const made = new Set<string>()
  return {
    log,
    partitionsMax: 1,
    async create(stream) {
      await admin.makeStream(stream)
      made.add(stream)
    },
    async append(stream, _partition, messages) {
      const publisher = new JetStreamPublisher(admin.connection, stream.toLowerCase(), 500)
      const headers = encodeHeaders({})
      const { problem } = await publisher.publish(messages.length, (index) => ({
        data: messages[index] ?? new Uint8Array(),
        headers,
      }))
      publisher.close()
      if (problem !== undefined) throw new Error(JSON.stringify(problem))
    },
    purge: (stream, upTo) => admin.api.purgeStream(stream, upTo + 1),
    async recreate(stream) {
      await admin.api.deleteStream(stream)
      await until(
        async () => (await admin.api.streamInfo(stream)) === undefined,
        'a deleted stream',
      )
      await admin.makeStream(stream)
      await until(async () => (await admin.lastSequence(stream)) === 0, 'an empty stream')
    },
    async close() {
      await log.close()
      for (const stream of made) await admin.api.deleteStream(stream)
    },
  }
})
