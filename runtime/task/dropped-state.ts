/**
 * Removes the rows of what is no longer wanted. That it is not wanted was committed with the opening, so a
 * removal that is cut short goes on at the next opening.
 */
import { KEY_GROUPS } from '../state/key-codec.ts'
import type { Store, StoreRange, StoreTable } from '../state/store.ts'
import { type JobRow, writeJobRow } from './meta.ts'

/** Rows a commit: so many are removed in some milliseconds. */
const ROWS_A_COMMIT = 10_000

/** @returns how many rows were removed. */
export async function removeDropped(store: Store, job: JobRow, epoch: number): Promise<number> {
  const { dropped, ...rest } = job
  if (dropped === undefined) return 0
  let rows = 0
  for (const { table, prefix } of prefixesOf(dropped)) rows += await removeAll(store, table, prefix)
  await store.commit((writer) => writeJobRow(writer, rest, epoch))
  await store.flushed()
  return rows
}

interface Prefix {
  readonly table: StoreTable
  readonly prefix: Uint8Array
}

/** Rows begin with the number of what they belong to; those of state with their key group, and then it. */
function prefixesOf({ operators, destinations }: NonNullable<JobRow['dropped']>): Prefix[] {
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

async function removeAll(store: Store, table: StoreTable, prefix: Uint8Array): Promise<number> {
  const range: StoreRange = { start: prefix, end: endOf(prefix), limit: ROWS_A_COMMIT }
  let removed = 0
  for (;;) {
    const rows = store.range(table, range)
    if (rows.length === 0) return removed
    await store.commit((writer) => {
      for (const { key } of rows) writer.remove(table, key)
    })
    removed += rows.length
  }
}

/** The first key behind all that begin with a prefix. Numbers are small: they have room for one more. */
function endOf(prefix: Uint8Array): Uint8Array {
  const end = Buffer.from(prefix)
  end.writeUInt16BE(end.readUInt16BE(end.length - 2) + 1, end.length - 2)
  return end
}
