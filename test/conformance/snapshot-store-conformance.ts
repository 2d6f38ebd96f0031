/** What every SnapshotStore keeps (N1 to N3 of snapshot-store.ts), as tests that each implementation runs. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StateError } from '../../runtime/errors.ts'
import { DamagedSnapshotError } from '../../runtime/snapshot/damaged-snapshot.ts'
import { snapshotId } from '../../runtime/snapshot/snapshot.ts'
import type { SnapshotStore } from '../../runtime/snapshot/snapshot-store.ts'

/** A place of its own, empty at first. */
export interface SnapshotStoreFixture {
  /** Opens it, as another process would. */
  open(): SnapshotStore
  close(): Promise<void>
}

const idOf = (epoch: number, job = 'films'): string =>
  snapshotId({ job, stateCreatedAt: 1_700_000_000_123, generation: 0, epoch })
const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (found: Uint8Array): string => Buffer.from(found).toString()

async function whole(store: SnapshotStore, id: string, name: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of store.readPart(id, name)) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

export function snapshotStoreConformance(
  name: string,
  make: () => Promise<SnapshotStoreFixture>,
): void {
  describe(`${name} as a snapshot store`, () => {
    let fixture: SnapshotStoreFixture
    let store: SnapshotStore
    const id = idOf(7)

    beforeEach(async () => {
      fixture = await make()
      store = fixture.open()
    })
    afterEach(() => fixture.close())

    const publish = async (of = id): Promise<void> => {
      await store.putPart(of, 'task-0.000000', bytes(`part of ${of}`))
      await store.publish(of, bytes(`manifest of ${of}`))
    }

    it('starts empty', async () => {
      expect(await store.list()).toEqual([])
      expect(await store.torn()).toEqual([])
      await expect(store.readManifest(id)).rejects.toThrow(StateError)
    })

    it('gives back what was published, also to who opens it later', async () => {
      await publish()
      for (const reader of [store, fixture.open()]) {
        expect(await reader.list()).toEqual([id])
        expect(text(await reader.readManifest(id))).toBe(`manifest of ${id}`)
        expect(text(await whole(reader, id, 'task-0.000000'))).toBe(`part of ${id}`)
      }
    })

    it('lists nothing of what is not published (N1)', async () => {
      await store.putPart(id, 'task-0.000000', bytes('part'))
      expect(await store.list()).toEqual([])
      await expect(store.readManifest(id)).rejects.toThrow(StateError)
      expect((await store.torn()).map((torn) => torn.id)).toEqual([id])
    })

    it('no longer counts as torn what was published', async () => {
      await publish()
      expect(await store.torn()).toEqual([])
    })

    it('replaces a part that was put before, as long as nothing is published', async () => {
      await store.putPart(id, 'task-0.000000', bytes('a longer part of a snapshot that ended'))
      await publish()
      expect(text(await whole(store, id, 'task-0.000000'))).toBe(`part of ${id}`)
    })

    it('never changes what is published (N3)', async () => {
      await publish()
      await expect(store.publish(id, bytes('another'))).rejects.toThrow(StateError)
      await expect(store.putPart(id, 'task-0.000000', bytes('another'))).rejects.toThrow(StateError)
      expect(text(await store.readManifest(id))).toBe(`manifest of ${id}`)
      expect(text(await whole(store, id, 'task-0.000000'))).toBe(`part of ${id}`)
    })

    it('names a part that is not there as damage', async () => {
      await publish()
      await expect(whole(store, id, 'task-0.000001')).rejects.toThrow(DamagedSnapshotError)
    })

    it('lists in the order of the moments', async () => {
      for (const epoch of [30, 4, 200]) await publish(idOf(epoch))
      expect(await store.list()).toEqual([idOf(4), idOf(30), idOf(200)])
    })

    it('keeps jobs apart whose names would be one path or prefix', async () => {
      const jobs = ['a', 'a.b', 'a/b', '../a', 'ä ~']
      for (const job of jobs) await publish(idOf(1, job))
      expect(new Set(await store.list()).size).toBe(jobs.length)
      for (const job of jobs) {
        expect(text(await store.readManifest(idOf(1, job)))).toBe(`manifest of ${idOf(1, job)}`)
      }
    })

    it('removes what is published and what is torn, and may be asked again', async () => {
      await publish()
      await store.putPart(idOf(8), 'task-0.000000', bytes('torn'))
      for (const each of [id, idOf(8), id]) await store.remove(each)
      expect(await store.list()).toEqual([])
      expect(await store.torn()).toEqual([])
      await publish()
      expect(await store.list()).toEqual([id])
    })

    it('takes an empty part and one of some megabytes', async () => {
      const large = Buffer.alloc(5_000_000, 'abc')
      await store.putPart(id, 'empty', bytes(''))
      await store.putPart(id, 'large', large)
      await store.publish(id, bytes('manifest'))
      expect(await whole(store, id, 'empty')).toHaveLength(0)
      expect(large.equals(await whole(store, id, 'large'))).toBe(true)
    })

    it('does not keep the caller from using its buffer again', async () => {
      const buffer = Buffer.from('first')
      await store.putPart(id, 'one', buffer)
      buffer.write('other')
      await store.putPart(id, 'two', buffer)
      expect(text(await whole(store, id, 'one'))).toBe('first')
    })
  })
}
