/**
 * Rows as the bytes of a part: table (1) · key length (4) · value length (4) · key · value, one row
 * behind the other, tables and rows in order. A row may be continued in the next part. Of a row that was
 * removed the table has its highest bit set, and there is no value.
 */
import { invariant } from '../errors.ts'
import { STORE_TABLES, type StoreReader, type StoreTable } from '../state/store.ts'
import type { Clock } from '../time/clock.ts'
import { changedKeys, isLogKey } from './change-log.ts'

const HEADER_BYTES = 9
const REMOVED = 0x80
const ROWS_AT_ONCE = 2_000
/** Rows that are looked up before other work of the process gets its turn: about a millisecond. */
const LOOKUPS_AT_ONCE = 500
/** Keys that are remembered to be in already. */
const SEEN_MAX = 500_000
/** Behind every key there is: the longest that LMDB takes. */
const KEY_END = Buffer.alloc(1_978, 0xff)

export interface TableRow {
  readonly table: StoreTable
  readonly key: Uint8Array
  /** Undefined when the row was removed. */
  readonly value: Uint8Array | undefined
}

/** All rows of a store, in pieces of some thousand rows. */
export function* rowPieces(store: StoreReader): Generator<Uint8Array> {
  for (const table of STORE_TABLES) yield* tablePieces(store, table)
}

function* tablePieces(store: StoreReader, table: StoreTable): Generator<Uint8Array> {
  let start: Uint8Array = Buffer.alloc(1)
  for (;;) {
    const rows = store.range(table, { start, end: KEY_END, limit: ROWS_AT_ONCE })
    const kept = table === 'meta' ? rows.filter(({ key }) => !isLogKey(key)) : rows
    if (kept.length > 0) yield Buffer.concat(kept.flatMap((row) => bytesOfRow({ table, ...row })))
    const last = rows.at(-1)
    if (last === undefined || rows.length < ROWS_AT_ONCE) break
    start = Buffer.concat([last.key, Buffer.alloc(1)])
  }
}

/**
 * The rows that differ from those of an earlier epoch, in pieces: each once, as far as memory allows to
 * know. @throws StateError when the log of changes does not say.
 */
export async function* changedPieces(
  store: StoreReader,
  epochs: { readonly from: number; readonly to: number },
  clock: Clock,
): AsyncGenerator<Uint8Array> {
  const seen = new Set<string>()
  let pieces: Uint8Array[] = []
  let count = 0
  for (const { table, key } of changedKeys(store, epochs.from, epochs.to)) {
    if (++count % LOOKUPS_AT_ONCE === 0) {
      if (pieces.length > 0) yield Buffer.concat(pieces)
      pieces = []
      await clock.breathe()
    }
    const name = `${table} ${Buffer.from(key).toString('latin1')}`
    if (seen.has(name)) continue
    // A row that is there twice is put twice: that costs its bytes and changes nothing.
    if (seen.size === SEEN_MAX) seen.clear()
    seen.add(name)
    pieces.push(...bytesOfRow({ table, key, value: store.get(table, key) }))
  }
  if (pieces.length > 0) yield Buffer.concat(pieces)
  yield* tablePieces(store, 'meta')
}

function bytesOfRow({ table, key, value }: TableRow): Uint8Array[] {
  const header = Buffer.allocUnsafe(HEADER_BYTES)
  header[0] = STORE_TABLES.indexOf(table) | (value === undefined ? REMOVED : 0)
  header.writeUInt32BE(key.length, 1)
  header.writeUInt32BE(value?.length ?? 0, 5)
  return value === undefined ? [header, key] : [header, key, value]
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
      const table = STORE_TABLES[(all[at] as number) & ~REMOVED]
      invariant(table !== undefined, 'a row of a snapshot is of a table there is')
      const isRemoved = ((all[at] as number) & REMOVED) !== 0
      yield {
        table,
        key: all.subarray(keyStart, valueStart),
        value: isRemoved ? undefined : all.subarray(valueStart, end),
      }
      at = end
    }
    this.#left = all.subarray(at)
  }
}
