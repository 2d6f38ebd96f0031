/** A file that is looked at while another process writes it. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { damageOf } from '../../runtime/state/lmdb-file.ts'
import { LmdbStore } from '../../runtime/state/lmdb-store.ts'

/** Called before the first read. */
let beforeReading = (): void => undefined
vi.mock(import('node:fs'), async (load) => {
  const fs = await load()
  const read = (...args: Parameters<typeof fs.readSync>): number => {
    beforeReading()
    return fs.readSync(...args)
  }
  return { ...fs, readSync: read as typeof fs.readSync }
})

const folder = mkdtempSync(join(tmpdir(), 'millrace-lmdb-file-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a file that grows while its heads are read is not damaged', async () => {
  const [path, later, seen] = ['data.mdb', 'later', 'seen'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const store = new LmdbStore(folder)
  await store.commit((writer) => writer.put('state', Buffer.from('first'), Buffer.alloc(10)))
  await store.flushed()
  copyFileSync(path, seen)
  await store.commit((writer) => {
    for (let i = 0; i < 1_000; i++) {
      writer.put('state', Buffer.from(`later ${i}`), Buffer.alloc(1_000))
    }
  })
  await store.flushed()
  copyFileSync(path, later)
  await store.close()
  beforeReading = () => {
    beforeReading = () => undefined
    copyFileSync(later, seen)
  }
  expect(damageOf(seen)).toBeUndefined()
})
