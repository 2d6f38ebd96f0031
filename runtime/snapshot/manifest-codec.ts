/**
 * Manifests as bytes. They come from outside when they are read again: nothing of one is believed before it
 * was checked, and no name in it is ever taken as a path.
 */
import { createHash } from 'node:crypto'
import { reasonOf, StateError } from '../errors.ts'
import { DamagedSnapshotError } from './damaged-snapshot.ts'
import { isManifest, isTree } from './manifest-guard.ts'
import { SNAPSHOT_FORMAT, type SnapshotManifest } from './snapshot.ts'

export function encodeManifest(manifest: SnapshotManifest): Uint8Array {
  const text = JSON.stringify(manifest)
  return Buffer.from(`${JSON.stringify({ manifest, sha256: sha256(text) }, undefined, 1)}\n`)
}

/** @throws StateError when it is damaged, of a newer format, or not the manifest of this snapshot. */
export function decodeManifest(id: string, bytes: Uint8Array): SnapshotManifest {
  const parsed = parse(id, bytes)
  if (!isTree(parsed) || !isTree(parsed['manifest'])) throw damaged(id)
  const { manifest } = parsed
  const format = manifest['format']
  if (typeof format === 'number' && format > SNAPSHOT_FORMAT) {
    throw new StateError(
      `snapshot ${id} has format ${format}, and this version of millrace reads up to ${SNAPSHOT_FORMAT}. Nothing was changed. Use the version that took it, or name an older snapshot.`,
    )
  }
  if (parsed['sha256'] !== sha256(JSON.stringify(manifest))) throw damaged(id)
  if (!isManifest(manifest) || manifest.id !== id) throw damaged(id)
  return manifest
}

function parse(id: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown
  } catch (error) {
    throw new DamagedSnapshotError(id, `its manifest cannot be read: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

const damaged = (id: string): DamagedSnapshotError =>
  new DamagedSnapshotError(id, 'its manifest is not what was written')

export const sha256 = (bytes: string | Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex')
