/** Checks a snapshot part by part, as a restore does. */
import { reasonOf, StateError } from '../errors.ts'
import type { Clock } from '../time/clock.ts'
import { DamagedSnapshotError } from './damaged-snapshot.ts'
import { partProblem } from './digest.ts'
import { decodeManifest } from './manifest-codec.ts'
import { partsOf, type SnapshotManifest, type SnapshotPart } from './snapshot.ts'
import type { SnapshotStore } from './snapshot-store.ts'

/** @throws StateError when it is not there, damaged, or of a newer format. */
export async function readManifestOf(store: SnapshotStore, id: string): Promise<SnapshotManifest> {
  return decodeManifest(id, await store.readManifest(id))
}

/** The bytes of a part, checked. @throws StateError when it is missing or changed. */
export async function readCheckedPart(
  store: SnapshotStore,
  id: string,
  part: SnapshotPart,
  clock: Clock,
): Promise<Uint8Array> {
  const bytes = await store.readPart(id, part.name)
  const problem = await partProblem(part, bytes, clock)
  if (problem === undefined) return bytes
  throw new DamagedSnapshotError(id, problem)
}

/** Every problem of a snapshot; none when it is what was written. */
export async function verifySnapshot(
  store: SnapshotStore,
  id: string,
  clock: Clock,
): Promise<string[]> {
  const problems: string[] = []
  try {
    for (const part of partsOf(await readManifestOf(store, id))) {
      try {
        await readCheckedPart(store, id, part, clock)
      } catch (error) {
        if (!(error instanceof StateError)) throw error
        problems.push(reasonOf(error))
      }
    }
  } catch (error) {
    if (!(error instanceof StateError)) throw error
    problems.push(reasonOf(error))
  }
  return problems
}
