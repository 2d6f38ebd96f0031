/**
 * The results of a task on their way to one destination: cut and numbered when an operator emits
 * them, committed with the state that made them, handed over once that is durable, trimmed once they
 * are taken.
 *
 * O1 Numbers are consecutive from 1 per destination and never given twice (I4).
 * O2 `durableRows` never holds a row whose epoch is not durable (I3).
 */
import type { Key, Push, Timestamp } from '../../operators/operator.ts'
import { StateError } from '../errors.ts'
import { ByteWriter } from './byte-writer.ts'
import type { Sink, Taken } from '../sink/sink.ts'
import { crc32 } from '../state/crc32.ts'
import type { Store, StoreReader, StoreWriter } from '../state/store.ts'
import type { Steps } from '../time/turns.ts'
import { lastOf, type OutboxRow } from './outbox-row.ts'

/** A row is closed when it has this many bytes: large enough to be cheap, small enough to be resent. */
const ROW_BYTES = 128 * 1024
const HEADER_BYTES = 8

/** A row with the bytes it is stored as, of which its messages are a part. */
interface CutRow extends OutboxRow {
  readonly stored: Uint8Array
}

interface EpochRow extends OutboxRow {
  readonly epoch: number
}

export interface OutboxOptions {
  readonly name: string
  /** Number of the destination in the store. */
  readonly destination: number
  readonly sink: Sink
}

export class Outbox {
  readonly name: string
  readonly sink: Sink
  /** Number of the destination in the store. */
  readonly destination: number
  #nextNumber = 1
  /** The messages of the row that is being cut, and where each ends. */
  readonly #writer = new ByteWriter()
  #ends: number[] = []
  /** Rows of the open epoch, cut and not yet committed. */
  #open: CutRow[] = []
  /** Rows that are committed, or on their way, and not yet taken. */
  #waiting: EpochRow[] = []
  #waitingBytes = 0
  #known: Taken | undefined
  /** First numbers of rows that are taken and still in the store. */
  #toTrim: number[] = []

  constructor({ name, destination, sink }: OutboxOptions) {
    this.name = name
    this.destination = destination
    this.sink = sink
  }

  /** Loads what an earlier run left, and starts from what it knew to be taken. */
  restore(store: Store, taken: Taken | undefined, epoch: number): void {
    this.#known = taken
    const takenNumber = taken?.number ?? 0
    let last = takenNumber
    for (const row of storedRows(store, this.destination, this.name)) {
      // Of the first one a part may be taken.
      if (row.first > last + 1) {
        throw new StateError(
          `the outbox to '${this.name}' has no row with number ${last + 1}; restore the state folder from a copy`,
        )
      }
      last = Math.max(last, lastOf(row))
      this.#waiting.push({ ...row, epoch })
      this.#waitingBytes += row.bytes.length
    }
    this.#nextNumber = last + 1
    if (taken !== undefined) this.acknowledge(taken)
  }

  /** The step that takes results. */
  readonly push: Push = (value: unknown, time: Timestamp, key: Key | undefined): void => {
    const start = this.#writer.length
    try {
      this.sink.encode(this.#writer, value, time, key)
    } catch (error) {
      this.#writer.cut(start)
      throw error
    }
    this.#ends.push(this.#writer.length)
    if (this.#writer.length >= ROW_BYTES) this.#close()
  }

  /** Results handed to this outbox since the state was created. */
  get count(): number {
    return this.#nextNumber - 1 + this.#ends.length
  }

  /** What is known of the destination; undefined before it was ever opened. */
  get known(): Taken | undefined {
    return this.#known
  }

  /** Number of the last message that is durably taken. */
  get takenNumber(): number {
    return this.#known?.number ?? 0
  }

  /** Bytes that are not yet taken, those of the open epoch included. */
  get bytes(): number {
    return this.#waitingBytes + this.#writer.length
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#open.length === 0 && this.#ends.length === 0
  }

  /** Whether rows are taken that the store still holds. */
  get hasToTrim(): boolean {
    return this.#toTrim.length > 0
  }

  #close(): void {
    if (this.#ends.length === 0) return
    const row = cutRow(this.#nextNumber, this.#writer, this.#ends)
    this.#ends = []
    this.#nextNumber = lastOf(row) + 1
    this.#open.push(row)
    this.#waitingBytes += row.bytes.length
  }

  /**
   * Puts the rows of an epoch into its commit, and removes those that are taken now, when it is called: what
   * is taken between its steps is for the next commit.
   */
  write(writer: StoreWriter, epoch: number): Steps {
    this.#close()
    for (const first of this.#toTrim) writer.remove('outbox', outboxKey(this.destination, first))
    this.#toTrim = []
    const rows = this.#open
    this.#open = []
    return this.#put(rows, writer, epoch)
  }

  *#put(rows: readonly CutRow[], writer: StoreWriter, epoch: number): Steps {
    for (const { first, bytes, ends, stored } of rows) {
      writer.put('outbox', outboxKey(this.destination, first), stored)
      this.#waiting.push({ first, bytes, ends, epoch })
      yield
    }
  }

  /** Rows from a number on that may leave, oldest first, up to about `bytesMax`. */
  durableRows(from: number, durableEpoch: number, bytesMax: number): OutboxRow[] {
    const rows: OutboxRow[] = []
    let bytes = 0
    for (const row of this.#waiting) {
      if (row.epoch > durableEpoch || bytes >= bytesMax) break
      if (lastOf(row) < from) continue
      rows.push(row)
      bytes += row.bytes.length
    }
    return rows
  }

  /** Number of the last message that may leave. */
  durableNumber(durableEpoch: number): number {
    const last = this.#waiting.findLast(({ epoch }) => epoch <= durableEpoch)
    return last === undefined ? this.takenNumber : lastOf(last)
  }

  /** Notes how far the destination has durably taken; the next commit remembers it and trims. */
  acknowledge(taken: Taken): void {
    this.#known = taken
    let done = 0
    for (const row of this.#waiting) {
      if (lastOf(row) > taken.number) break
      this.#toTrim.push(row.first)
      this.#waitingBytes -= row.bytes.length
      done += 1
    }
    this.#waiting.splice(0, done)
  }
}

/** So many are read at a time. */
const ROWS_READ = 32

/**
 * The rows of a destination in a store, oldest first: from the one on that holds a number, by default all.
 * @throws StateError when one is damaged.
 */
export function* storedRows(
  store: StoreReader,
  destination: number,
  name: string,
  from = 0,
): Generator<OutboxRow> {
  const end = outboxKey(destination, 2 ** 48 - 1)
  // It may begin in the middle of a row.
  const isFirst = store.get('outbox', outboxKey(destination, from)) !== undefined
  let start = outboxKey(destination, isFirst ? from : 0)
  for (;;) {
    const rows = store.range('outbox', { start, end, limit: ROWS_READ })
    for (const { key, value } of rows) {
      const row = decodeOutboxRow(Buffer.from(key).readUIntBE(2, 6), value, name)
      start = outboxKey(destination, row.first + 1)
      if (lastOf(row) >= from) yield row
    }
    if (rows.length < ROWS_READ) return
  }
}

function outboxKey(destination: number, first: number): Uint8Array {
  const key = Buffer.allocUnsafe(8)
  key.writeUInt16BE(destination, 0)
  key.writeUIntBE(first, 2, 6)
  return key
}

/**
 * Takes what was written as a row: CRC-32 (4) · number of messages (4) · where each ends (4 each) · messages.
 * The messages are copied once, and leave from where they are stored from.
 */
function cutRow(first: number, writer: ByteWriter, messageEnds: readonly number[]): CutRow {
  const ends = Uint32Array.from(messageEnds)
  const before = HEADER_BYTES + ends.byteLength
  const stored = writer.take(before)
  stored.writeUInt32LE(ends.length, 4)
  stored.set(new Uint8Array(ends.buffer), HEADER_BYTES)
  stored.writeUInt32LE(crc32(stored, 4), 0)
  return { first, ends, bytes: stored.subarray(before), stored }
}

function decodeOutboxRow(first: number, stored: Uint8Array, name: string): OutboxRow {
  const row = Buffer.from(stored)
  if (row.length < HEADER_BYTES || row.readUInt32LE(0) !== crc32(row, 4)) {
    throw new StateError(
      `row ${first} of the outbox to '${name}' is damaged in the store (its checksum does not match). Restore the state folder from a copy, or remove it to start afresh.`,
    )
  }
  const count = row.readUInt32LE(4)
  const ends = new Uint32Array(count)
  // Their bytes at once: after a kill there may be a million of them.
  Buffer.from(ends.buffer).set(row.subarray(HEADER_BYTES, HEADER_BYTES + ends.byteLength))
  return { first, ends, bytes: row.subarray(HEADER_BYTES + 4 * count) }
}
