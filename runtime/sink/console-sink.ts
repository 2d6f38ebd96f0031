/** Prints each result as a line of JSON. At most once after a crash: a terminal cannot be cut back. */
import type { Writable } from 'node:stream'
import { lastOf, messagesOf, type OutboxRow } from '../task/outbox-row.ts'
import type { ByteWriter } from '../task/byte-writer.ts'
import { writeJson } from './json-bytes.ts'
import type { Sink, SinkOwner, Taken } from './sink.ts'

const LINE_END = 10

export class ConsoleSink implements Sink {
  readonly #output: Writable

  constructor(output: Writable) {
    this.#output = output
  }

  encode(out: ByteWriter, value: unknown): void {
    writeJson(out, value)
    out.byte(LINE_END)
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
