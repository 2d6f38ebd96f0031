/**
 * Which keys the commits of a task have changed since its newest snapshot, so that the next one needs to hold
 * those rows only. A row names the epoch that wrote it, but finding it so would take a walk over all
 * rows, and one that was removed leaves no trace.
 *
 * L1 The keys of a commit are logged in that commit: a log without a hole between two epochs names every
 *    row in which they differ.
 * L2 A log with a hole, or one that grew beyond its bound, is none: the next snapshot stands alone.
 * L3 What lies behind the snapshot that the next one may stand on is removed by later commits.
 */
import { invariant, StateError } from '../errors.ts'
import { decodeRow, encodeRow } from '../state/row-codec.ts'
import {
  type Store,
  STORE_TABLES,
  type StoreReader,
  type StoreRange,
  type StoreRow,
  type StoreTable,
  type StoreView,
  type StoreWriter,
} from '../state/store.ts'
import type { Steps, Turns } from '../time/turns.ts'
import type { BaseSnapshot } from './snapshot.ts'

/** What the next snapshot of a task may stand on: one that is published. */
export interface LogBase extends BaseSnapshot {
  /** The epoch of the task in it. */
  readonly epoch: number
  /** The log may have this many bytes before it costs more than a snapshot that stands alone. */
  readonly logBytesMax: number
}

export interface ChangedKey {
  readonly table: StoreTable
  readonly key: Uint8Array
}

interface LogRow {
  readonly epoch: number
  readonly key: Uint8Array
  readonly bytes: number
}

/** Until there is a snapshot whose size is known. */
const BYTES_MAX = 32 * 1024 * 1024
/** A log row is cut when it has this many bytes. */
const ROW_BYTES_MAX = 128 * 1024
/** A commit removes no more rows than these: it should not wait for them. */
const REMOVALS_MAX = 256
const ROWS_AT_ONCE = 64

const BASE_KEY = Buffer.from('snapshot')
const PREFIX = Buffer.from('changes ')
const PREFIX_END = Buffer.from('changes!')
const EPOCH_AT = PREFIX.length
const PART_AT = EPOCH_AT + 6

/** Whether a row of `meta` is the log's own, and no part of what a snapshot holds. */
export const isLogKey = (key: Uint8Array): boolean =>
  BASE_KEY.equals(key) || PREFIX.equals(key.subarray(0, PREFIX.length))

export class ChangeLog {
  #isOn = false
  #base: LogBase | undefined
  #isBaseStored = true
  /** The rows in the store, oldest first. */
  #rows: LogRow[] = []
  #bytes = 0
  /** Rows up to this epoch are of no use any more. */
  #uselessEpoch = 0

  /** The store of the task, with the log kept in it. Called again when the task opens its store again. */
  over(store: Store): Store {
    const bytes = store.get('meta', BASE_KEY)
    if (bytes !== undefined) {
      this.#base ??= decodeRow(bytes, 'the row of the newest snapshot').value as LogBase
      this.#isOn = true
    }
    // A commit that failed may have been the one that was to store it.
    this.#isBaseStored = false
    this.#rows = [...logRows(store, 0, Number.MAX_SAFE_INTEGER)].map(({ key, value }) => ({
      epoch: epochOf(key),
      key,
      bytes: value.length,
    }))
    this.#bytes = this.#rows.reduce((sum, row) => sum + row.bytes, 0)
    // Begun by a run that died before its first snapshot was published.
    if (!this.#isOn) this.#uselessEpoch = Number.MAX_SAFE_INTEGER
    return new LoggedStore(store, this)
  }

  /** The snapshot that the next one may stand on. */
  get base(): LogBase | undefined {
    return this.#base
  }

  /** Called before a cut: what is committed after it is in the log. */
  begin(): void {
    if (this.#isOn) return
    this.#isOn = true
    this.#uselessEpoch = this.#rows.at(-1)?.epoch ?? 0
  }

  /** Called when a snapshot of a cut is published that came after `begin`. */
  standOn(base: LogBase): void {
    // The log became too large meanwhile.
    if (!this.#isOn) return
    this.#base = base
    this.#isBaseStored = false
    this.#uselessEpoch = base.epoch
  }

  /** Whether the log has every epoch behind the first up to the second (L1). */
  covers(from: number, to: number): boolean {
    const epochs = new Set(this.#rows.map(({ epoch }) => epoch))
    for (let epoch = from + 1; epoch <= to; epoch++) if (!epochs.has(epoch)) return false
    return true
  }

  /** Writes a commit with its keys, in the steps of the commit. */
  *write(writer: StoreWriter, write: (writer: StoreWriter) => Steps | void): Steps {
    if (this.#isOn) {
      const recorder = new Recorder(writer)
      yield* write(recorder) ?? []
      for (const row of recorder.finish()) {
        this.#rows.push(row)
        this.#bytes += row.bytes
      }
      if (this.#bytes > (this.#base?.logBytesMax ?? BYTES_MAX)) this.#giveUp(writer)
    } else {
      yield* write(writer) ?? []
    }
    if (!this.#isBaseStored && this.#base !== undefined) {
      writer.put('meta', BASE_KEY, encodeRow(this.#base, this.#base.epoch))
    }
    this.#isBaseStored = true
    this.#removeUseless(writer)
  }

  /** The next snapshot stands alone (L2). */
  #giveUp(writer: StoreWriter): void {
    this.#isOn = false
    this.#base = undefined
    this.#uselessEpoch = Number.MAX_SAFE_INTEGER
    writer.remove('meta', BASE_KEY)
  }

  #removeUseless(writer: StoreWriter): void {
    let count = 0
    while (count < REMOVALS_MAX && (this.#rows[count]?.epoch ?? Infinity) <= this.#uselessEpoch) {
      const row = this.#rows[count++] as LogRow
      writer.remove('meta', row.key)
      this.#bytes -= row.bytes
    }
    if (count > 0) this.#rows.splice(0, count)
  }
}

/** A store whose commits are logged. */
class LoggedStore implements Store {
  readonly #store: Store
  readonly #log: ChangeLog

  constructor(store: Store, log: ChangeLog) {
    this.#store = store
    this.#log = log
  }

  get(table: StoreTable, key: Uint8Array): Uint8Array | undefined {
    return this.#store.get(table, key)
  }

  range(table: StoreTable, range: StoreRange): StoreRow[] {
    return this.#store.range(table, range)
  }

  count(table: StoreTable): number {
    return this.#store.count(table)
  }

  async commit(write: (writer: StoreWriter) => Steps | void, turns?: Turns): Promise<void> {
    await this.#store.commit((writer) => this.#log.write(writer, write), turns)
  }

  view(): StoreView {
    return this.#store.view()
  }

  async flushed(): Promise<void> {
    await this.#store.flushed()
  }

  async close(): Promise<void> {
    await this.#store.close()
  }
}

/** Hands on what a commit writes, and notes under which keys: table (1) · key length (2) · key. */
class Recorder implements StoreWriter {
  readonly #writer: StoreWriter
  #keys = Buffer.allocUnsafe(4_096)
  #length = 0
  #epoch = 0

  constructor(writer: StoreWriter) {
    this.#writer = writer
  }

  put(table: StoreTable, key: Uint8Array, value: Uint8Array): void {
    this.#writer.put(table, key, value)
    // Each commit has the row of its epoch.
    if (table === 'epochs') this.#epoch = Buffer.from(key).readUIntBE(0, 6)
    this.#note(table, key)
  }

  remove(table: StoreTable, key: Uint8Array): void {
    this.#writer.remove(table, key)
    this.#note(table, key)
  }

  #note(table: StoreTable, key: Uint8Array): void {
    // These few rows are in every snapshot.
    if (table === 'meta') return
    const end = this.#length + 3 + key.length
    if (end > this.#keys.length) {
      const larger = Buffer.allocUnsafe(2 * end)
      this.#keys.copy(larger, 0, 0, this.#length)
      this.#keys = larger
    }
    this.#keys[this.#length] = STORE_TABLES.indexOf(table)
    this.#keys.writeUInt16BE(key.length, this.#length + 1)
    this.#keys.set(key, this.#length + 3)
    this.#length = end
  }

  /** Puts the rows of the log; a key may be continued in the next row. */
  finish(): LogRow[] {
    invariant(this.#epoch > 0 || this.#length === 0, 'what a commit changes is of an epoch')
    const rows: LogRow[] = []
    for (let at = 0; at < this.#length; at += ROW_BYTES_MAX) {
      const keys = this.#keys.subarray(at, Math.min(at + ROW_BYTES_MAX, this.#length))
      const key = logKey(this.#epoch, rows.length)
      const row = encodeRow(keys, this.#epoch)
      this.#writer.put('meta', key, row)
      rows.push({ epoch: this.#epoch, key, bytes: row.length })
    }
    return rows
  }
}

function logKey(epoch: number, part: number): Buffer {
  const key = Buffer.alloc(PART_AT + 4)
  PREFIX.copy(key)
  key.writeUIntBE(epoch, EPOCH_AT, 6)
  key.writeUInt32BE(part, PART_AT)
  return key
}

const epochOf = (key: Uint8Array): number => Buffer.from(key).readUIntBE(EPOCH_AT, 6)

/** The rows of epochs behind the first up to the second, in order. */
function* logRows(store: StoreReader, from: number, to: number): Generator<StoreRow> {
  let start: Uint8Array = logKey(from + 1, 0)
  const end = to === Number.MAX_SAFE_INTEGER ? PREFIX_END : logKey(to + 1, 0)
  for (;;) {
    const rows = store.range('meta', { start, end, limit: ROWS_AT_ONCE })
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < ROWS_AT_ONCE) return
    start = Buffer.concat([last.key, Buffer.alloc(1)])
  }
}

/**
 * The keys that were changed behind one epoch up to another, in the order of the commits; a key may come
 * again. @throws StateError when the log has a hole (L1).
 */
export function* changedKeys(store: StoreReader, from: number, to: number): Generator<ChangedKey> {
  let left: Buffer = Buffer.alloc(0)
  let before = from
  for (const row of logRows(store, from, to)) {
    const epoch = epochOf(row.key)
    if (epoch > before + 1) throw hole(before + 1)
    before = epoch
    const { value } = decodeRow(row.value, `the log of changes of epoch ${epoch}`)
    const keys = Buffer.concat([left, value as Uint8Array])
    let at = 0
    while (at + 3 <= keys.length) {
      const end = at + 3 + keys.readUInt16BE(at + 1)
      if (end > keys.length) break
      yield {
        table: STORE_TABLES[keys[at] as number] as StoreTable,
        key: keys.subarray(at + 3, end),
      }
      at = end
    }
    left = keys.subarray(at)
  }
  if (before < to) throw hole(before + 1)
}

const hole = (epoch: number): StateError =>
  new StateError(`the log of changes has no row of epoch ${epoch}`)

/** Removes the log of a store that begins another history. */
export function removeLog(store: StoreReader, writer: StoreWriter): void {
  for (const { key } of logRows(store, 0, Number.MAX_SAFE_INTEGER)) writer.remove('meta', key)
  writer.remove('meta', BASE_KEY)
}
