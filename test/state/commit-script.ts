/** Commits numbered transactions until it is killed, and prints each number once it is durable: `folder`. */
import { LmdbStore } from '../../runtime/state/lmdb-store.ts'

const ROWS = 40

async function main(folder: string): Promise<void> {
  const store = new LmdbStore(folder)
  const last = store.get('meta', Buffer.from('n'))
  for (let n = last === undefined ? 1 : Buffer.from(last).readUInt32BE(0) + 1; ; n++) {
    const value = Buffer.alloc(4)
    value.writeUInt32BE(n)
    await store.commit((writer) => {
      writer.put('meta', Buffer.from('n'), value)
      for (let row = 0; row < ROWS; row++) writer.put('state', Buffer.from([row]), value)
      writer.put('outbox', Buffer.concat([Buffer.from('n'), value]), Buffer.alloc(2_000, n & 255))
    })
    await store.flushed()
    process.stdout.write(`${n}\n`)
  }
}

void main(process.argv[2] ?? '')
