/**
 * Where a task keeps everything that must survive: state, timers, positions, outbox.
 *
 * Two moments, two words. *Committed*: visible to later reads of this store. *Durable*: survives a
 * machine that loses power. A commit is durable only once `flushed()` has resolved; nothing may
 * leave the task before that (I3).
 *
 * Rules every implementation keeps, and the conformance suite checks:
 * S1 a commit is seen whole or not at all;
 * S2 commits become visible, and durable, in the order in which they were handed over;
 * S3 reads see the newest committed state, never a part of a commit in flight;
 * S4 after a crash the store opens at some commit that is not older than the newest durable one.
 */
export const STORE_TABLES = ['meta', 'epochs', 'state', 'timers', 'outbox'] as const

/** A named ordered map of binary keys to binary values inside the store. */
export type StoreTable = (typeof STORE_TABLES)[number]

/** Collects the writes of one commit. Key and value bytes must not change until the commit resolved. */
export interface StoreWriter {
  put(table: StoreTable, key: Uint8Array, value: Uint8Array): void
  remove(table: StoreTable, key: Uint8Array): void
}

export interface StoreRow {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export interface StoreRange {
  /** First key, inclusive. */
  readonly start: Uint8Array
  /** Last key, exclusive. */
  readonly end: Uint8Array
  /** At most this many rows. */
  readonly limit?: number
}

export interface Store {
  /** The value under a key as committed, or undefined. The bytes belong to the caller. */
  get(table: StoreTable, key: Uint8Array): Uint8Array | undefined
  /** Rows in the byte order of their keys, as committed. */
  range(table: StoreTable, range: StoreRange): StoreRow[]
  /** How many rows a table holds. */
  count(table: StoreTable): number
  /**
   * Commits what `write` puts, synchronously, into the writer: one atomic commit.
   * Resolves when it is committed; at most one commit is in flight at a time.
   */
  commit(write: (writer: StoreWriter) => void): Promise<void>
  /** Resolves when every commit that has resolved so far is durable. After a rejection: reopen. */
  flushed(): Promise<void>
  close(): Promise<void>
}
