/** Length and checksums of a part, taken a piece at a time so that nothing else has to wait for them. */
import { createHash } from 'node:crypto'
import { crc32 } from '../state/crc32.ts'
import type { Clock } from '../time/clock.ts'
import type { SnapshotPart } from './snapshot.ts'

const PIECE_BYTES = 1024 * 1024

export type PartDigest = Omit<SnapshotPart, 'name'>

export async function digestOf(bytes: Uint8Array, clock: Clock): Promise<PartDigest> {
  const hash = createHash('sha256')
  let crc = 0
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const piece = bytes.subarray(at, at + PIECE_BYTES)
    crc = crc32(piece, 0, crc)
    hash.update(piece)
    await clock.breathe()
  }
  return { length: bytes.length, crc32: crc, sha256: hash.digest('hex') }
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
