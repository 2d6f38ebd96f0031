/** The keys of an operator that a store has, in the order of its rows: by key group. */
import type { Key } from '../../operators/operator.ts'
import { decodeKey, KEY_GROUPS } from './key-codec.ts'
import { keepsSlices, type StoredOperator } from './state-entry.ts'
import type { Store } from './store.ts'

const SCAN_ROWS = 256

/** Keys that come while it goes on may be missed; what is behind it may change. */
export function* storedKeys(store: Store, operator: StoredOperator): Generator<Key> {
  for (let group = 0; group < KEY_GROUPS; group++) yield* keysOfGroup(store, operator, group)
}

function* keysOfGroup(store: Store, operator: StoredOperator, group: number): Generator<Key> {
  const { number } = operator
  let start = Buffer.from([group, number >> 8, number & 255])
  const end = Buffer.from([group, (number + 1) >> 8, (number + 1) & 255])
  const slices = keepsSlices(operator)
  let before: Key | undefined
  for (;;) {
    const rows = store.range('state', { start, end, limit: SCAN_ROWS })
    for (const { key: rowKey } of rows) {
      const key = slices ? keyOf(rowKey) : ownKeyOf(rowKey)
      // Rows of the slices of a key stand together.
      if (key === undefined || key === before) continue
      before = key
      yield key
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < SCAN_ROWS) return
    start = Buffer.concat([last.key, Buffer.from([0])])
  }
}

/** Bytes before the key in a row's key. */
const HEAD_BYTES = 5

/** The key of a key's own row; undefined for the row of an entry. */
function ownKeyOf(rowKey: Uint8Array): Key | undefined {
  return rowKey.length === HEAD_BYTES + keyLengthOf(rowKey) ? keyOf(rowKey) : undefined
}

/** The key that a row is of, its own or that of an entry. */
function keyOf(rowKey: Uint8Array): Key {
  return decodeKey(rowKey.subarray(HEAD_BYTES, HEAD_BYTES + keyLengthOf(rowKey)))
}

const keyLengthOf = (rowKey: Uint8Array): number => Buffer.from(rowKey).readUInt16BE(3)
