/** Copies a snapshot to another store; every part is checked on its way, and the manifest comes last. */
import type { Clock } from '../time/clock.ts'
import { encodeManifest } from './manifest-codec.ts'
import { partsOf } from './snapshot.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import { readCheckedPart, readManifestOf } from './verify-snapshot.ts'

/** @throws StateError when it is damaged, or the other store has it already; nothing is published then. */
export async function copySnapshot(
  from: SnapshotStore,
  to: SnapshotStore,
  id: string,
  clock: Clock,
): Promise<void> {
  const manifest = await readManifestOf(from, id)
  for (const part of partsOf(manifest)) {
    await to.putPart(id, part.name, await readCheckedPart(from, id, part, clock))
  }
  await to.publish(id, encodeManifest(manifest))
}
