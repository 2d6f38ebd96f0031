/** Prints each result as a line of JSON. At most once after a crash: a terminal cannot be cut back. */
import type { Writable } from 'node:stream'
import { lastOf, messagesOf, type OutboxRow } from '../task/outbox-row.ts'
import { jsonText } from './json-text.ts'
import type { Sink, SinkOwner, Taken } from './sink.ts'

export class ConsoleSink implements Sink {
  readonly #output: Writable

  constructor(output: Writable) {
    this.#output = output
  }

  encode(value: unknown): string {
    return `${jsonText(value)}\n`
  }

  open(_owner: SinkOwner, taken: Taken | undefined): Promise<Taken> {
    return Promise.resolve({ number: taken?.number ?? 0, memo: null })
  }

  async deliver(rows: readonly OutboxRow[]): Promise<Taken> {
    let number = 0
    for (const row of rows) {
      for (const message of messagesOf(row)) {
        await new Promise<void>((resolve, reject) => {
          this.#output.write(message, (error) => (error ? reject(error) : resolve()))
        })
      }
      number = lastOf(row)
    }
    return { number, memo: null }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
