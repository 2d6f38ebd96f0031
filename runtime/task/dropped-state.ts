/**
 * The rows of what is no longer wanted. That it is not wanted was committed with the opening, so a removal that
 * is cut short goes on at the next opening.
 */
import { KEY_GROUPS } from '../state/key-codec.ts'
import type { StoreReader, StoreTable } from '../state/store.ts'
import type { DroppedNumbers } from './meta.ts'

export interface DroppedRow {
  readonly table: StoreTable
  readonly key: Uint8Array
}

/** So many are removed in some milliseconds. */
const ROWS_A_COMMIT = 10_000

/** In portions, each to be removed by a commit before the next is asked for. */
export function* droppedRows(
  store: StoreReader,
  dropped: DroppedNumbers,
): Generator<readonly DroppedRow[]> {
  for (const { table, prefix } of prefixesOf(dropped)) {
    const range = { start: prefix, end: endOf(prefix), limit: ROWS_A_COMMIT }
    for (;;) {
      const rows = store.range(table, range)
      if (rows.length === 0) break
      yield rows.map(({ key }) => ({ table, key }))
    }
  }
}

interface Prefix {
  readonly table: StoreTable
  readonly prefix: Uint8Array
}

/** Rows begin with the number of what they belong to; those of state with their key group, and then it. */
function prefixesOf({ operators, destinations }: DroppedNumbers): Prefix[] {
  const groups = Array.from({ length: KEY_GROUPS }, (_, group) => group)
  return [
    ...operators.flatMap((number) => [
      ...groups.map((group): Prefix => ({
        table: 'state',
        prefix: Buffer.of(group, ...two(number)),
      })),
      { table: 'timers' as const, prefix: Buffer.from(two(number)) },
    ]),
    ...destinations.map((number): Prefix => ({
      table: 'outbox',
      prefix: Buffer.from(two(number)),
    })),
  ]
}

const two = (number: number): readonly [number, number] => [number >> 8, number & 0xff]

/** The first key behind all that begin with a prefix. Numbers are small: they have room for one more. */
function endOf(prefix: Uint8Array): Uint8Array {
  const end = Buffer.from(prefix)
  end.writeUInt16BE(end.readUInt16BE(end.length - 2) + 1, end.length - 2)
  return end
}
