/** Snapshots that hold what has changed since another one, against copies of everything at the same moments. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ChangeLogs } from '../../runtime/snapshot/change-logs.ts'
import { readChain } from '../../runtime/snapshot/chain.ts'
import { copySnapshot } from '../../runtime/snapshot/copy-snapshot.ts'
import { DamagedSnapshotError } from '../../runtime/snapshot/damaged-snapshot.ts'
import { restoreSnapshot } from '../../runtime/snapshot/restore-snapshot.ts'
import { keepNewest } from '../../runtime/snapshot/retention.ts'
import { bytesOf, partsOf, type SnapshotManifest } from '../../runtime/snapshot/snapshot.ts'
import { takeSnapshot, type TakenSnapshot } from '../../runtime/snapshot/take-snapshot.ts'
import { verifySnapshot } from '../../runtime/snapshot/verify-snapshot.ts'
import { LmdbStore } from '../../runtime/state/lmdb-store.ts'
import { encodeRow } from '../../runtime/state/row-codec.ts'
import { type Store, STORE_TABLES, type StoreTable } from '../../runtime/state/store.ts'
import { type JobRow, NO_COUNTERS, writeEpochRow, writeJobRow } from '../../runtime/task/meta.ts'
import { MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { MemorySnapshotStore } from '../support/memory-snapshot-store.ts'
import { newSeed, randomFrom } from '../support/random.ts'

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
const CHANGED = ['state', 'timers', 'outbox'] as const
const clock = new ManualClock()

interface Change {
  readonly table: StoreTable
  readonly key: string
  /** Undefined removes the row. */
  readonly value?: unknown
}

let folder: string
let snapshots: MemorySnapshotStore
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-increments-'))
  snapshots = new MemorySnapshotStore()
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** A task's store with its log, as a job keeps them. */
class Scene {
  logs = new ChangeLogs()
  store: Store
  epoch = 0
  readonly #inner: () => Store
  readonly said: string[] = []

  constructor(inner: () => Store) {
    this.#inner = inner
    this.store = this.logs.over('0', inner())
  }

  async commit(changes: readonly Change[]): Promise<void> {
    const epoch = ++this.epoch
    await this.store.commit((writer) => {
      for (const { table, key, value } of changes) {
        if (value === undefined) writer.remove(table, Buffer.from(key))
        else writer.put(table, Buffer.from(key), encodeRow(value, epoch))
      }
      writeEpochRow(writer, {
        epoch,
        openings: 1,
        inputs: {},
        sinks: {},
        clock: 0,
        finished: false,
        counters: { ...NO_COUNTERS, records: epoch },
      })
      if (epoch === 1) writeJobRow(writer, JOB, epoch)
    })
    await this.store.flushed()
  }

  /** Closes and opens the store: in the same process, or in another one that knows nothing of the first. */
  async reopen(as: 'same process' | 'another'): Promise<void> {
    await this.store.close()
    if (as === 'another') this.logs = new ChangeLogs()
    this.store = this.logs.over('0', this.#inner())
  }

  async take(into = snapshots, kind: 'any' | 'whole' = 'any'): Promise<TakenSnapshot> {
    if (kind === 'any') this.logs.begin()
    const view = this.store.view()
    const cuts = [{ task: '0', epoch: this.epoch, view }]
    try {
      const base =
        kind === 'any'
          ? await this.logs.baseOf(cuts, into, (reason) => this.said.push(reason))
          : undefined
      const taken = await takeSnapshot({
        job: 'films',
        cuts,
        files: [],
        ...(base !== undefined && { base }),
        store: into,
        clock,
      })
      if (kind === 'any') this.logs.standOn(taken)
      return taken
    } finally {
      view.close()
    }
  }
}

let places = 0
async function restored(id: string, from = snapshots): Promise<string[]> {
  const stateDir = join(folder, `place-${++places}`)
  await mkdir(stateDir)
  await restoreSnapshot({
    store: from,
    chain: await readChain(from, id),
    stateDir,
    files: ['dead-letter.jsonl'],
    generation: 1,
    clock,
    adapt: (rows) => Promise.resolve(rows),
  })
  const store = new LmdbStore(join(stateDir, 'task-0'))
  const rows = contents(store)
  await store.close()
  return rows
}

const contents = (store: Pick<Store, 'range'>): string[] =>
  STORE_TABLES.flatMap((table) =>
    store
      .range(table, ALL)
      .map(
        ({ key, value }) =>
          `${table} ${Buffer.from(key).toString()} ${Buffer.from(value).toString('hex')}`,
      ),
  )

const rowsOf = (from: number, to: number, value: unknown): Change[] =>
  Array.from({ length: to - from }, (_, i) => ({ table: 'state', key: `key ${from + i}`, value }))

const seed = newSeed()
const random = randomFrom(seed)
const below = (limit: number): number => Math.floor(random() * limit)

/** Puts, puts again, removes, and now and then more keys than fit into a row of the log. */
function randomChanges(): Change[] {
  const count = below(20) === 0 ? 9_000 : below(40)
  return Array.from({ length: count }, () => {
    const table = CHANGED[below(CHANGED.length)] ?? 'state'
    const key = `${'k'.repeat(1 + below(3))}${below(count > 40 ? 9_000 : 120)}`
    return below(3) === 0 ? { table, key } : { table, key, value: random() }
  })
}

describe.each(['pages', 'rows'] as const)('over a copy of %s', (kind) => {
  const disk = new MemoryDisk()
  const open = (): Store =>
    kind === 'pages' ? new LmdbStore(join(folder, 'live')) : new MemoryStore(disk)

  test(`an increment restores to the rows of a whole copy (seed ${seed})`, async () => {
    const scene = new Scene(open)
    await scene.commit(rowsOf(0, 3_000, 'x'.repeat(100)))
    let increments = 0
    for (let round = 0; round < 25; round++) {
      for (let commits = below(5); commits >= 0; commits--) await scene.commit(randomChanges())
      if (below(5) === 0) await scene.reopen(below(2) === 0 ? 'another' : 'same process')
      const whole = new MemorySnapshotStore()
      await scene.take(whole, 'whole')
      const { manifest } = await scene.take()
      if (manifest.base !== undefined) increments += 1
      expect(await restored(manifest.id)).toEqual(await restored(manifest.id, whole))
    }
    expect(increments).toBeGreaterThan(10)
    expect(scene.said).toEqual([])
    await scene.store.close()
  }, 60_000)
})

describe('a snapshot', () => {
  let scene: Scene
  beforeEach(async () => {
    scene = new Scene(() => new LmdbStore(join(folder, 'live')))
    await scene.commit(rowsOf(0, 5_000, 'x'.repeat(100)))
  })
  afterEach(() => scene.store.close())

  /** Takes one after a small change. */
  const next = async (): Promise<SnapshotManifest> => {
    await scene.commit(rowsOf(0, 50, random()))
    return (await scene.take()).manifest
  }
  const flip = (id: string, name: string, at: number): void => {
    const bytes = snapshots.kept.get(id)?.parts.get(name) ?? new Uint8Array()
    bytes[at] = (bytes[at] ?? 0) ^ 0x10
  }

  test('of a state of which a hundredth has changed has far fewer bytes than the first', async () => {
    const first = await next()
    const second = await next()
    expect(second.base?.id).toBe(first.id)
    expect(bytesOf(second)).toBeLessThan(bytesOf(first) / 20)
  })

  test('stands alone after some increments, or when they outweigh what they stand on', async () => {
    const chain: (string | undefined)[] = []
    for (let i = 0; i < 20; i++) chain.push((await next()).base?.id)
    const alone = chain.flatMap((base, i) => (base === undefined ? [i] : []))
    expect(alone).toEqual([0, 9, 18])
    await scene.commit(rowsOf(0, 5_000, 'y'.repeat(400)))
    const heavy = (await scene.take()).manifest
    expect(heavy.base).toBeDefined()
    expect((await next()).base).toBeUndefined()
  })

  test('stands alone when an epoch is not in the log', async () => {
    await next()
    await scene.store.close()
    const unlogged = scene.logs
    scene.logs = new ChangeLogs()
    const bare = new LmdbStore(join(folder, 'live'))
    scene.store = bare
    await scene.commit(rowsOf(0, 5, 'unlogged'))
    await bare.close()
    scene.logs = unlogged
    scene.store = scene.logs.over('0', new LmdbStore(join(folder, 'live')))
    const { id, base } = await next()
    expect(base).toBeUndefined()
    expect(await restored(id)).toContainEqual(expect.stringMatching(/^state key 49 /))
  })

  test('stands alone when the one before is gone, damaged or another one by now, and says why', async () => {
    const first = await next()
    await snapshots.remove(first.id)
    expect((await next()).base).toBeUndefined()
    const { id } = await next()
    const kept = snapshots.kept.get(id)
    if (kept !== undefined) kept.manifest = Buffer.from('{}')
    expect((await next()).base).toBeUndefined()
    expect(scene.said).toEqual([
      expect.stringContaining('there is no snapshot'),
      expect.stringContaining('is damaged'),
    ])
  })

  test('stands alone when more has changed than the log may hold, which is then emptied', async () => {
    await next()
    for (let i = 0; i < 40; i++) await scene.commit(rowsOf(0, 4_000, i))
    expect((await next()).base).toBeUndefined()
    expect((await next()).base).toBeDefined()
    for (let i = 0; i < 3; i++) await scene.commit([])
    const log = scene.store.range('meta', { start: Buffer.from('changes '), end: Buffer.from('d') })
    expect(log.length).toBeLessThan(5)
  })

  test('is refused when any byte of it, or of what it stands on, differs (I10)', async () => {
    const ids = [(await next()).id, (await next()).id, (await next()).id]
    const newest = ids.at(-1) ?? ''
    for (const id of ids) {
      for (const { name, length } of partsOf(
        (await readChain(snapshots, id)).at(-1) as SnapshotManifest,
      )) {
        for (const at of [0, below(length), length - 1]) {
          flip(id, name, at)
          expect(await verifySnapshot(snapshots, newest, clock)).toHaveLength(1)
          await expect(restored(newest)).rejects.toThrow(DamagedSnapshotError)
          flip(id, name, at)
        }
      }
    }
    expect(await verifySnapshot(snapshots, newest, clock)).toEqual([])
    expect((await restored(newest)).length).toBeGreaterThan(5_000)
  })

  test('is refused when what it stands on is missing, changed, or of another state', async () => {
    const first = await next()
    const second = await next()
    const kept = snapshots.kept.get(first.id)
    const manifest = kept?.manifest ?? new Uint8Array()
    snapshots.kept.delete(first.id)
    await expect(restored(second.id)).rejects.toThrow(/stands on .* cannot be used: there is no/)
    expect(await verifySnapshot(snapshots, second.id, clock)).toHaveLength(1)
    await snapshots.publish(first.id, Buffer.concat([manifest, Buffer.from('\n')]))
    await expect(restored(second.id)).rejects.toThrow(/another one by now/)
    await expect(restored(second.id)).rejects.toThrow(DamagedSnapshotError)
  })

  test('is kept as long as one that is kept stands on it, and one more that stands on none of these', async () => {
    const ids: string[] = []
    for (let i = 0; i < 14; i++) ids.push((await next()).id)
    // Two stand alone: the first and the tenth.
    expect(await keepNewest(snapshots, 'films', 2)).toEqual([])
    expect(await keepNewest(snapshots, 'films', 1)).toEqual(ids.slice(0, 9))
    for (let i = 0; i < 5; i++) ids.push((await next()).id)
    expect(await keepNewest(snapshots, 'films', 1)).toEqual(ids.slice(9, 18))
    expect(await snapshots.list()).toEqual(ids.slice(18))
  })

  test('is copied with what it stands on; what is there stays', async () => {
    const [first, second, third] = [await next(), await next(), await next()]
    const other = new MemorySnapshotStore()
    await copySnapshot(snapshots, other, second.id, clock)
    await copySnapshot(snapshots, other, third.id, clock)
    expect(await other.list()).toEqual([first.id, second.id, third.id])
    expect(await restored(third.id, other)).toEqual(await restored(third.id))
  })

  test('begins a history without a log of the one before', async () => {
    await next()
    const { id } = await next()
    const rows = await restored(id)
    expect(rows.filter((row) => /^meta (changes|snapshot)/.test(row))).toEqual([])
  })
})

test('a file that grows is kept from where the one before ends', async () => {
  const scene = new Scene(() => new LmdbStore(join(folder, 'live')))
  const path = join(folder, 'dead-letter.jsonl')
  await writeFile(path, 'one\ntwo\nthree\n')
  const take = async (length: number, base?: TakenSnapshot): Promise<TakenSnapshot> => {
    await scene.commit(rowsOf(0, 10, length))
    const view = scene.store.view()
    const taken = await takeSnapshot({
      job: 'films',
      cuts: [{ task: '0', epoch: scene.epoch, view }],
      files: [{ name: 'dead-letter.jsonl', path, length }],
      ...(base !== undefined && { base }),
      store: snapshots,
      clock,
    })
    view.close()
    return taken
  }
  scene.logs.begin()
  const first = await take(4)
  const second = await take(14, first)
  const third = await take(14, second)
  expect(second.manifest.files).toMatchObject([{ from: 4, parts: [{ length: 10 }] }])
  expect(third.manifest.files).toMatchObject([{ from: 14, parts: [] }])
  await restored(third.manifest.id)
  const file = await readFile(join(folder, `place-${places}`, 'dead-letter.jsonl'), 'utf8')
  expect(file).toBe('one\ntwo\nthree\n')
  const elsewhere = {
    ...second.manifest,
    files: [{ name: 'dead-letter.jsonl', from: 5, parts: [] }],
  }
  const stateDir = join(folder, 'elsewhere')
  await mkdir(stateDir)
  const restoring = restoreSnapshot({
    store: snapshots,
    chain: [first.manifest, elsewhere],
    stateDir,
    files: ['dead-letter.jsonl'],
    generation: 1,
    clock,
    adapt: (rows) => Promise.resolve(rows),
  })
  await expect(restoring).rejects.toThrow(/does not go on where it ended/)
  await scene.store.close()
})
