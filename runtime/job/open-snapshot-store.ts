/** Where a job's snapshots are kept, as its manifest says. Clients are only loaded by jobs that use them. */
import type { ResolvedManifest } from '../../config/manifest.ts'
import { FolderStore } from '../snapshot/folder-store.ts'
import type { SnapshotStore } from '../snapshot/snapshot-store.ts'
import type { Clock } from '../time/clock.ts'
import { jetStreamOptions } from './connections.ts'

/** Undefined when the manifest does not say. Nothing is asked of the place before it is used. */
export async function openSnapshotStore(
  { snapshots }: ResolvedManifest,
  clock: Clock,
): Promise<SnapshotStore | undefined> {
  if (snapshots === undefined) return undefined
  const { to } = snapshots
  if (to.kind === 'folder') return new FolderStore(to.path)
  if (to.kind === 'jetstream') {
    const { JetStreamStore } = await import('../snapshot/jetstream-store.ts')
    const { stream, replicas } = to
    const connection = jetStreamOptions(to.connection, clock)
    return new JetStreamStore({ connection, stream, ...(replicas !== undefined && { replicas }) })
  }
  const { S3Store } = await import('../snapshot/s3-store.ts')
  const { sessionToken, ...rest } = to
  return new S3Store({ ...rest, ...(sessionToken !== undefined && { sessionToken }) })
}
