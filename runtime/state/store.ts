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
import type { Steps, Turns } from '../time/turns.ts'

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

/** Reads rows: the newest committed ones of a store, or those of a view. */
export interface StoreReader {
  /** The value under a key as committed, or undefined. The bytes belong to the caller. */
  get(table: StoreTable, key: Uint8Array): Uint8Array | undefined
  /** Rows in the byte order of their keys, as committed. */
  range(table: StoreTable, range: StoreRange): StoreRow[]
}

/**
 * What was committed when the view was opened, whatever is committed after. A store keeps all of it as
 * long as the view is open, so it is closed soon. Reading throws UnavailableError once it is closed.
 */
export interface StoreView extends StoreReader {
  /** The same as the bytes of a file, where a store is one. */
  readonly pages?: StorePages
  close(): void
}

/** A store's file as it was: copied to another place, it opens there as that store. */
export interface StorePages {
  readonly length: number
  /** Fills `into` with the bytes from `position` on. @throws UnavailableError when the view is closed. */
  read(into: Uint8Array, position: number): Promise<void>
}

export interface Store extends StoreReader {
  /** How many rows a table holds. */
  count(table: StoreTable): number
  /**
   * Commits what `write` puts into the writer, at once and in the steps that it returns: one atomic commit,
   * or none when it throws. Between steps the event loop gets its turn, when `turns` are given.
   * Resolves when it is committed; at most one commit is in flight at a time.
   */
  commit(write: (writer: StoreWriter) => Steps | void, turns?: Turns): Promise<void>
  /**
   * A frozen view of what is committed, opened at once. Called while no commit is in flight. Closing
   * the store ends it.
   */
  view(): StoreView
  /** Resolves when every commit that has resolved so far is durable. After a rejection: reopen. */
  flushed(): Promise<void>
  close(): Promise<void>
}
