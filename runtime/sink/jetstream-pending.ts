/** The messages of some outbox rows by their numbers, without copying them. */
import { invariant } from '../errors.ts'
import { lastOf, messagesOf, type OutboxRow } from '../task/outbox-row.ts'

export class PendingRows {
  /** Number of the first message. */
  readonly first: number
  /** Number of the last message; 0 when there is none. */
  readonly last: number
  readonly #messages: readonly Uint8Array[]

  constructor(rows: readonly OutboxRow[]) {
    const [row] = rows
    this.first = row?.first ?? 1
    let last = this.first - 1
    for (const next of rows) {
      invariant(next.first === last + 1, `row ${next.first} follows ${last} (I4)`)
      last = lastOf(next)
    }
    this.last = rows.length === 0 ? 0 : last
    this.#messages = rows.flatMap(messagesOf)
  }

  get count(): number {
    return this.#messages.length
  }

  message(number: number): Uint8Array {
    const message = this.#messages[number - this.first]
    invariant(message !== undefined, `result ${number} is between ${this.first} and ${this.last}`)
    return message
  }
}
