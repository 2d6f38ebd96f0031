/** What the doctor finds out about a real nats-server. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkNats, checkVersion } from '../../runtime/job/doctor-nats.ts'
import { JetStreamConnection } from '../../runtime/log/jetstream-connection.ts'
import { encodeHeaders, JetStreamPublisher } from '../../runtime/log/jetstream-publisher.ts'
import { JetStreamApi } from '../../runtime/log/jetstream-wire.ts'
import { NatsServer } from '../support/nats-server.ts'

let server: NatsServer
let admin: JetStreamConnection

const as = (user: string) => ({ servers: server.url, user, password: 'secret' })

beforeAll(async () => {
  server = await NatsServer.start({
    config: `authorization: { users: [
      { user: admin, password: secret },
      { user: nowrite, password: secret, permissions: { publish: { deny: ["in"] } } }
    ] }`,
  })
  admin = await JetStreamConnection.open(as('admin'))
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

describe('the doctor', () => {
  test('finds a healthy server and streams that can be read and written', async () => {
    const findings = await checkNats({
      ...as('admin'),
      streams: [
        { stream: 'IN', use: 'read' },
        { stream: 'IN', use: 'write', subject: 'in' },
        { stream: 'LATER', use: 'write' },
      ],
    })
    expect(findings.filter(({ level }) => level === 'problem')).toEqual([])
    const said = findings.map(({ what }) => what).join('\n')
    expect(said).toMatch(/JetStream is enabled/)
    expect(said).toMatch(/stream IN: messages 1\.\.3, retention limits, replicas 1/)
    expect(said).toMatch(/stream IN can be read/)
    expect(said).toMatch(/stream IN can be written on in/)
    expect(said).toMatch(/LATER does not exist yet/)
    expect(await new JetStreamApi(admin).streamInfo('IN')).toMatchObject({ state: { last_seq: 3 } })
  })

  test('finds a shared stream that forgets message ids too early', async () => {
    const streams = [
      { stream: 'IN', use: 'write shared', subject: 'in', duplicateWindowMs: 600_000 },
    ] as const
    const findings = await checkNats({ ...as('admin'), streams })
    expect(findings.filter(({ level }) => level === 'problem')).toMatchObject([
      { what: expect.stringMatching(/IN forgets message ids after 120000 ms, but 600000/) },
    ])
  })

  test('finds missing permissions and streams', async () => {
    const findings = await checkNats({
      ...as('nowrite'),
      streams: [
        { stream: 'NONE', use: 'read' },
        { stream: 'IN', use: 'write', subject: 'in' },
      ],
    })
    const problems = findings.filter(({ level }) => level === 'problem').map(({ what }) => what)
    expect(problems).toHaveLength(2)
    expect(problems[0]).toMatch(/stream NONE does not exist/)
    expect(problems[1]).toMatch(/user "nowrite" may not publish to "in"/)
  })

  test('finds a server that is away, or without JetStream', async () => {
    const [away] = await checkNats({ servers: 'nats://127.0.0.1:1' })
    expect(away).toMatchObject({ level: 'problem' })
    const without = await NatsServer.start({ jetStream: false })
    const findings = await checkNats({ servers: without.url })
    await without.remove()
    expect(findings.some(({ level }) => level === 'problem')).toBe(true)
    expect(findings.map(({ what }) => what).join('\n')).toMatch(/JetStream/)
  })

  test('knows versions with faults', () => {
    expect(checkVersion('2.10.21')).toMatchObject([{ level: 'problem' }])
    expect(checkVersion('2.9.10')).toHaveLength(2)
    expect(checkVersion('2.12.5')).toEqual([])
  })
})
