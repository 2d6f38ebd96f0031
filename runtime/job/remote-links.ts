/**
 * The ends of links whose other end is in another process. What is announced and passed goes through the
 * job's process, one small message an epoch; the rows themselves are read from the sender's store.
 */
import { LmdbStore } from '../state/lmdb-store.ts'
import type { ReadingEnd, SendingEnd } from '../task/exchange-link.ts'
import type { LinkName } from '../task/layout.ts'
import { type Outbox, storedRows } from '../task/outbox.ts'
import { lastOf, type OutboxRow } from '../task/outbox-row.ts'
import type { Announcement, Passed } from './worker-messages.ts'

const nobody = (): void => undefined

export class RemoteSendingEnd implements SendingEnd {
  readonly #link: LinkName
  readonly #say: (announcement: Announcement) => void
  #outbox: Outbox | undefined
  passed = 0
  onPassed: () => void = nobody

  constructor(link: LinkName, say: (announcement: Announcement) => void) {
    this.#link = link
    this.#say = say
  }

  open(outbox: Outbox): void {
    this.#outbox = outbox
  }

  announce(durableEpoch: number): void {
    const outbox = this.#outbox
    if (outbox === undefined) return
    const { destination } = outbox
    this.#say({ link: this.#link, number: outbox.durableNumber(durableEpoch), destination })
  }

  close(): void {
    this.#outbox = undefined
    this.onPassed = nobody
  }

  /** The reader has durably come this far. */
  notePassed(number: number): void {
    if (number <= this.passed) return
    this.passed = number
    this.onPassed()
  }
}

export class RemoteReadingEnd implements ReadingEnd {
  readonly #link: LinkName
  readonly #store: SenderStore
  readonly #say: (passed: Passed) => void
  #announced = 0
  #destination = 0
  #passed = 0
  onNews: () => void = nobody

  constructor(link: LinkName, store: SenderStore, say: (passed: Passed) => void) {
    this.#link = link
    this.#store = store
    this.#say = say
  }

  /** Rows up to this number are durable, in the store of who sends. */
  noteAnnounced({ number, destination }: Announcement): void {
    this.#destination = destination
    if (number <= this.#announced) return
    this.#announced = number
    this.#store.refresh()
    this.onNews()
  }

  read(from: number, bytesMax: number): readonly OutboxRow[] {
    if (!this.has(from)) return []
    const store = this.#store.open()
    const rows: OutboxRow[] = []
    let bytes = 0
    for (const row of storedRows(store, this.#destination, this.#link.exchange, from)) {
      // What lies beyond is committed, and may not be durable yet. An epoch ends with a row.
      if (lastOf(row) > this.#announced) break
      rows.push(row)
      bytes += row.bytes.length
      if (bytes >= bytesMax) break
    }
    return rows
  }

  has(number: number): boolean {
    return this.#announced >= number
  }

  pass(number: number): void {
    if (number <= this.#passed) return
    this.#passed = number
    this.#say({ link: this.#link, number })
  }
}

/** The store of a task in another process, opened when it is read first, for all links with that task. */
export class SenderStore {
  readonly #folder: string
  #store: LmdbStore | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  open(): LmdbStore {
    return (this.#store ??= new LmdbStore(this.#folder, { readOnly: true }))
  }

  /** What is read from here on is as new as anything that was announced. */
  refresh(): void {
    this.#store?.refresh()
  }

  async close(): Promise<void> {
    await this.#store?.close()
    this.#store = undefined
  }
}
