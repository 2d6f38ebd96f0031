/** Copies a snapshot to another store; every part is checked on its way, and the manifest comes last. */
import { StateError } from '../errors.ts'
import type { Clock } from '../time/clock.ts'
import { readChain } from './chain.ts'
import { encodeManifest } from './manifest-codec.ts'
import { partsOf } from './snapshot.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import { readCheckedPart } from './verify-snapshot.ts'

/**
 * Copies it with all that it stands on, the first one first; what is there already stays.
 * @throws StateError when one is damaged, or the other store has the snapshot itself, or another one
 * under an id; that one is not published then.
 */
export async function copySnapshot(
  from: SnapshotStore,
  to: SnapshotStore,
  id: string,
  clock: Clock,
): Promise<void> {
  const there = new Set(await to.list())
  for (const manifest of await readChain(from, id)) {
    const bytes = encodeManifest(manifest)
    if (manifest.id !== id && there.has(manifest.id)) {
      if (Buffer.compare(await to.readManifest(manifest.id), bytes) === 0) continue
      throw new StateError(`${to.where} has another snapshot under the id ${manifest.id}`)
    }
    for (const part of partsOf(manifest)) {
      await to.putPart(
        manifest.id,
        part.name,
        await readCheckedPart(from, manifest.id, part, clock),
      )
    }
    await to.publish(manifest.id, bytes)
  }
}
