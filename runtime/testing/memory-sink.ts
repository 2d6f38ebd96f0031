/**
 * A sink into memory. Its destination outlives crashes, like a stream: rows that were taken and not
 * yet acknowledged are still there after a crash, and are adopted by their number when the sink is
 * opened again (K2). Whatever comes again must come byte for byte (K3).
 */
import { DataLossError, invariant } from '../errors.ts'
import type { ByteWriter } from '../task/byte-writer.ts'
import { writeJson } from '../sink/json-bytes.ts'
import type { Sink, SinkOwner, Taken } from '../sink/sink.ts'
import { messagesOf, type OutboxRow } from '../task/outbox-row.ts'

/** Where results end up: message k is at index k − 1. Survives every crash. */
export class MemoryDestination {
  readonly messages: string[] = []
  /** Whose results these are; undefined before the first opening. */
  run: string | undefined
}

export class MemorySink implements Sink {
  readonly #destination: MemoryDestination
  #name = 'a sink in memory'

  constructor(destination: MemoryDestination) {
    this.#destination = destination
  }

  /** A result as JSON, as a file or a stream would have it. */
  encode(out: ByteWriter, value: unknown): void {
    writeJson(out, value)
  }

  async open(owner: SinkOwner, taken: Taken | undefined): Promise<Taken> {
    const { messages, run } = this.#destination
    const what = `sink '${owner.destination}' in memory`
    this.#name = what
    if (run !== undefined && run !== owner.run) {
      throw new DataLossError(
        `${what} has ${messages.length} results of another state of the job. Use a fresh destination for a fresh state.`,
      )
    }
    const number = messages.length
    if (number < (taken?.number ?? 0)) {
      throw new DataLossError(
        `${what} has ${number} results and confirmed ${taken?.number ?? 0}: it lost results`,
      )
    }
    if (number > (owner.made ?? Number.POSITIVE_INFINITY)) {
      throw new DataLossError(
        `${what} has ${number} results, and the state has made only ${owner.made}: results had left before their epoch was durable, or the state went back to an older copy`,
      )
    }
    this.#destination.run = owner.run
    return { number, memo: null }
  }

  async deliver(rows: readonly OutboxRow[]): Promise<Taken> {
    const { messages } = this.#destination
    for (const row of rows) {
      for (const [i, bytes] of messagesOf(row).entries()) {
        const text = Buffer.from(bytes).toString('utf8')
        const number = row.first + i
        const had = messages[number - 1]
        invariant(
          number <= messages.length + 1,
          `${this.#name} is given result ${number} and waits for ${messages.length + 1} (I4)`,
        )
        invariant(
          had === undefined || had === text,
          `${this.#name} is given result ${number} again with other bytes: ${text} and not ${had ?? ''} (K3)`,
        )
        if (had === undefined) messages.push(text)
      }
    }
    await Promise.resolve()
    return { number: messages.length, memo: null }
  }

  async close(): Promise<void> {}
}
