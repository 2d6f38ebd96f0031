/** CRC-32 (IEEE 802.3), as zlib's: guards rows and fingerprints messages. */
import { crc32 as zlibCrc32 } from 'node:zlib'

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/** Below this many bytes the call into zlib costs more than the loop. */
const NATIVE_BYTES_MIN = 64

/**
 * Checksum of the bytes from `start` on, as an unsigned 32-bit number.
 * @param before the checksum of what goes before them, when they are a part.
 */
export function crc32(bytes: Uint8Array, start = 0, before = 0): number {
  if (bytes.length - start >= NATIVE_BYTES_MIN && zlibCrc32 !== undefined) {
    return zlibCrc32(start === 0 ? bytes : bytes.subarray(start), before)
  }
  let crc = ~before
  for (let i = start; i < bytes.length; i++) {
    crc = (TABLE[(crc ^ (bytes[i] as number)) & 255] as number) ^ (crc >>> 8)
  }
  return ~crc >>> 0
}
