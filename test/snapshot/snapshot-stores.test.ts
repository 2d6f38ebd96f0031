import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError, StateError, UnavailableError } from '../../runtime/errors.ts'
import { FolderStore } from '../../runtime/snapshot/folder-store.ts'
import { JetStreamStore } from '../../runtime/snapshot/jetstream-store.ts'
import { S3Store } from '../../runtime/snapshot/s3-store.ts'
import { snapshotId } from '../../runtime/snapshot/snapshot.ts'
import { snapshotStoreConformance } from '../conformance/snapshot-store-conformance.ts'
import { Admin } from '../support/jetstream.ts'
import { MemorySnapshotStore } from '../support/memory-snapshot-store.ts'
import { NatsServer } from '../support/nats-server.ts'
import { S3Server } from '../support/s3-server.ts'

snapshotStoreConformance('a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-snapshots-'))
  return {
    open: () => new FolderStore(join(folder, 'made/by/itself')),
    close: () => rm(folder, { recursive: true, force: true }),
  }
})

snapshotStoreConformance('memory', async () => {
  const store = new MemorySnapshotStore()
  return await Promise.resolve({ open: () => store, close: () => Promise.resolve() })
})

let s3: S3Server
let nats: NatsServer
beforeAll(async () => {
  s3 = await S3Server.start()
  nats = await NatsServer.start()
})
afterAll(async () => {
  await s3.stop()
  await nats.remove()
})

let prefixes = 0
snapshotStoreConformance('an S3 bucket', async () => {
  const prefix = `test ${++prefixes}/of & more/`
  return await Promise.resolve({
    open: () => new S3Store({ ...s3.options, prefix }),
    close: () => Promise.resolve(),
  })
})

let streams = 0
const jetStream = (stream: string): JetStreamStore =>
  new JetStreamStore({ connection: { servers: nats.url }, stream })

snapshotStoreConformance('a JetStream stream', async () => {
  const stream = `SNAPSHOTS-${++streams}`
  const opened: JetStreamStore[] = []
  return await Promise.resolve({
    open: () => {
      const store = jetStream(stream)
      opened.push(store)
      return store
    },
    close: async () => {
      for (const store of opened) await store.close()
    },
  })
})

const id = snapshotId({ job: 'films', stateCreatedAt: 1, generation: 0, epoch: 1 })

test('a folder that cannot be made says so, and that it may pass', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-snapshots-'))
  await writeFile(join(folder, 'file'), '')
  const store = new FolderStore(join(folder, 'file', 'snapshots'))
  const putting = store.putPart(id, 'part', Buffer.from('x'))
  await expect(putting).rejects.toThrow(UnavailableError)
  await expect(putting).rejects.toThrow(/cannot be written: ENOTDIR.*Make room there/s)
  await rm(folder, { recursive: true })
})

test('what else lies in the folder is no snapshot and stays there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-snapshots-'))
  await mkdir(join(folder, 'films'))
  await writeFile(join(folder, 'notes.txt'), 'mine')
  await chmod(join(folder, 'notes.txt'), 0o400)
  const store = new FolderStore(folder)
  expect([await store.list(), await store.torn()]).toEqual([[], []])
  await rm(folder, { recursive: true })
})

describe('a bucket', () => {
  const part = Buffer.from('part')

  test.each([
    ['with a wrong secret', { secretAccessKey: 'wrong' }, /403 SignatureDoesNotMatch/],
    ['that is not there', { bucket: 'others' }, /404 NoSuchBucket/],
  ])('%s is refused with what to check', async (_, change, message) => {
    const store = new S3Store({ ...s3.options, ...change, prefix: '' })
    await expect(store.putPart(id, 'part', part)).rejects.toThrow(ConfigError)
    await expect(store.readManifest(id)).rejects.toThrow(ConfigError)
    await expect(store.list()).rejects.toThrow(message)
  })

  test('that is away may be back', async () => {
    const store = new S3Store({ ...s3.options, endpoint: 'http://127.0.0.1:9', prefix: '' })
    await expect(store.putPart(id, 'part', part)).rejects.toThrow(UnavailableError)
    await expect(store.list()).rejects.toThrow(/does not answer/)
  })

  test('that is full or fails is asked again, and may take it later', async () => {
    const store = new S3Store({ ...s3.options, prefix: 'busy/' })
    s3.problem = { status: 503, code: 'SlowDown' }
    const before = s3.requests.length
    const putting = store.putPart(id, 'part', part)
    await expect(putting).rejects.toThrow(UnavailableError)
    expect(s3.requests.length - before).toBe(5)
    s3.problem = undefined
    await store.putPart(id, 'part', part)
    expect(await store.torn()).toMatchObject([{ id }])
  })

  test('publishes once when two do so at the same moment', async () => {
    const stores = [1, 2].map(() => new S3Store({ ...s3.options, prefix: 'race/' }))
    const both = await Promise.allSettled(
      stores.map((store, i) => store.publish(id, Buffer.from(`${i}`))),
    )
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('a stream', () => {
  const full = 'TOO-SMALL'

  test('that is full takes nothing and keeps what it has', async () => {
    const admin = await Admin.open(nats)
    await admin.makeStream(full, { subjects: [`${full}.>`], discard: 'new', max_bytes: 100_000 })
    const store = jetStream(full)
    await store.putPart(id, 'small', Buffer.from('small'))
    await store.publish(id, Buffer.from('manifest'))
    const other = snapshotId({ job: 'films', stateCreatedAt: 1, generation: 0, epoch: 2 })
    const putting = store.putPart(other, 'large', Buffer.alloc(300_000))
    await expect(putting).rejects.toThrow(UnavailableError)
    await expect(putting).rejects.toThrow(/maximum bytes/)
    expect(Buffer.from(await store.readManifest(id)).toString()).toBe('manifest')
    await store.close()
    await admin.connection.close()
  })

  test.each([
    ['forgets by age', { max_age: 60_000_000_000 }, /by their age/],
    ['is of something else', { subjects: ['others'] }, /does not take/],
    ['drops what is old', { discard: 'old' as const, max_bytes: 1e6 }, /when it is full/],
  ])('that %s is refused', async (name, config, message) => {
    const stream = `WRONG-${name.replaceAll(' ', '-')}`
    const admin = await Admin.open(nats)
    await admin.makeStream(stream, { subjects: [`${stream}.>`], ...config })
    const store = jetStream(stream)
    await expect(store.list()).rejects.toThrow(ConfigError)
    await expect(store.list()).rejects.toThrow(message)
    await store.close()
    await admin.connection.close()
  })

  test('of which a chunk is gone says so, and not that all is well', async () => {
    const stream = 'LOSES'
    const store = jetStream(stream)
    await store.putPart(id, 'part', Buffer.alloc(300_000, 'x'))
    const admin = await Admin.open(nats)
    await admin.api.deleteMessage(stream, 2)
    const reading = async (): Promise<void> => {
      for await (const _ of store.readPart(id, 'part')) continue
    }
    await expect(reading()).rejects.toThrow(StateError)
    await expect(reading()).rejects.toThrow(/has 2 of 3 chunks left/)
    await store.close()
    await admin.connection.close()
  })

  test('takes nothing into a part that comes late from a process that is gone', async () => {
    const stream = 'LATE'
    const store = jetStream(stream)
    await store.putPart(id, 'part', Buffer.from('in time'))
    const admin = await Admin.open(nats)
    const [chunk = ''] = await admin.api.subjects(stream, `${stream}.chunk.>`)
    for (const subject of [chunk, `${stream}.chunk.${id}.another`]) {
      await admin.appendTexts(subject, ['late'])
    }
    const pieces: Uint8Array[] = []
    for await (const piece of store.readPart(id, 'part')) pieces.push(piece)
    expect(Buffer.concat(pieces).toString()).toBe('in time')
    await store.remove(id)
    expect(await admin.api.subjects(stream, `${stream}.>`)).toEqual([])
    await store.close()
    await admin.connection.close()
  })

  test('that is away may be back', async () => {
    const store = new JetStreamStore({ connection: { servers: 'nats://127.0.0.1:9' }, stream: 'X' })
    await expect(store.list()).rejects.toThrow(UnavailableError)
    await store.close()
  })
})
