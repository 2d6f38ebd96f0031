/**
 * A partition of a stream of the embedded log. The log keeps this task's last number in the
 * transaction of its messages, so a row that is handed over again is dropped there, and after a
 * restart the log is asked how far it has come.
 */
import { ConfigError, DataLossError, invariant } from '../errors.ts'
import type { AppendableLog, Retention } from '../log/appendable-log.ts'
import { messagesOf, type OutboxRow } from '../task/outbox-row.ts'
import type { ByteWriter } from '../task/byte-writer.ts'
import { writeJson } from './json-bytes.ts'
import type { Sink, SinkOwner, Taken } from './sink.ts'

export interface EmbeddedSinkOptions {
  readonly log: AppendableLog
  readonly stream: string
  /** Default 0. */
  readonly partition?: number
  /** What the stream is made with when it is not there. */
  readonly create?: { readonly partitions?: number; readonly retention?: Retention }
}

interface EmbeddedMemo {
  readonly stream: string
  readonly partition: number
  readonly created: string
}

export class EmbeddedSink implements Sink {
  readonly #log: AppendableLog
  readonly #options: EmbeddedSinkOptions
  readonly #partition: number
  #producerId: string | undefined
  #memo: EmbeddedMemo | undefined

  constructor(options: EmbeddedSinkOptions) {
    this.#options = options
    this.#log = options.log
    this.#partition = options.partition ?? 0
  }

  encode(out: ByteWriter, value: unknown): void {
    writeJson(out, value)
  }

  async open(owner: SinkOwner, taken: Taken | undefined): Promise<Taken> {
    const { stream } = this.#options
    const memo = taken?.memo as EmbeddedMemo | undefined
    const what = `sink '${owner.destination}'`
    if (memo !== undefined) this.#checkPlace(what, memo)
    else await this.#createStream()
    const { created } = await this.#inspect(what, memo)
    if (memo !== undefined && memo.created !== created) {
      throw new DataLossError(
        `${what}: stream ${stream} was deleted and made again since this job wrote ${taken?.number} messages to it. Bring the stream back, or start with a new state.`,
      )
    }
    const producerId = producerIdOf(owner)
    const number = await this.#log.producerNumber(stream, this.#partition, producerId)
    checkNumber(`${what}: stream ${stream}`, number, { taken: taken?.number ?? 0, owner })
    this.#producerId = producerId
    this.#memo = { stream, partition: this.#partition, created }
    return { number, memo: this.#memo }
  }

  #checkPlace(what: string, memo: EmbeddedMemo): void {
    const { stream } = this.#options
    if (memo.stream === stream && memo.partition === this.#partition) return
    throw new ConfigError(
      `${what} writes to partition ${this.#partition} of stream ${stream}, and this state wrote it to partition ${memo.partition} of ${memo.stream}. Name that one, or start with a new state.`,
    )
  }

  async #createStream(): Promise<void> {
    const { stream, create } = this.#options
    try {
      await this.#log.partitions(stream)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      await this.#log.createStream(stream, create)
    }
  }

  async #inspect(
    what: string,
    memo: EmbeddedMemo | undefined,
  ): Promise<{ readonly created: string }> {
    const { stream } = this.#options
    try {
      return await this.#log.inspect(stream, this.#partition)
    } catch (error) {
      if (memo === undefined || !(error instanceof ConfigError)) throw error
      throw new DataLossError(
        `${what}: stream ${stream} is gone, and this job has written to it. Bring the stream back, or start with a new state.`,
        { cause: error },
      )
    }
  }

  async deliver(rows: readonly OutboxRow[]): Promise<Taken> {
    const [row] = rows
    const id = this.#producerId
    invariant(row !== undefined && id !== undefined, 'rows are delivered to a sink that is open')
    const { stream } = this.#options
    const messages: Uint8Array[] = []
    for (const { first, ...rest } of rows) {
      invariant(first === row.first + messages.length, 'numbers of rows have no holes (I4)')
      for (const message of messagesOf({ first, ...rest })) messages.push(message)
    }
    await this.#log.append(stream, this.#partition, messages, { id, firstNumber: row.first })
    return { number: row.first + messages.length - 1, memo: this.#memo }
  }

  /** The log belongs to who opened it. */
  async close(): Promise<void> {
    this.#producerId = undefined
  }
}

/** One producer for each run, task and destination; '/' inside a name stays inside it. */
function producerIdOf({ run, job, task, destination }: SinkOwner): string {
  return [run, job, task, destination].map(encodeURIComponent).join('/')
}

/** The log has at least what was confirmed, and at most what was ever made. */
function checkNumber(
  what: string,
  number: number,
  { taken, owner }: { readonly taken: number; readonly owner: SinkOwner },
): void {
  if (number < taken) {
    throw new DataLossError(
      `${what} has ${number} messages of this job, and confirmed ${taken}: it lost messages. Bring the stream back, or start with a new state.`,
    )
  }
  if (owner.made !== undefined && number > owner.made) {
    throw new DataLossError(
      `${what} has ${number} messages of this job, and its state has made only ${owner.made}: the state went back to an older copy. Bring the newest state back, or start with a new one and another stream.`,
    )
  }
}
