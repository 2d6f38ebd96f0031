/**
 * Rows as the bytes of a part: table (1) · key length (4) · value length (4) · key · value, one row
 * behind the other, tables and rows in order. A row may be continued in the next part.
 */
import { invariant } from '../errors.ts'
import { STORE_TABLES, type StoreReader, type StoreTable } from '../state/store.ts'

const HEADER_BYTES = 9
const ROWS_AT_ONCE = 2_000
/** Behind every key there is. */
const KEY_END = Buffer.alloc(2_048, 0xff)

export interface TableRow {
  readonly table: StoreTable
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** All rows of a store, in pieces of some thousand rows. */
export function* rowPieces(store: StoreReader): Generator<Uint8Array> {
  for (const [number, table] of STORE_TABLES.entries()) {
    let start: Uint8Array = Buffer.alloc(1)
    for (;;) {
      const rows = store.range(table, { start, end: KEY_END, limit: ROWS_AT_ONCE })
      if (rows.length > 0)
        yield Buffer.concat(rows.flatMap((row) => [header(number, row), row.key, row.value]))
      const last = rows.at(-1)
      if (last === undefined || rows.length < ROWS_AT_ONCE) break
      start = Buffer.concat([last.key, Buffer.alloc(1)])
    }
  }
}

function header(table: number, { key, value }: Pick<TableRow, 'key' | 'value'>): Uint8Array {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES)
  bytes[0] = table
  bytes.writeUInt32BE(key.length, 1)
  bytes.writeUInt32BE(value.length, 5)
  return bytes
}

/** Reads rows back from parts that follow each other. */
export class RowReader {
  #left: Buffer = Buffer.alloc(0)

  /** Whether the last row was whole. */
  get isWhole(): boolean {
    return this.#left.length === 0
  }

  /** The rows that are whole with these bytes. Keys and values are the caller's. */
  *read(bytes: Uint8Array): Generator<TableRow> {
    const all = Buffer.concat([this.#left, bytes])
    let at = 0
    while (at + HEADER_BYTES <= all.length) {
      const keyStart = at + HEADER_BYTES
      const valueStart = keyStart + all.readUInt32BE(at + 1)
      const end = valueStart + all.readUInt32BE(at + 5)
      if (end > all.length) break
      const table = STORE_TABLES[all[at] as number]
      invariant(table !== undefined, 'a row of a snapshot is of a table there is')
      yield { table, key: all.subarray(keyStart, valueStart), value: all.subarray(valueStart, end) }
      at = end
    }
    this.#left = all.subarray(at)
  }
}
