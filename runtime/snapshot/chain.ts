/**
 * A snapshot and those it stands on. The first one stands alone; each of the others holds what has changed
 * since the one before it.
 */
import { reasonOf, StateError } from '../errors.ts'
import { DamagedSnapshotError } from './damaged-snapshot.ts'
import { decodeManifest, sha256 } from './manifest-codec.ts'
import {
  type BaseSnapshot,
  bytesOf,
  bytesOfParts,
  type FileSnapshot,
  readSnapshotId,
  type SnapshotManifest,
} from './snapshot.ts'
import type { SnapshotStore } from './snapshot-store.ts'

/** From the one that stands alone to the one that is meant. */
export type SnapshotChain = readonly [SnapshotManifest, ...SnapshotManifest[]]

/** So many increments stand on each other before one stands alone again. */
const INCREMENTS_MAX = 8
/** Together they have at most this share of the bytes of what they stand on. */
const INCREMENTS_SHARE_MAX = 0.5
/** What a chain from outside may have; a manifest cannot make a reader walk for ever. */
const CHAIN_MAX = 1_000

/** @throws StateError when it, or one that it stands on, is not there, damaged, or of a newer format. */
export async function readChain(store: SnapshotStore, id: string): Promise<SnapshotChain> {
  let manifest = decodeManifest(id, await store.readManifest(id))
  const later: SnapshotManifest[] = []
  while (manifest.base !== undefined) {
    if (later.length >= CHAIN_MAX) {
      throw new DamagedSnapshotError(id, `more than ${CHAIN_MAX} snapshots stand on each other`)
    }
    later.unshift(manifest)
    manifest = await readBase(store, manifest, manifest.base)
  }
  return [manifest, ...later]
}

async function readBase(
  store: SnapshotStore,
  manifest: SnapshotManifest,
  base: BaseSnapshot,
): Promise<SnapshotManifest> {
  let found: SnapshotManifest
  try {
    const bytes = await store.readManifest(base.id)
    if (sha256(bytes) !== base.sha256) throw new StateError('it is another one by now')
    found = decodeManifest(base.id, bytes)
  } catch (error) {
    if (!(error instanceof StateError)) throw error
    const what = `it stands on ${base.id}, which cannot be used: ${reasonOf(error)}`
    throw new DamagedSnapshotError(manifest.id, what, { cause: error })
  }
  if (!mayStandOn(manifest, found)) {
    throw new DamagedSnapshotError(
      manifest.id,
      `it cannot stand on ${base.id}, which is another state's`,
    )
  }
  return found
}

/** Whether one is of a later moment of the same history. */
export function mayStandOn(later: SnapshotManifest, earlier: SnapshotManifest): boolean {
  return (
    later.job === earlier.job &&
    later.run === earlier.run &&
    later.stateCreatedAt === earlier.stateCreatedAt &&
    later.generation === earlier.generation &&
    later.tasks.length === earlier.tasks.length &&
    later.tasks.every(({ task, epoch }) =>
      earlier.tasks.some((other) => other.task === task && other.epoch <= epoch),
    )
  )
}

/** Whether another one may stand on the last of a chain. */
export function mayGrow([first, ...increments]: SnapshotChain): boolean {
  const bytes = increments.reduce((sum, manifest) => sum + bytesOf(manifest), 0)
  return increments.length < INCREMENTS_MAX && bytes <= bytesOf(first) * INCREMENTS_SHARE_MAX
}

/** How long a file of the state folder is in a snapshot. */
export const lengthOfFile = ({ from = 0, parts }: FileSnapshot): number =>
  from + bytesOfParts(parts)

/** Ids of a snapshot and of those it stands on; of what cannot be read, the id alone. */
export async function idsOfChain(store: SnapshotStore, id: string): Promise<string[]> {
  try {
    return (await readChain(store, id)).map((manifest) => manifest.id)
  } catch (error) {
    if (!(error instanceof StateError)) throw error
    return [id]
  }
}

/** Ids of the snapshots of the same state that stand on one. */
export async function standingOn(store: SnapshotStore, id: string): Promise<string[]> {
  const of = readSnapshotId(id)
  const standing: string[] = []
  for (const other of await store.list()) {
    const read = readSnapshotId(other)
    if (other <= id || read?.jobPart !== of?.jobPart || read?.generation !== of?.generation)
      continue
    if ((await idsOfChain(store, other)).includes(id)) standing.push(other)
  }
  return standing
}
