import { StateError } from '../errors.ts'

/**
 * Where snapshots are kept. It knows names and bytes and nothing of what is in them.
 *
 * N1 a snapshot is published whole by its manifest: before that it is not listed, and what was put of it
 *    is torn;
 * N2 what was put, and what was published, is durable when the call resolves;
 * N3 a published snapshot never changes: it can only be removed, and its manifest goes first.
 */
export interface SnapshotStore {
  /** For people. */
  readonly where: string
  /** Keeps a part; one of that name that was put before is replaced. @throws UnavailableError. */
  putPart(id: string, name: string, bytes: Uint8Array): Promise<void>
  /** Publishes. @throws StateError when it is published already; UnavailableError. */
  publish(id: string, manifest: Uint8Array): Promise<void>
  /** Ids of what is published, sorted. */
  list(): Promise<string[]>
  /** What was begun and not published. */
  torn(): Promise<TornSnapshot[]>
  /** @throws StateError when no such snapshot is published. */
  readManifest(id: string): Promise<Uint8Array>
  /**
   * The bytes of a part, in pieces that suit the store. A piece is the reader's until it asks for the next.
   * @throws StateError when it is not there.
   */
  readPart(id: string, name: string): AsyncIterable<Uint8Array>
  /** Removes a snapshot, published or torn; nothing when there is none. */
  remove(id: string): Promise<void>
  /** Lets go of connections. */
  close(): Promise<void>
}

export interface TornSnapshot {
  readonly id: string
  /** When something was last put into it, by the store's clock. */
  readonly changedAt: number
}

/** For a store that is asked to change what is published (N3). */
export const alreadyPublished = (id: string, where: string): StateError =>
  new StateError(`snapshot ${id} is in ${where} already; it was not changed`)

/** For a store that is asked for what is not published. */
export const unknownSnapshot = (id: string, where: string): StateError =>
  new StateError(
    `there is no snapshot ${id} in ${where}. 'millrace snapshot ls' shows those that are there.`,
  )
