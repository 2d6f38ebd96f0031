/**
 * The timers of one operator on one clock, by time: finding what is due costs what is due, not what
 * there is. In the store a row holds what one commit added within one second, so that neither a window
 * end shared by many keys nor a time for each key costs more than a row an epoch and second. A row is
 * removed when all of its times have fired, and written anew when some have.
 *
 * T1 A timer may be asked for and no longer wanted: operators ignore calls they do not expect. So
 *    timers are never removed one by one, and firing a time again after a crash does no harm.
 * T2 Rows of earlier runs are read when their time comes, not at the start.
 * T3 Rows are kept under the start of their second, then by epoch: so keys of one time are found again
 *    in the order in which they asked.
 */
import type { Key } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import { encodeRow, decodeRow } from '../state/row-codec.ts'
import { readSortableNumber, writeSortableNumber } from '../state/key-codec.ts'
import type { Store, StoreWriter } from '../state/store.ts'
import { TimeOrder } from './time-order.ts'
import { ROWS_PER_STEP, type Steps } from './turns.ts'

interface Bucket {
  readonly time: Timestamp
  /** Keys in the order in which they asked. */
  keys: Key[]
  /** How many of the keys asked in earlier runs: they come first. */
  earlierKeys: number
  /** How many of the keys are in rows of the store. */
  storedKeys: number
  /** The rows of the store that this time is in. */
  rows: StoredRow[] | undefined
  /** Index of the next key to fire. */
  next: number
  /** Place among the buckets with keys that are not in the store yet; -1 when all are. */
  unstoredAt: number
}

/** A row of the store: the keys of some times within a second. */
interface StoredRow {
  readonly rowKey: Uint8Array
  /** The times that have not fired, with their keys in the order in which they asked. */
  readonly waiting: Map<Timestamp, readonly Key[]>
  /** How many keys there are in it. */
  size: number
}

const SECOND_MS = 1_000
const ROW_KEY_BYTES = 3 + 8 + 6 + 2
const KEYS_PER_ROW_MAX = 4_096
/** Reading a key from a row costs about this part of what firing one does. */
const CALLS_PER_KEY_READ = 0.25

export interface TimerQueueOptions {
  readonly store: Store
  /** Number of the operator in the store. */
  readonly operator: number
  readonly clock: 'event' | 'processing'
  /** Told of each time for which a key begins to wait. */
  readonly onAdd?: (time: Timestamp) => void
}

export class TimerQueue {
  readonly #store: Store
  readonly #prefix: Buffer
  readonly #buckets = new TimeOrder<Bucket>()
  /** Buckets with keys that are not in the store yet, in no order. */
  readonly #unstored: Bucket[] = []
  #removals: Uint8Array[] = []
  /** Rows of which some times have fired since the last commit, and some have not. */
  readonly #partlyFired = new Set<StoredRow>()
  /** Row key of the first row of an earlier run that was not read yet. */
  #unread: Uint8Array
  /** The second of that row; +∞ when all were read. */
  #unreadTime: Timestamp
  /** Rows of earlier runs are those that were there when the queue was made. */
  readonly #runEpoch: number
  readonly #onAdd: (time: Timestamp) => void

  constructor({ store, operator, clock, onAdd }: TimerQueueOptions, lastEpoch: number) {
    this.#store = store
    this.#onAdd = onAdd ?? (() => undefined)
    this.#runEpoch = lastEpoch
    this.#prefix = Buffer.allocUnsafe(3)
    this.#prefix.writeUInt16BE(operator, 0)
    this.#prefix[2] = clock === 'event' ? 0 : 1
    this.#unread = Buffer.from(this.#prefix)
    this.#unreadTime = Number.NEGATIVE_INFINITY
    this.#peekUnread()
  }

  /** No key waits for an earlier time; +∞ when none waits. Of what was not read yet, the second is known. */
  get nextTime(): Timestamp {
    return Math.min(this.#buckets.firstTime, this.#unreadTime)
  }

  /** Whether a key waits for a time up to this one. The end of time (+∞) makes due what has a time. */
  isDue(upTo: Timestamp): boolean {
    const next = this.nextTime
    return next <= upTo && next !== Number.POSITIVE_INFINITY
  }

  /** Whether the store may have timers of earlier runs for a time: for its second. */
  hasEarlier(time: Timestamp): boolean {
    const second = secondOf(time)
    const start = this.#rowKey(second, 0, 0)
    const end = this.#rowKey(second, this.#runEpoch + 1, 0)
    return this.#store.range('timers', { start, end, limit: 1 }).length > 0
  }

  add(time: Timestamp, key: Key): void {
    this.#onAdd(time)
    const known = this.#buckets.find(time)
    const bucket = known ?? this.#newBucket(time, [key])
    if (known !== undefined) known.keys.push(key)
    if (bucket.unstoredAt === -1) bucket.unstoredAt = this.#unstored.push(bucket) - 1
  }

  /**
   * Calls back for each key whose time is at most `upTo`, in order of time and then of asking.
   * @returns false when `budget` is used up, by calls and by rows that were read, and more are due.
   */
  fire(upTo: Timestamp, budget: number, call: (time: Timestamp, key: Key) => void): boolean {
    let left = budget
    while (this.isDue(upTo)) {
      if (this.#unreadTime <= this.#buckets.firstTime) {
        if (left <= 0) return false
        left -= this.#readRow()
        continue
      }
      const bucket = this.#buckets.first as Bucket
      while (bucket.next < bucket.keys.length && this.#buckets.first === bucket) {
        if (left <= 0) return false
        left -= 1
        call(bucket.time, bucket.keys[bucket.next++] as Key)
      }
      // A call may have asked for an earlier time: that comes before the rest of this one.
      if (this.#buckets.first !== bucket) continue
      // Keys that asked for this very time during the loop have fired too; now it is over.
      this.#drop(bucket)
    }
    return true
  }

  /** Puts what was added and removes what has fired since the last call. */
  *write(writer: StoreWriter, epoch: number): Steps {
    let removals = 0
    for (const rowKey of this.#removals) {
      writer.remove('timers', rowKey)
      if (++removals % ROWS_PER_STEP === 0) yield
    }
    this.#removals = []
    for (const { rowKey, waiting } of this.#partlyFired) {
      if (waiting.size > 0) writer.put('timers', rowKey, encodeRow([...waiting], epoch))
      yield
    }
    this.#partlyFired.clear()
    yield* this.#writeUnstored(writer, epoch)
  }

  /** Puts what is not in the store yet into rows, a row when it is full or nothing is left for it. */
  *#writeUnstored(writer: StoreWriter, epoch: number): Steps {
    /** Of each second the row that has room, and how many were full before it. */
    const open = new Map<Timestamp, { part: number; row: StoredRow }>()
    let buckets = 0
    for (const bucket of this.#unstored) {
      bucket.unstoredAt = -1
      const second = secondOf(bucket.time)
      while (bucket.storedKeys < bucket.keys.length) {
        let last = open.get(second)
        if (last === undefined || last.row.size === KEYS_PER_ROW_MAX) {
          const part = last === undefined ? 0 : last.part + 1
          const rowKey = this.#rowKey(second, epoch, part)
          last = { part, row: { rowKey, waiting: new Map(), size: 0 } }
          open.set(second, last)
        }
        const { row } = last
        const end = bucket.storedKeys + KEYS_PER_ROW_MAX - row.size
        const keys = bucket.keys.slice(bucket.storedKeys, end)
        row.waiting.set(bucket.time, keys)
        row.size += keys.length
        bucket.storedKeys += keys.length
        ;(bucket.rows ??= []).push(row)
        if (row.size < KEYS_PER_ROW_MAX) continue
        writer.put('timers', row.rowKey, encodeRow([...row.waiting], epoch))
        yield
      }
      if (++buckets % ROWS_PER_STEP === 0) yield
    }
    this.#unstored.length = 0
    for (const { row } of open.values()) {
      if (row.size === KEYS_PER_ROW_MAX) continue
      writer.put('timers', row.rowKey, encodeRow([...row.waiting], epoch))
      yield
    }
  }

  #newBucket(time: Timestamp, keys: Key[]): Bucket {
    const bucket: Bucket = {
      time,
      keys,
      earlierKeys: 0,
      storedKeys: 0,
      rows: undefined,
      next: 0,
      unstoredAt: -1,
    }
    this.#buckets.add(bucket)
    return bucket
  }

  /** Lets the bucket go that has fired: the first one. */
  #drop(bucket: Bucket): void {
    this.#buckets.removeFirst()
    if (bucket.unstoredAt !== -1) this.#forgetUnstored(bucket)
    for (const row of bucket.rows ?? []) {
      row.waiting.delete(bucket.time)
      if (row.waiting.size > 0) this.#partlyFired.add(row)
      else {
        this.#partlyFired.delete(row)
        this.#removals.push(row.rowKey)
      }
    }
  }

  /** Takes a bucket out of those that have to be stored; the last one takes its place. */
  #forgetUnstored(bucket: Bucket): void {
    const last = this.#unstored.pop()
    if (last === undefined || last === bucket) return
    this.#unstored[bucket.unstoredAt] = last
    last.unstoredAt = bucket.unstoredAt
  }

  #rowKey(second: Timestamp, epoch: number, part: number): Uint8Array {
    const rowKey = Buffer.allocUnsafe(ROW_KEY_BYTES)
    rowKey.set(this.#prefix, 0)
    writeSortableNumber(rowKey, second, 3)
    rowKey.writeUIntBE(epoch, 11, 6)
    rowKey.writeUInt16BE(part, 17)
    return rowKey
  }

  #end(): Uint8Array {
    const end = Buffer.from(this.#prefix)
    end[2] = (end[2] as number) + 1
    return end
  }

  #peekUnread(): void {
    for (;;) {
      const [row] = this.#store.range('timers', { start: this.#unread, end: this.#end(), limit: 1 })
      if (row === undefined) {
        this.#unreadTime = Number.POSITIVE_INFINITY
        return
      }
      const rowKey = Buffer.from(row.key)
      this.#unread = rowKey
      // Rows that this run wrote are in memory already.
      if (rowKey.readUIntBE(11, 6) <= this.#runEpoch) {
        this.#unreadTime = readSortableNumber(rowKey, 3)
        return
      }
      this.#unread = Buffer.concat([rowKey, Buffer.from([0])])
    }
  }

  /**
   * Reads the earliest unread row into its buckets, before the keys this run added.
   * @returns how many calls it is worth of a budget.
   */
  #readRow(): number {
    let keysRead = 0
    const [row] = this.#store.range('timers', { start: this.#unread, end: this.#end(), limit: 1 })
    if (row !== undefined) {
      const rowKey = Buffer.from(row.key)
      const { value } = decodeRow(row.value, `a timer row for the second of ${this.#unreadTime}`)
      const waiting = new Map(value as [Timestamp, Key[]][])
      const stored: StoredRow = { rowKey, waiting, size: 0 }
      for (const [time, keys] of waiting) {
        this.#restore(time, keys, stored)
        keysRead += keys.length
      }
      this.#unread = Buffer.concat([rowKey, Buffer.from([0])])
    }
    this.#peekUnread()
    return 1 + keysRead * CALLS_PER_KEY_READ
  }

  #restore(time: Timestamp, keys: readonly Key[], row: StoredRow): void {
    const bucket = this.#buckets.find(time) ?? this.#newBucket(time, [])
    if (bucket.keys.length === bucket.earlierKeys) for (const key of keys) bucket.keys.push(key)
    else {
      bucket.keys = [
        ...bucket.keys.slice(0, bucket.earlierKeys),
        ...keys,
        ...bucket.keys.slice(bucket.earlierKeys),
      ]
    }
    bucket.earlierKeys += keys.length
    bucket.storedKeys += keys.length
    ;(bucket.rows ??= []).push(row)
  }
}

const secondOf = (time: Timestamp): Timestamp => Math.floor(time / SECOND_MS) * SECOND_MS
