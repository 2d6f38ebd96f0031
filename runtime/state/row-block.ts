/**
 * Rows on their way to another thread, one behind the other in a block of bytes:
 * table (1) · length of the key (2) · length of the value (4), or that the row is removed · key · value.
 */
import { STORE_TABLES, type StoreTable, type StoreWriter } from './store.ts'

const HEADER_BYTES = 7
const REMOVED = 0xffff_ffff
const COPIED_ONE_BY_ONE_MAX = 48
const NUMBER_OF = Object.fromEntries(STORE_TABLES.map((name, number) => [name, number])) as Record<
  StoreTable,
  number
>

export const bytesInBlock = (key: Uint8Array, value: Uint8Array | undefined): number =>
  HEADER_BYTES + key.length + (value?.length ?? 0)

/**
 * Writes a row; its bytes are copied.
 * @returns the place behind it.
 */
export function writeRow(
  block: Buffer,
  start: number,
  table: StoreTable,
  key: Uint8Array,
  value: Uint8Array | undefined,
): number {
  const keyBytes = key.length
  const valueBytes = value === undefined ? REMOVED : value.length
  block[start] = NUMBER_OF[table]
  block[start + 1] = keyBytes
  block[start + 2] = keyBytes >>> 8
  block[start + 3] = valueBytes
  block[start + 4] = valueBytes >>> 8
  block[start + 5] = valueBytes >>> 16
  block[start + 6] = valueBytes >>> 24
  const keyEnd = copy(key, block, start + HEADER_BYTES)
  return value === undefined ? keyEnd : copy(value, block, keyEnd)
}

/** A few bytes are copied faster one by one than by a call. */
function copy(bytes: Uint8Array, block: Buffer, start: number): number {
  const length = bytes.length
  if (length > COPIED_ONE_BY_ONE_MAX) block.set(bytes, start)
  else for (let i = 0; i < length; i++) block[start + i] = bytes[i] as number
  return start + length
}

/** Hands on the rows of a block; their bytes are those of the block. */
export function readRows(block: Buffer, writer: StoreWriter): void {
  let at = 0
  while (at < block.length) {
    const table = STORE_TABLES[block[at] as number] as StoreTable
    const keyStart = at + HEADER_BYTES
    const keyEnd = keyStart + block.readUInt16LE(at + 1)
    const valueBytes = block.readUInt32LE(at + 3)
    const key = block.subarray(keyStart, keyEnd)
    at = keyEnd
    if (valueBytes === REMOVED) {
      writer.remove(table, key)
      continue
    }
    at += valueBytes
    writer.put(table, key, block.subarray(keyEnd, at))
  }
}
