import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LmdbStore } from '../../runtime/state/lmdb-store.ts'
import type { StoreReader, StoreView } from '../../runtime/state/store.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const KEYS = 3_000
/** Dozens of commits, each of them flushed: on a slow disk that takes a while. */
const PATIENCE_MS = 120_000
const ALL = { start: Buffer.alloc(1), end: Buffer.alloc(64, 0xff) }
let folder: string
let store: LmdbStore

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-view-'))
  store = new LmdbStore(join(folder, 'store'))
})
afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true, force: true })
})

const rowsOf = (reader: StoreReader): string[] =>
  (['meta', 'epochs', 'state', 'timers', 'outbox'] as const).flatMap((table) =>
    reader
      .range(table, ALL)
      .map(
        ({ key, value }) =>
          `${table} ${Buffer.from(key).toString('hex')} ${Buffer.from(value).toString('hex')}`,
      ),
  )

async function pagesOf(view: StoreView, pieceBytes: number): Promise<Buffer> {
  const { pages } = view
  if (pages === undefined) throw new Error('the view has no pages')
  const all = Buffer.alloc(pages.length)
  for (let at = 0; at < all.length; at += pieceBytes) {
    await pages.read(all.subarray(at, at + pieceBytes), at)
  }
  return all
}

test(
  'the pages of a view open elsewhere as the store that was, however much is written meanwhile',
  async () => {
    const seed = newSeed()
    console.log(`seed ${seed}`)
    const random = randomFrom(seed)
    const below = (limit: number): number => Math.floor(random() * limit)
    const change = async (epoch: number): Promise<void> => {
      await store.commit((writer) => {
        for (let i = 0; i < 400; i++) {
          const key = Buffer.from(`key ${below(KEYS)}`)
          if (below(4) === 0) writer.remove('state', key)
          else writer.put('state', key, Buffer.alloc(1 + below(3_000), epoch))
        }
        writer.put('meta', Buffer.from('epoch'), Buffer.from(String(epoch)))
        writer.put('outbox', Buffer.from(`${epoch}`), Buffer.alloc(below(9_000)))
        writer.remove('outbox', Buffer.from(`${epoch - 2}`))
      })
      await store.flushed()
    }
    let epoch = 1
    for (; epoch < 8; epoch++) await change(epoch)
    for (let round = 0; round < 4; round++) {
      const view = store.view()
      const expected = rowsOf(view)
      let isOver = false
      const writing = (async () => {
        while (!isOver) await change(epoch++)
      })()
      const before = epoch
      let pages = await pagesOf(view, 20_000)
      while (epoch < before + 6) pages = await pagesOf(view, 20_000)
      isOver = true
      await writing
      expect(rowsOf(view)).toEqual(expected)
      view.close()
      const copyFolder = join(folder, `copy-${round}`)
      const copy = await openCopy(copyFolder, pages)
      expect(rowsOf(copy)).toEqual(expected)
      // It is a store like any other.
      await copy.commit((writer) => {
        for (let i = 0; i < KEYS; i++)
          writer.put('state', Buffer.from(`key ${i}`), Buffer.alloc(900))
      })
      expect(rowsOf(copy).filter((row) => row.startsWith('state'))).toHaveLength(KEYS)
      await copy.close()
      for (let i = 0; i < 3; i++) await change(epoch++)
    }
  },
  PATIENCE_MS,
)

async function openCopy(at: string, pages: Buffer): Promise<LmdbStore> {
  const empty = new LmdbStore(at)
  await empty.close()
  await writeFile(join(at, 'data.mdb'), pages)
  return new LmdbStore(at)
}

test('a view ends with its store, and says so', async () => {
  await store.commit((writer) => writer.put('state', Buffer.from('a'), Buffer.alloc(100_000)))
  const view = store.view()
  const reading = pagesOf(view, 4_096)
  await store.close()
  await expect(reading).rejects.toThrow(/closed while it was being copied/)
  expect(() => view.range('state', ALL)).toThrow(/closed while it was being copied/)
  view.close()
  store = new LmdbStore(join(folder, 'store'))
  expect(rowsOf(store)).toHaveLength(1)
})
