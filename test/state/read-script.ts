/** Reads one row of a store beside its writer, and prints it: `folder`. */
import { LmdbStore } from '../../runtime/state/lmdb-store.ts'

async function main(folder: string): Promise<void> {
  const store = new LmdbStore(folder, { readOnly: true })
  const value = store.get('meta', Buffer.from('a')) ?? new Uint8Array()
  process.stdout.write(`${Buffer.from(value).toString()}\n`)
  await store.close()
}

void main(process.argv[2] ?? '')
