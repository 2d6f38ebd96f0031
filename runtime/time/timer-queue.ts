/**
 * The timers of one operator on one clock, by time: finding what is due costs what is due, not what
 * there is. In the store a row holds all keys that one commit added for one time, so that a window
 * end shared by many keys costs a row an epoch. A row is removed when its time has fired.
 *
 * T1 A timer may be asked for and no longer wanted: operators ignore calls they do not expect. So
 *    timers are never removed one by one, and firing a time again after a crash does no harm.
 * T2 Rows of earlier runs are read when their time comes, not at the start.
 */
import type { Key } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import { encodeRow, decodeRow } from '../state/row-codec.ts'
import { readSortableNumber, writeSortableNumber } from '../state/key-codec.ts'
import type { Store, StoreWriter } from '../state/store.ts'
import { Heap } from './heap.ts'

interface Bucket {
  readonly time: Timestamp
  /** Keys in the order in which they asked. */
  keys: Key[]
  /** How many of the keys asked in earlier runs: they come first. */
  earlierKeys: number
  /** How many of the keys are in rows of the store. */
  storedKeys: number
  /** Rows of the store to remove once the time has fired. */
  readonly rows: Uint8Array[]
  /** Index of the next key to fire. */
  next: number
}

const ROW_KEY_BYTES = 3 + 8 + 6 + 2
const KEYS_PER_ROW_MAX = 4_096

export interface TimerQueueOptions {
  readonly store: Store
  /** Number of the operator in the store. */
  readonly operator: number
  readonly clock: 'event' | 'processing'
}

export class TimerQueue {
  readonly #store: Store
  readonly #prefix: Buffer
  readonly #buckets = new Map<Timestamp, Bucket>()
  readonly #times = new Heap()
  /** Buckets with keys that are not in the store yet. */
  readonly #unstored = new Set<Bucket>()
  #removals: Uint8Array[] = []
  /** Row key of the first row of an earlier run that was not read yet. */
  #unread: Uint8Array
  /** Time of that row; +∞ when all were read. */
  #unreadTime: Timestamp
  /** Rows of earlier runs are those that were there when the queue was made. */
  readonly #runEpoch: number

  constructor({ store, operator, clock }: TimerQueueOptions, lastEpoch: number) {
    this.#store = store
    this.#runEpoch = lastEpoch
    this.#prefix = Buffer.allocUnsafe(3)
    this.#prefix.writeUInt16BE(operator, 0)
    this.#prefix[2] = clock === 'event' ? 0 : 1
    this.#unread = Buffer.from(this.#prefix)
    this.#unreadTime = Number.NEGATIVE_INFINITY
    this.#peekUnread()
  }

  /** The earliest time for which a key waits; +∞ when none does. */
  get nextTime(): Timestamp {
    return Math.min(this.#times.top, this.#unreadTime)
  }

  /** Whether a key waits for a time up to this one. The end of time (+∞) makes due what has a time. */
  isDue(upTo: Timestamp): boolean {
    const next = this.nextTime
    return next <= upTo && next !== Number.POSITIVE_INFINITY
  }

  add(time: Timestamp, key: Key): void {
    const bucket = this.#bucketOf(time)
    bucket.keys.push(key)
    this.#unstored.add(bucket)
  }

  /**
   * Calls back for each key whose time is at most `upTo`, in order of time and then of asking.
   * @returns false when `budget` calls were made and more are due.
   */
  fire(upTo: Timestamp, budget: number, call: (time: Timestamp, key: Key) => void): boolean {
    let left = budget
    while (this.isDue(upTo)) {
      if (this.#unreadTime <= this.#times.top) {
        this.#readRows()
        continue
      }
      const bucket = this.#buckets.get(this.#times.top) as Bucket
      while (bucket.next < bucket.keys.length && this.#times.top === bucket.time) {
        if (left === 0) return false
        left -= 1
        call(bucket.time, bucket.keys[bucket.next++] as Key)
      }
      // A call may have asked for an earlier time: that comes before the rest of this one.
      if (this.#times.top !== bucket.time) continue
      // Keys that asked for this very time during the loop have fired too; now it is over.
      this.#drop(bucket)
    }
    return true
  }

  /** Puts what was added and removes what has fired since the last call. */
  write(writer: StoreWriter, epoch: number): void {
    for (const rowKey of this.#removals) writer.remove('timers', rowKey)
    this.#removals = []
    for (const bucket of this.#unstored) {
      for (let part = 0; bucket.storedKeys < bucket.keys.length; part++) {
        const keys = bucket.keys.slice(bucket.storedKeys, bucket.storedKeys + KEYS_PER_ROW_MAX)
        const rowKey = this.#rowKey(bucket.time, epoch, part)
        writer.put('timers', rowKey, encodeRow(keys, epoch))
        bucket.rows.push(rowKey)
        bucket.storedKeys += keys.length
      }
    }
    this.#unstored.clear()
  }

  #bucketOf(time: Timestamp): Bucket {
    let bucket = this.#buckets.get(time)
    if (bucket === undefined) {
      bucket = { time, keys: [], earlierKeys: 0, storedKeys: 0, rows: [], next: 0 }
      this.#buckets.set(time, bucket)
      this.#times.push(time)
    }
    return bucket
  }

  #drop(bucket: Bucket): void {
    this.#times.pop()
    this.#buckets.delete(bucket.time)
    this.#unstored.delete(bucket)
    this.#removals.push(...bucket.rows)
  }

  #rowKey(time: Timestamp, epoch: number, part: number): Uint8Array {
    const rowKey = Buffer.allocUnsafe(ROW_KEY_BYTES)
    rowKey.set(this.#prefix, 0)
    writeSortableNumber(rowKey, time, 3)
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

  /** Reads the earliest unread row into its bucket, before the keys this run added. */
  #readRows(): void {
    const [row] = this.#store.range('timers', { start: this.#unread, end: this.#end(), limit: 1 })
    if (row !== undefined) {
      const rowKey = Buffer.from(row.key)
      const bucket = this.#bucketOf(this.#unreadTime)
      const { value } = decodeRow(row.value, `a timer row for time ${this.#unreadTime}`)
      const keys = value as Key[]
      bucket.keys = [
        ...bucket.keys.slice(0, bucket.earlierKeys),
        ...keys,
        ...bucket.keys.slice(bucket.earlierKeys),
      ]
      bucket.earlierKeys += keys.length
      bucket.storedKeys += keys.length
      bucket.rows.push(rowKey)
      this.#unread = Buffer.concat([rowKey, Buffer.from([0])])
    }
    this.#peekUnread()
  }
}
