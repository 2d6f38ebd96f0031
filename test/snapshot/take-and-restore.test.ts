import { existsSync, readdirSync } from 'node:fs'
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { StateError, UnavailableError } from '../../runtime/errors.ts'
import { copySnapshot } from '../../runtime/snapshot/copy-snapshot.ts'
import { DamagedSnapshotError } from '../../runtime/snapshot/damaged-snapshot.ts'
import { readLineage } from '../../runtime/snapshot/lineage.ts'
import { restoreSnapshot } from '../../runtime/snapshot/restore-snapshot.ts'
import { collectTorn, keepNewest, snapshotsOf } from '../../runtime/snapshot/retention.ts'
import { decodeManifest, encodeManifest, sha256 } from '../../runtime/snapshot/manifest-codec.ts'
import { snapshotId, type SnapshotManifest } from '../../runtime/snapshot/snapshot.ts'
import { takeSnapshot } from '../../runtime/snapshot/take-snapshot.ts'
import { readManifestOf, verifySnapshot } from '../../runtime/snapshot/verify-snapshot.ts'
import { LmdbStore } from '../../runtime/state/lmdb-store.ts'
import { type Store, STORE_TABLES } from '../../runtime/state/store.ts'
import {
  type JobRow,
  NO_COUNTERS,
  readEpochRow,
  writeEpochRow,
  writeJobRow,
} from '../../runtime/task/meta.ts'
import { MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { MemorySnapshotStore } from '../support/memory-snapshot-store.ts'

const JOB: JobRow = {
  job: 'films',
  task: '0',
  run: 'r1',
  createdAt: 1_700_000_000_000,
  operators: { last: { number: 0, version: 1, cells: ['film:value'] } },
  destinations: { out: 0 },
  sources: ['ratings'],
}
const ALL = { start: Buffer.alloc(1), end: Buffer.alloc(64, 0xff) }
const clock = new ManualClock()

let folder: string
let snapshots: MemorySnapshotStore
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-restore-'))
  snapshots = new MemorySnapshotStore()
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function commitEpoch(store: Store, epoch: number, rows = 500): Promise<void> {
  await store.commit((writer) => {
    if (epoch === 1) writeJobRow(writer, JOB, epoch)
    writeEpochRow(writer, {
      epoch,
      openings: 1,
      inputs: {},
      sinks: {},
      clock: 0,
      finished: false,
      counters: { ...NO_COUNTERS, records: epoch },
    })
    for (let i = 0; i < rows; i++) {
      writer.put('state', Buffer.from(`key ${i} of ${epoch}`), Buffer.alloc(200, epoch))
    }
    writer.put('outbox', Buffer.from(`out ${epoch}`), Buffer.alloc(40_000, epoch))
  })
  await store.flushed()
}

const contents = (store: Pick<Store, 'range'>): string[] =>
  STORE_TABLES.flatMap((table) =>
    store
      .range(table, ALL)
      // A restore writes these two.
      .filter(({ key }) => !['lineage', 'job'].includes(Buffer.from(key).toString()))
      .map(({ key, value }) => `${table} ${Buffer.from(key).toString('hex')} ${sha256(value)}`),
  )

async function take(store: Store, epoch: number): Promise<SnapshotManifest> {
  const view = store.view()
  try {
    const cuts = [{ task: '0', epoch, view }]
    const taken = await takeSnapshot({ job: 'films', cuts, files: [], store: snapshots, clock })
    return taken.manifest
  } finally {
    view.close()
  }
}

const restore = (manifest: SnapshotManifest, stateDir: string): Promise<void> =>
  restoreSnapshot({
    store: snapshots,
    chain: [manifest],
    stateDir,
    files: ['dead-letter.jsonl'],
    generation: 3,
    clock,
    adapt: (rows) => Promise.resolve(rows),
  })

const place = async (name = 'state'): Promise<string> => {
  const stateDir = join(folder, name)
  await mkdir(stateDir, { recursive: true })
  return stateDir
}

describe.each(['pages', 'rows'] as const)('a snapshot made of %s', (kind) => {
  let store: Store
  beforeEach(async () => {
    store =
      kind === 'pages' ? new LmdbStore(join(folder, 'live')) : new MemoryStore(new MemoryDisk())
    for (let epoch = 1; epoch <= 3; epoch++) await commitEpoch(store, epoch)
  })
  afterEach(() => store.close())

  test('opens in another folder as the store that was cut', async () => {
    const expected = contents(store)
    const view = store.view()
    const cuts = [{ task: '0', epoch: 3, view }]
    const taking = takeSnapshot({ job: 'films', cuts, files: [], store: snapshots, clock })
    for (let epoch = 4; epoch <= 9; epoch++) await commitEpoch(store, epoch)
    const { manifest } = await taking
    view.close()
    expect(manifest.tasks).toMatchObject([{ task: '0', epoch: 3, kind }])
    const stateDir = await place()
    await restore(manifest, stateDir)
    const restored = new LmdbStore(join(stateDir, 'task-0'))
    expect(contents(restored).toSorted()).toEqual(expected.toSorted())
    expect(readLineage(restored)).toEqual({ generation: 3, restoredFrom: manifest.id })
    await restored.close()
    expect(readdirSync(stateDir)).toEqual(['task-0'])
  })

  test('is refused when any byte of it differs, and leaves nothing behind (I10)', async () => {
    const manifest = await take(store, 3)
    const { parts } = snapshots.kept.get(manifest.id) ?? { parts: new Map<string, Uint8Array>() }
    for (const [name, bytes] of new Map(parts)) {
      for (const at of [0, Math.floor(bytes.length / 2), bytes.length - 1]) {
        bytes[at] = (bytes[at] ?? 0) ^ 0x80
        expect(await verifySnapshot(snapshots, manifest.id, clock)).toHaveLength(1)
        const stateDir = await place()
        await expect(restore(manifest, stateDir)).rejects.toThrow(DamagedSnapshotError)
        expect(readdirSync(stateDir)).toEqual([])
        bytes[at] = (bytes[at] ?? 0) ^ 0x80
      }
      parts.set(name, bytes.subarray(0, -1))
      await expect(restore(manifest, await place())).rejects.toThrow(/bytes, and \d+ were written/)
      parts.delete(name)
      await expect(restore(manifest, await place())).rejects.toThrow(/is missing/)
      parts.set(name, bytes)
    }
    expect(await verifySnapshot(snapshots, manifest.id, clock)).toEqual([])
  })

  test('is not there when its store failed at any write, and nothing of it stays', async () => {
    let failAt = 1
    for (; ; failAt++) {
      snapshots.failAt = failAt
      try {
        await take(store, 3)
        break
      } catch (error) {
        expect(error).toBeInstanceOf(UnavailableError)
      }
      snapshots.failAt = Number.POSITIVE_INFINITY
      expect(await snapshots.list()).toEqual([])
      await collectTorn(snapshots, { job: 'films', stateCreatedAt: JOB.createdAt, now: 0 })
      expect(snapshots.kept.size).toBe(0)
    }
    expect(failAt).toBeGreaterThan(1)
    expect(await snapshots.list()).toHaveLength(1)
  })
})

describe('a restore', () => {
  let manifest: SnapshotManifest
  beforeEach(async () => {
    const store = new LmdbStore(join(folder, 'live'))
    await commitEpoch(store, 1)
    manifest = await take(store, 1)
    await store.close()
  })

  test('is refused where a state is, which stays as it is', async () => {
    const stateDir = await place()
    const store = new LmdbStore(join(stateDir, 'task-0'))
    await commitEpoch(store, 1)
    const before = contents(store)
    await store.close()
    await expect(restore(manifest, stateDir)).rejects.toThrow(/holds a state already/)
    const after = new LmdbStore(join(stateDir, 'task-0'))
    expect(contents(after)).toEqual(before)
    await after.close()
  })

  test('takes the place of a store in which nothing was ever committed', async () => {
    const stateDir = await place()
    await new LmdbStore(join(stateDir, 'task-0')).close()
    await restore(manifest, stateDir)
    const store = new LmdbStore(join(stateDir, 'task-0'))
    expect(readEpochRow(store)?.epoch).toBe(1)
    await store.close()
  })

  test('removes what a killed one has left', async () => {
    const stateDir = await place()
    await mkdir(join(stateDir, 'restoring', 'task-0'), { recursive: true })
    await writeFile(join(stateDir, 'restoring', 'task-0', 'data.mdb'), 'half')
    await restore(manifest, stateDir)
    expect(readdirSync(stateDir)).toEqual(['task-0'])
  })

  test.each([
    ['a task that is a path', { tasks: [{ ...taskOf(), task: '../../etc' }] }],
    ['a part that is a path', { tasks: [{ ...taskOf(), parts: [partOf('../secret')] }] }],
    ['a file that is a path', { files: [{ name: '/etc/passwd', parts: [] }] }],
    ['no task', { tasks: [] }],
    ['a part larger than any', { tasks: [{ ...taskOf(), parts: [partOf('a', 1e12)] }] }],
    ['a negative epoch', { tasks: [{ ...taskOf(), epoch: -1 }] }],
    ['a shape that is none', { shape: { job: 'films' } }],
  ])('does not believe a manifest with %s, though its checksum is right', (_, change) => {
    const bytes = encodeManifest({ ...manifest, ...change } as SnapshotManifest)
    expect(() => decodeManifest(manifest.id, bytes)).toThrow(DamagedSnapshotError)
  })

  test('does not write a file that no state has', async () => {
    const stateDir = await place()
    const strange = { ...manifest, files: [{ name: 'lock', parts: [] }] }
    await expect(restore(strange, stateDir)).rejects.toThrow(/holds a file lock/)
    expect(readdirSync(stateDir)).toEqual([])
  })

  test('refuses a newer format without calling it damage', () => {
    const newer = encodeManifest({ ...manifest, format: 3 })
    const decoding = (): unknown => decodeManifest(manifest.id, newer)
    expect(decoding).toThrow(/has format 3, and this version of millrace reads up to 2/)
    expect(decoding).not.toThrow(DamagedSnapshotError)
  })

  test('refuses a manifest that is cut, changed, or of another snapshot', () => {
    const bytes = Buffer.from(encodeManifest(manifest))
    for (const wrong of [
      bytes.subarray(0, -5),
      Buffer.from(bytes.toString().replace('"epoch": 1', '"epoch": 2')),
      Buffer.from(''),
      Buffer.from('[]'),
    ]) {
      expect(() => decodeManifest(manifest.id, wrong)).toThrow(DamagedSnapshotError)
    }
    const other = snapshotId({ job: 'films', stateCreatedAt: 1, generation: 0, epoch: 1 })
    expect(() => decodeManifest(other, bytes)).toThrow(DamagedSnapshotError)
  })

  test('of a copy in another store is the same', async () => {
    const other = new MemorySnapshotStore()
    await copySnapshot(snapshots, other, manifest.id, clock)
    expect(await readManifestOf(other, manifest.id)).toEqual(manifest)
    expect(await verifySnapshot(other, manifest.id, clock)).toEqual([])
    await expect(copySnapshot(snapshots, other, manifest.id, clock)).rejects.toThrow(StateError)
  })
})

test('a file that grows is kept as far as it was at the cut', async () => {
  const store = new LmdbStore(join(folder, 'live'))
  await commitEpoch(store, 1)
  const path = join(folder, 'dead-letter.jsonl')
  await writeFile(path, 'one\ntwo\n')
  await appendFile(path, 'three, half wri')
  const view = store.view()
  const { manifest } = await takeSnapshot({
    job: 'films',
    cuts: [{ task: '0', epoch: 1, view }],
    files: [{ name: 'dead-letter.jsonl', path, length: 8 }],
    store: snapshots,
    clock,
  })
  await store.close()
  const stateDir = await place()
  await restore(manifest, stateDir)
  expect(await readFile(join(stateDir, 'dead-letter.jsonl'), 'utf8')).toBe('one\ntwo\n')
  expect(existsSync(join(stateDir, 'task-0', 'data.mdb'))).toBe(true)
})

describe('retention', () => {
  const moment = { job: 'films', stateCreatedAt: 1_700_000_000_000, generation: 0, epoch: 1 }
  const put = async (change: Partial<typeof moment>): Promise<string> => {
    const id = snapshotId({ ...moment, ...change })
    await snapshots.publish(id, Buffer.from(id))
    return id
  }

  test('keeps the newest moments: later states, then later histories, then higher epochs', async () => {
    const ids = [
      await put({ epoch: 999_999 }),
      await put({ epoch: 1_000_000 }),
      await put({ generation: 1, epoch: 5 }),
      await put({ generation: 2, epoch: 4 }),
      await put({ stateCreatedAt: moment.stateCreatedAt + 1, epoch: 1 }),
    ]
    const other = await put({ job: 'films.other', epoch: 1 })
    expect(await snapshotsOf(snapshots, 'films')).toEqual(ids)
    expect(await keepNewest(snapshots, 'films', 2)).toEqual(ids.slice(0, 3))
    expect(await snapshots.list()).toEqual([...ids.slice(3), other].toSorted())
  })

  test('leaves what others are writing alone until it is old', async () => {
    const begin = async (change: Partial<typeof moment>): Promise<string> => {
      const id = snapshotId({ ...moment, ...change })
      await snapshots.putPart(id, 'part', Buffer.from('x'))
      return id
    }
    const own = await begin({})
    const copied = await begin({ stateCreatedAt: 5 })
    await begin({ job: 'other' })
    const options = { job: 'films', stateCreatedAt: moment.stateCreatedAt }
    expect(await collectTorn(snapshots, { ...options, now: 1_000 })).toEqual([own])
    expect(await collectTorn(snapshots, { ...options, now: 3_700_000 })).toEqual([copied])
    expect(await snapshots.torn()).toHaveLength(1)
  })
})

function taskOf(): SnapshotManifest['tasks'][number] {
  return { task: '0', epoch: 1, kind: 'pages', parts: [] }
}

function partOf(name: string, length = 1): SnapshotManifest['tasks'][number]['parts'][number] {
  return { name, length, sha256: '' }
}
