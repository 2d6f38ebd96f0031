/**
 * Values as row bytes: CRC-32 (4) · format (1) · epoch (6) · msgpack. LMDB has no checksums of its
 * own, so every row is verified when it is read; the epoch finds what changed since a snapshot.
 *
 * State is decoded with this codec only, and nothing from outside ever is.
 */
import { addExtension, Packr } from 'msgpackr'
import { Stamped } from '../../operators/state.ts'
import type { Timestamp } from '../../operators/time.ts'
import { StateError } from '../errors.ts'
import { crc32 } from './crc32.ts'

const HEADER_BYTES = 11
const FORMAT = 1
const CRC_BYTES = 4

// msgpackr's option for room before the value: the low byte of the flags is the number of bytes.
const RESERVE_START_SPACE = 2048

/** The msgpack extension type of values with the time at which they were written. */
const STAMPED_TYPE = 1

addExtension({
  Class: Stamped,
  type: STAMPED_TYPE,
  write: ({ at, value }: Stamped) => [at, value],
  read: ([at, value]: [at: Timestamp, value: unknown]) => new Stamped(at, value),
})

const packr = new Packr({ useRecords: false, moreTypes: true, mapsAsObjects: true })

export interface Row {
  readonly epoch: number
  readonly value: unknown
}

/** The bytes of a row; they are not reused and may be handed to a commit. */
export function encodeRow(value: unknown, epoch: number): Uint8Array {
  const bytes = packr.pack(value, RESERVE_START_SPACE + HEADER_BYTES)
  bytes[CRC_BYTES] = FORMAT
  bytes.writeUIntBE(epoch, CRC_BYTES + 1, 6)
  bytes.writeUInt32BE(crc32(bytes, CRC_BYTES), 0)
  return bytes
}

/** @throws StateError naming `what` when the row is damaged or of another format. */
export function decodeRow(bytes: Uint8Array, what: string): Row {
  const row = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (row.length <= HEADER_BYTES || row.readUInt32BE(0) !== crc32(row, CRC_BYTES)) {
    throw new StateError(
      `${what} is damaged in the store (its checksum does not match). Nothing was changed. Restore the state folder from a copy, or remove it to start afresh.`,
    )
  }
  if (row[CRC_BYTES] !== FORMAT) {
    throw new StateError(
      `${what} has row format ${row[CRC_BYTES]}; this version of millrace reads format ${FORMAT}`,
    )
  }
  return {
    epoch: row.readUIntBE(CRC_BYTES + 1, 6),
    value: packr.unpack(row.subarray(HEADER_BYTES)),
  }
}
