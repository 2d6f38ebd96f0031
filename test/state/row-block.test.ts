import { expect, it } from 'vitest'
import { bytesInBlock, readRows, writeRow } from '../../runtime/state/row-block.ts'
import { STORE_TABLES } from '../../runtime/state/store.ts'
import { newSeed, randomFrom } from '../support/random.ts'

it('a block gives back the rows that were written, in order, whatever their bytes (seeded)', () => {
  const seed = newSeed()
  const random = randomFrom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => below(256)))
  const rows = Array.from({ length: 300 }, () => {
    const table = STORE_TABLES[below(STORE_TABLES.length)] ?? 'meta'
    const key = bytes(1 + below(random() < 0.1 ? 1_900 : 60))
    const value = random() < 0.3 ? undefined : bytes(below(random() < 0.05 ? 70_000 : 90))
    return { table, key, value }
  })
  const length = rows.reduce((sum, { key, value }) => sum + bytesInBlock(key, value), 0)
  const block = Buffer.alloc(length)
  let end = 0
  for (const { table, key, value } of rows) end = writeRow(block, end, table, key, value)
  expect(end).toBe(length)
  const read: typeof rows = []
  readRows(block, {
    put: (table, key, value) =>
      void read.push({ table, key: Buffer.from(key), value: Buffer.from(value) }),
    remove: (table, key) => void read.push({ table, key: Buffer.from(key), value: undefined }),
  })
  expect(read, `seed ${seed}`).toEqual(rows)
})
