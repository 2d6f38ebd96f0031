/**
 * The bytes of a log's rows: a run of messages that were appended together, and the small rows around
 * them. LMDB has no checksums, so every value carries one, begun with its key: a value that came
 * under another key is found as well as one that changed.
 */
import { crc32 } from 'node:zlib'
import type { LogMessage } from './log.ts'

/** Bounds of a row; a message larger than the bytes is a row of its own. */
export const ROW_BYTES_MAX = 256 * 1024
export const ROW_MESSAGES_MAX = 1_024

/** Checksum, version and three spare bytes, first sequence, time, count; then ends, then payload. */
const VERSION = 1
const HEADER_BYTES = 4 + 4 + 8 + 8 + 4
const CHECKSUM_BYTES = 4

export interface MessageRun {
  /** Sequence of the first message; the others follow. */
  readonly first: number
  readonly count: number
  /** When the log took the run: milliseconds since the epoch. */
  readonly time: number
  /** Message at an index of the run, as a view of the row. */
  message(index: number): LogMessage
}

/** Cuts messages into runs that fit a row: pairs of begin and end indexes. */
export function* rowCuts(messages: readonly Uint8Array[]): Generator<[number, number]> {
  let begin = 0
  let bytes = 0
  for (let index = 0; index < messages.length; index++) {
    const length = messages[index]?.length ?? 0
    const full = bytes + length > ROW_BYTES_MAX || index - begin >= ROW_MESSAGES_MAX
    if (full && index > begin) {
      yield [begin, index]
      begin = index
      bytes = 0
    }
    bytes += length
  }
  if (begin < messages.length) yield [begin, messages.length]
}

export function encodeRow(
  key: Uint8Array,
  { first, time }: { readonly first: number; readonly time: number },
  messages: readonly Uint8Array[],
): Uint8Array {
  const payloadStart = HEADER_BYTES + 4 * messages.length
  const length = messages.reduce((sum, message) => sum + message.length, 0)
  const row = Buffer.allocUnsafe(payloadStart + length)
  row.writeUInt32LE(VERSION, 4)
  row.writeDoubleLE(first, 8)
  row.writeDoubleLE(time, 16)
  row.writeUInt32LE(messages.length, 24)
  let end = 0
  let endAt = HEADER_BYTES
  for (const message of messages) {
    row.set(message, payloadStart + end)
    end += message.length
    row.writeUInt32LE(end, endAt)
    endAt += 4
  }
  return sealInPlace(key, row)
}

/** @throws Error that says what is wrong with the bytes. */
export function decodeRow(key: Uint8Array, value: Uint8Array): MessageRun {
  const row = unsealInPlace(key, value)
  const version = row.length < HEADER_BYTES ? 0 : row.readUInt32LE(4)
  if (version !== VERSION) throw new Error(`row format ${version}, not ${VERSION}`)
  const first = row.readDoubleLE(8)
  const time = row.readDoubleLE(16)
  const count = row.readUInt32LE(24)
  const payloadStart = HEADER_BYTES + 4 * count
  const endOf = (index: number): number => row.readUInt32LE(HEADER_BYTES + 4 * index)
  return {
    first,
    count,
    time,
    message(index) {
      const start = index === 0 ? 0 : endOf(index - 1)
      const data = row.subarray(payloadStart + start, payloadStart + endOf(index))
      return { sequence: first + index, time, data }
    },
  }
}

/** A small value behind its checksum. */
export function seal(key: Uint8Array, value: Uint8Array): Uint8Array {
  const sealed = Buffer.allocUnsafe(CHECKSUM_BYTES + value.length)
  sealed.set(value, CHECKSUM_BYTES)
  return sealInPlace(key, sealed)
}

/** @throws Error when the checksum does not fit. */
export function unseal(key: Uint8Array, sealed: Uint8Array): Buffer {
  return unsealInPlace(key, sealed).subarray(CHECKSUM_BYTES)
}

function sealInPlace(key: Uint8Array, bytes: Buffer): Buffer {
  bytes.writeUInt32LE(checksum(key, bytes), 0)
  return bytes
}

function unsealInPlace(key: Uint8Array, bytes: Uint8Array): Buffer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length < CHECKSUM_BYTES || buffer.readUInt32LE(0) !== checksum(key, buffer)) {
    throw new Error('its checksum does not fit')
  }
  return buffer
}

function checksum(key: Uint8Array, bytes: Buffer): number {
  return crc32(bytes.subarray(CHECKSUM_BYTES), crc32(key))
}
