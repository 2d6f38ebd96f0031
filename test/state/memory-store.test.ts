import { describe, expect, it } from 'vitest'
import { MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'
import { storeConformance } from '../conformance/store-conformance.ts'

storeConformance('MemoryStore', async () => {
  const disk = new MemoryDisk()
  return { open: () => new MemoryStore(disk), close: async () => undefined }
})

const key = Buffer.from('n')
const commit = (store: MemoryStore, n: number): Promise<void> =>
  store.commit((writer) => writer.put('meta', key, Buffer.from([n])))
const newest = (disk: MemoryDisk): number | undefined => new MemoryStore(disk).get('meta', key)?.[0]

describe('a disk in memory', () => {
  it('forgets what was not flushed when power is lost, and nothing that was (S4)', async () => {
    const disk = new MemoryDisk()
    const store = new MemoryStore(disk)
    await commit(store, 1)
    await store.flushed()
    await commit(store, 2)
    await commit(store, 3)
    expect(newest(disk)).toBe(3)
    disk.losePower()
    expect(newest(disk)).toBe(1)
  })

  it('may keep commits that were not flushed, in their order (S2, S4)', async () => {
    const disk = new MemoryDisk()
    const store = new MemoryStore(disk)
    for (const n of [1, 2, 3]) await commit(store, n)
    disk.losePower(2)
    expect(newest(disk)).toBe(2)
  })

  it('keeps everything when a process is killed', async () => {
    const disk = new MemoryDisk()
    await commit(new MemoryStore(disk), 1)
    expect(newest(disk)).toBe(1)
  })

  it('is out of reach of a process that is dead', async () => {
    const disk = new MemoryDisk()
    const dead = new MemoryStore(disk)
    await commit(dead, 1)
    const next = disk.copy()
    await commit(dead, 2)
    await dead.flushed()
    expect(newest(next)).toBe(1)
  })

  it('fails one flush when told to, and makes nothing durable by it', async () => {
    const disk = new MemoryDisk()
    const store = new MemoryStore(disk)
    await commit(store, 1)
    disk.flushFailure = new Error('full')
    await expect(store.flushed()).rejects.toThrow('full')
    disk.losePower()
    expect(newest(disk)).toBeUndefined()
  })
})
