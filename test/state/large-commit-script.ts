/** Commits numbered transactions of many rows until it is killed: `folder`. */
import { LmdbStore } from '../../runtime/state/lmdb-store.ts'
import { systemClock } from '../../runtime/time/clock.ts'
import { type Steps, Turns } from '../../runtime/time/turns.ts'
import type { StoreWriter } from '../../runtime/state/store.ts'

export const LARGE_ROWS = 20_000
const ROWS_PER_STEP = 100

export const rowKey = (row: number): Buffer => Buffer.from(String(row).padStart(6, '0'))

/** Puts n under every key; says when it is half done, and then takes its time. */
function* rowsOf(writer: StoreWriter, n: number): Steps {
  const value = Buffer.alloc(8)
  value.writeUInt32BE(n)
  for (let row = 0; row < LARGE_ROWS; row++) {
    writer.put('state', rowKey(row), value)
    if (row === LARGE_ROWS / 2) process.stdout.write(`half ${n}\n`)
    if (row % ROWS_PER_STEP === 0) yield
  }
  writer.put('meta', Buffer.from('n'), value)
}

async function main(folder: string): Promise<void> {
  const store = new LmdbStore(folder)
  const last = store.get('meta', Buffer.from('n'))
  // Turns of no length: the event loop comes round after each step.
  const turns = new Turns(systemClock, 0)
  for (let n = last === undefined ? 1 : Buffer.from(last).readUInt32BE(0) + 1; ; n++) {
    await store.commit((writer) => rowsOf(writer, n), turns)
    await store.flushed()
    process.stdout.write(`durable ${n}\n`)
  }
}

if (process.argv[2] !== undefined) void main(process.argv[2])
