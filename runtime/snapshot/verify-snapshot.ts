/** Checks a snapshot part by part, as a restore does, with all that it stands on. */
import { reasonOf, StateError } from '../errors.ts'
import type { Clock } from '../time/clock.ts'
import { readChain } from './chain.ts'
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

/**
 * Every problem of a snapshot and of those it stands on; none when all is what was written.
 * @param checked what was found before, by id; each snapshot is read once.
 */
export async function verifySnapshot(
  store: SnapshotStore,
  id: string,
  clock: Clock,
  checked = new Map<string, readonly string[]>(),
): Promise<string[]> {
  let chain: readonly SnapshotManifest[]
  try {
    chain = await readChain(store, id)
  } catch (error) {
    if (!(error instanceof StateError)) throw error
    return [reasonOf(error)]
  }
  const problems: string[] = []
  for (const manifest of chain) {
    const found = checked.get(manifest.id) ?? (await partProblems(store, manifest, clock))
    checked.set(manifest.id, found)
    problems.push(...found)
  }
  return problems
}

async function partProblems(
  store: SnapshotStore,
  manifest: SnapshotManifest,
  clock: Clock,
): Promise<string[]> {
  const problems: string[] = []
  for (const part of partsOf(manifest)) {
    try {
      await readCheckedPart(store, manifest.id, part, clock)
    } catch (error) {
      if (!(error instanceof StateError)) throw error
      problems.push(reasonOf(error))
    }
  }
  return problems
}
