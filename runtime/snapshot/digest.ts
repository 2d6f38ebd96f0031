/** Length and checksums of a part, taken so that nothing else of the process has to wait for them. */
import { webcrypto } from 'node:crypto'
import { crc32 } from '../state/crc32.ts'
import type { Clock } from '../time/clock.ts'
import type { SnapshotPart } from './snapshot.ts'

const PIECE_BYTES = 1024 * 1024

export type PartDigest = Omit<SnapshotPart, 'name'>

/** The bytes must not change meanwhile. */
export async function digestOf(bytes: Uint8Array, clock: Clock): Promise<PartDigest> {
  // In a thread of its own, where createHash would keep this one.
  const hashing = webcrypto.subtle.digest('SHA-256', bytes)
  let crc = 0
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    crc = crc32(bytes.subarray(at, at + PIECE_BYTES), 0, crc)
    await clock.breathe()
  }
  const sha256 = Buffer.from(await hashing).toString('hex')
  return { length: bytes.length, crc32: crc, sha256 }
}

/** How the bytes of a part differ from what its manifest says, or undefined. */
export async function partProblem(
  part: SnapshotPart,
  bytes: Uint8Array,
  clock: Clock,
): Promise<string | undefined> {
  if (bytes.length !== part.length) {
    return `part ${part.name} has ${bytes.length} bytes, and ${part.length} were written`
  }
  const found = await digestOf(bytes, clock)
  if (found.crc32 === part.crc32 && found.sha256 === part.sha256) return undefined
  return `part ${part.name} is not what was written: its checksums differ`
}
