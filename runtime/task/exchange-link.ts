/**
 * Between a task and one that reads it: where its rows are, how far they are durable, and how far they
 * are taken. It outlives both: either may fail and be opened again.
 *
 * L1 A row is read only up to the number that was announced as durable: what is merely committed may
 *    never have been (I3).
 * L2 The reader says only how far it has passed durably; only that is trimmed.
 */
import type { LinkName, Links } from './layout.ts'
import type { Outbox } from './outbox.ts'
import type { OutboxRow } from './outbox-row.ts'

/** What the task that sends has of it. */
export interface SendingEnd {
  /** The task is open: its rows may be read as far as it announces them. */
  open(outbox: Outbox): void
  /** Rows of epochs up to this one are durable. */
  announce(durableEpoch: number): void
  /** The task is closed: until it is open again nothing more comes. */
  close(): void
  /** Number of the last frame that the reader has durably passed. */
  readonly passed: number
  /** Told when the reader has passed more. */
  onPassed: () => void
}

/** What the task that reads has of it. */
export interface ReadingEnd {
  /** Rows from a number on that are announced as durable, oldest first, up to about `bytesMax`. */
  read(from: number, bytesMax: number): readonly OutboxRow[]
  /** Whether a frame with this number can be read. */
  has(number: number): boolean
  /** Everything up to this number is durably taken. */
  pass(number: number): void
  /** Told when there may be more. */
  onNews: () => void
}

const nobody = (): void => undefined

/** Both ends in one process: rows are read from the outbox itself. */
export class LocalLink implements SendingEnd, ReadingEnd {
  #outbox: Outbox | undefined
  #durableEpoch = 0
  /** What the reader has passed, and the sender is not told while links are held. */
  #unsaid = 0
  #isHeld = false
  passed = 0
  onPassed: () => void = nobody
  onNews: () => void = nobody

  open(outbox: Outbox): void {
    this.#outbox = outbox
    this.#durableEpoch = 0
  }

  announce(durableEpoch: number): void {
    this.#durableEpoch = durableEpoch
    this.onNews()
  }

  close(): void {
    this.#outbox = undefined
    this.onPassed = nobody
  }

  read(from: number, bytesMax: number): readonly OutboxRow[] {
    return this.#outbox?.durableRows(from, this.#durableEpoch, bytesMax) ?? []
  }

  has(number: number): boolean {
    return (this.#outbox?.durableNumber(this.#durableEpoch) ?? 0) >= number
  }

  pass(number: number): void {
    this.#unsaid = Math.max(this.#unsaid, number)
    if (!this.#isHeld) this.#tell()
  }

  /** Keeps from the sender how far the reader has come: what is not trimmed yet stays. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
    this.#tell()
  }

  #tell(): void {
    if (this.#unsaid <= this.passed) return
    this.passed = this.#unsaid
    this.onPassed()
  }
}

/** The links between tasks of one process, each made when its first end is asked for. */
export class LocalLinks implements Links {
  readonly #links = new Map<string, LocalLink>()

  sending(link: LinkName): SendingEnd {
    return this.#link(link)
  }

  reading(link: LinkName): ReadingEnd {
    return this.#link(link)
  }

  /** See LocalLink. */
  hold(): void {
    for (const link of this.#links.values()) link.hold()
  }

  release(): void {
    for (const link of this.#links.values()) link.release()
  }

  #link({ exchange, from, to }: LinkName): LocalLink {
    const name = `${exchange}/${from}/${to}`
    const link = this.#links.get(name) ?? new LocalLink()
    this.#links.set(name, link)
    return link
  }
}
