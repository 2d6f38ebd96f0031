/**
 * A sink that looks at what a task hands over before it lets the real sink have it: only what is durable
 * in the state leaves (I3), and a number stands for the same bytes for ever (I4).
 */
import type { MemoryDisk } from '../../runtime/testing/memory-store.ts'
import type { Sink, SinkOwner, Taken } from '../../runtime/sink/sink.ts'
import type { ByteWriter } from '../../runtime/task/byte-writer.ts'
import { messagesOf, type OutboxRow } from '../../runtime/task/outbox-row.ts'
import { ensure } from './ensure.ts'
import type { Life } from './life.ts'

/** Everything that was ever handed over to a destination: message k is at index k − 1. */
export class Handed {
  readonly messages: string[] = []
  /** How far the sink has said that it has taken them. */
  taken = 0
}

export interface CheckedSinkOptions {
  readonly sink: Sink
  readonly life: Life
  readonly destination: number
  readonly handed: Handed
  readonly disk: () => MemoryDisk
}

export class CheckedSink implements Sink {
  readonly #options: CheckedSinkOptions
  #name = ''

  constructor(options: CheckedSinkOptions) {
    this.#options = options
  }

  encode(out: ByteWriter, value: unknown, time: number, key: string | number | undefined): void {
    this.#options.sink.encode(out, value, time, key)
  }

  async open(owner: SinkOwner, taken: Taken | undefined): Promise<Taken> {
    this.#name = owner.destination
    return this.#note(await this.#mortal(() => this.#options.sink.open(owner, taken)))
  }

  async deliver(rows: readonly OutboxRow[]): Promise<Taken> {
    for (const row of rows) this.#check(row)
    return this.#note(await this.#mortal(() => this.#options.sink.deliver(rows)))
  }

  async close(): Promise<void> {
    if (this.#options.life.isAlive) await this.#options.sink.close()
  }

  async #mortal(action: () => Promise<Taken>): Promise<Taken> {
    if (!this.#options.life.isAlive) return await new Promise<never>(() => undefined)
    return await action()
  }

  #check(row: OutboxRow): void {
    const { disk, destination, handed } = this.#options
    const key = Buffer.alloc(8)
    key.writeUInt16BE(destination, 0)
    key.writeUIntBE(row.first, 2, 6)
    const durable = disk().durable.outbox.get(key.toString('latin1'))?.value
    const isDurable =
      durable !== undefined &&
      Buffer.from(durable)
        .subarray(8 + row.ends.byteLength)
        .equals(row.bytes)
    ensure(isDurable, `I3: result ${row.first} leaves for ${this.#name} and is not durable`)
    for (const [index, bytes] of messagesOf(row).entries()) {
      const number = row.first + index
      const text = Buffer.from(bytes).toString('latin1')
      const before = handed.messages[number - 1]
      ensure(
        number <= handed.messages.length + 1,
        `I4: result ${number} to ${this.#name} follows ${handed.messages.length}`,
      )
      ensure(
        before === undefined || before === text,
        `I4: result ${number} to ${this.#name} was ${before} and is ${text} now`,
      )
      handed.messages[number - 1] = text
    }
  }

  #note(taken: Taken): Taken {
    const { handed } = this.#options
    ensure(
      taken.number <= handed.messages.length,
      `I4: ${this.#name} says that it has taken ${taken.number}, and was given ${handed.messages.length}`,
    )
    handed.taken = Math.max(handed.taken, taken.number)
    return taken
  }
}
