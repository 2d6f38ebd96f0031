/** Length and checksum of a part, taken so that nothing else of the process has to wait for them. */
import { createHash } from 'node:crypto'
import type { Clock } from '../time/clock.ts'
import type { SnapshotPart } from './snapshot.ts'

/** What is hashed at once: about a millisecond. */
const PIECE_BYTES = 1024 * 1024

export type PartDigest = Omit<SnapshotPart, 'name'>

/** The bytes must not change meanwhile. */
export async function digestOf(bytes: Uint8Array, clock: Clock): Promise<PartDigest> {
  // Here and not by webcrypto's threads: handing it the bytes means a copy, which takes longer than the hash.
  const hash = createHash('sha256')
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    hash.update(bytes.subarray(at, at + PIECE_BYTES))
    await clock.breathe()
  }
  return { length: bytes.length, sha256: hash.digest('hex') }
}
