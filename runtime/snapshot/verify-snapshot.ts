/** Checks a snapshot part by part, as a restore does, with all that it stands on. */
import { createHash } from 'node:crypto'
import { reasonOf, StateError } from '../errors.ts'
import type { Clock } from '../time/clock.ts'
import { readChain } from './chain.ts'
import { DamagedSnapshotError } from './damaged-snapshot.ts'
import { decodeManifest } from './manifest-codec.ts'
import { partsOf, type SnapshotManifest, type SnapshotPart } from './snapshot.ts'
import type { SnapshotStore } from './snapshot-store.ts'

/** @throws StateError when it is not there, damaged, or of a newer format. */
export async function readManifestOf(store: SnapshotStore, id: string): Promise<SnapshotManifest> {
  return decodeManifest(id, await store.readManifest(id))
}

/** Pieces that are read before other work of the process gets its turn. */
const PIECES_AT_ONCE = 4

/**
 * The bytes of a part in pieces, checked when the last one was asked for: until then they may be anything.
 * @throws StateError when it is missing or changed.
 */
export async function* checkedPieces(
  store: SnapshotStore,
  id: string,
  part: SnapshotPart,
  clock: Clock,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let length = 0
  let pieces = 0
  for await (const piece of store.readPart(id, part.name)) {
    hash.update(piece)
    length += piece.length
    if (length > part.length) break
    yield piece
    if (++pieces % PIECES_AT_ONCE === 0) await clock.breathe()
  }
  if (length !== part.length) {
    const found = length > part.length ? 'more' : length
    throw new DamagedSnapshotError(
      id,
      `part ${part.name} has ${found} bytes, and ${part.length} were written`,
    )
  }
  if (hash.digest('hex') !== part.sha256) {
    throw new DamagedSnapshotError(
      id,
      `part ${part.name} is not what was written: its checksum differs`,
    )
  }
}

/** The bytes of a part, checked. @throws StateError when it is missing or changed. */
export async function readCheckedPart(
  store: SnapshotStore,
  id: string,
  part: SnapshotPart,
  clock: Clock,
): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(part.length)
  let length = 0
  for await (const piece of checkedPieces(store, id, part, clock)) {
    bytes.set(piece, length)
    length += piece.length
  }
  return bytes
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
      for await (const _ of checkedPieces(store, manifest.id, part, clock)) continue
    } catch (error) {
      if (!(error instanceof StateError)) throw error
      problems.push(reasonOf(error))
    }
  }
  return problems
}
