/** A stream of the simulated server: numbers, expectations and message ids as JetStream keeps them. */
import { headerOf } from '../../runtime/log/jetstream-wire.ts'

export interface Stored {
  readonly sequence: number
  readonly subject: string
  readonly time: number
  readonly data: Uint8Array
  /** The header block as it was published. */
  readonly headers: string
}

export interface Refused {
  readonly code: number
  readonly err_code: number
  readonly description: string
}

export class SimulatedStream {
  readonly name: string
  readonly subject: string
  readonly created: string
  readonly duplicateWindowMs: number
  #first = 1
  #last = 0
  #messages = new Map<number, Stored>()
  readonly #ids = new Map<string, Stored>()
  /** Everything that was ever stored and not lost, also what was purged. */
  #ledger: Stored[] = []

  constructor(name: string, subject: string, created: string, duplicateWindowMs: number) {
    this.name = name
    this.subject = subject
    this.created = created
    this.duplicateWindowMs = duplicateWindowMs
  }

  get first(): number {
    return this.#first
  }

  get last(): number {
    return this.#last
  }

  get count(): number {
    return this.#messages.size
  }

  get ledger(): readonly Stored[] {
    return this.#ledger
  }

  get(sequence: number): Stored | undefined {
    return this.#messages.get(sequence)
  }

  /** The first message from a sequence on, of one subject or of any. */
  from(sequence: number, subject: string | undefined): Stored | undefined {
    for (let at = Math.max(sequence, this.#first); at <= this.#last; at++) {
      const message = this.#messages.get(at)
      if (message !== undefined && (subject === undefined || message.subject === subject)) {
        return message
      }
    }
    return undefined
  }

  publish(
    subject: string,
    data: Uint8Array,
    headers: string,
    time: number,
  ): Refused | { readonly seq: number; readonly duplicate: boolean } {
    const stream = headerOf(headers, 'Nats-Expected-Stream')
    if (stream !== undefined && stream !== this.name) {
      return { code: 400, err_code: 10060, description: 'expected stream does not match' }
    }
    const id = headerOf(headers, 'Nats-Msg-Id')
    const known = id === undefined ? undefined : this.#ids.get(id)
    if (known !== undefined && time - known.time < this.duplicateWindowMs) {
      return { seq: known.sequence, duplicate: true }
    }
    const expected = headerOf(headers, 'Nats-Expected-Last-Sequence')
    if (expected !== undefined && Number(expected) !== this.#last) {
      return { code: 400, err_code: 10071, description: `wrong last sequence: ${this.#last}` }
    }
    const stored = { sequence: ++this.#last, subject, time, data, headers }
    this.#messages.set(stored.sequence, stored)
    this.#ledger.push(stored)
    if (id !== undefined) this.#ids.set(id, stored)
    return { seq: stored.sequence, duplicate: false }
  }

  /** Removes everything up to a sequence, as retention does: its numbers stay taken. */
  purge(upTo: number): void {
    for (; this.#first <= Math.min(upTo, this.#last); this.#first++) {
      this.#messages.delete(this.#first)
    }
  }

  /** Forgets everything behind a sequence, as a server does that acknowledged before it was on disk. */
  loseTail(last: number): void {
    for (; this.#last > last; this.#last--) this.#messages.delete(this.#last)
    this.#first = Math.min(this.#first, this.#last + 1)
    this.#ledger = this.#ledger.filter(({ sequence }) => sequence <= last)
    for (const [id, { sequence }] of this.#ids) if (sequence > last) this.#ids.delete(id)
  }
}
