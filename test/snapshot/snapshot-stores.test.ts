import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { UnavailableError } from '../../runtime/errors.ts'
import { FolderStore } from '../../runtime/snapshot/folder-store.ts'
import { snapshotId } from '../../runtime/snapshot/snapshot.ts'
import { snapshotStoreConformance } from '../conformance/snapshot-store-conformance.ts'
import { MemorySnapshotStore } from '../support/memory-snapshot-store.ts'

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
