/** Opens the LMDB environment of a store, the same way for each thread that uses it. */
import { createRequire } from 'node:module'
import type * as Lmdb from 'lmdb'
import type { Database, RootDatabase } from 'lmdb'
import { STORE_TABLES, type StoreTable } from './store.ts'

/** As one file, which loads in half the time of its modules: every start waits for it. */
const { open, ABORT } = createRequire(import.meta.url)('lmdb') as typeof Lmdb

/** What the callback of a transaction returns to have nothing of it committed. */
export const NOTHING_OF_IT: unknown = ABORT

export type Table = Database<Uint8Array, Uint8Array>

export interface StoreEnvironment {
  readonly root: RootDatabase<Uint8Array, Uint8Array>
  readonly tables: Readonly<Record<StoreTable, Table>>
}

export function openEnvironment(folder: string, readOnly: boolean): StoreEnvironment {
  const root = open<Uint8Array, Uint8Array>({
    path: folder,
    noSubdir: false,
    maxDbs: STORE_TABLES.length + 1,
    overlappingSync: false,
    // A batch is one transaction without it; with it a failed commit rejects a promise of lmdb's
    // own that nobody can handle, and the process dies of a full disk.
    eventTurnBatching: false,
    readOnly,
    keyEncoding: 'binary',
    encoding: 'binary',
  })
  const tables = STORE_TABLES.map((name): [StoreTable, Table] => [
    name,
    root.openDB<Uint8Array, Uint8Array>({ name, keyEncoding: 'binary', encoding: 'binary' }),
  ])
  return { root, tables: Object.fromEntries(tables) as Record<StoreTable, Table> }
}
