/** A Log whose streams are JetStream streams with one partition each; they are read, not written. */
import { ConfigError, InvariantError } from '../errors.ts'
import { JetStreamConnection, type JetStreamOptions } from './jetstream-connection.ts'
import { checkReadable, isCompacted, streamMissing } from './jetstream-loss.ts'
import { JetStreamReader, type ReaderOptions } from './jetstream-reader.ts'
import { JetStreamApi, rangeOf, type StreamInfo } from './jetstream-wire.ts'
import type { Log, LogMessage, LogStart, PartitionState } from './log.ts'

export interface JetStreamLogOptions extends JetStreamOptions, ReaderOptions {}

export class JetStreamLog implements Log {
  readonly #connection: JetStreamConnection
  readonly #api: JetStreamApi
  readonly #options: JetStreamLogOptions
  readonly #readers = new Set<JetStreamReader>()

  private constructor(connection: JetStreamConnection, options: JetStreamLogOptions) {
    this.#connection = connection
    this.#api = new JetStreamApi(connection)
    this.#options = options
  }

  /** @throws UnavailableError when no server answers, ConfigError when it refuses. */
  static async open(options: JetStreamLogOptions = {}): Promise<JetStreamLog> {
    return new JetStreamLog(await JetStreamConnection.open(options), options)
  }

  async partitions(stream: string): Promise<number> {
    await this.#info(stream)
    return 1
  }

  async inspect(stream: string, partition: number): Promise<PartitionState> {
    onlyPartition(partition)
    const info = await this.#info(stream)
    return { created: info.created, ...rangeOf(info), isCompacted: isCompacted(info) }
  }

  async fetch(
    stream: string,
    partition: number,
    sequence: number,
  ): Promise<LogMessage | undefined> {
    onlyPartition(partition)
    if (sequence < 1) return undefined
    const found = await this.#api.message(stream, sequence)
    if (found === undefined) return undefined
    return { sequence: found.sequence, time: found.time, data: found.data }
  }

  async resolveStart(stream: string, partition: number, start: LogStart): Promise<number> {
    const { first, last } = await this.inspect(stream, partition)
    if (start === 'start') return first - 1
    if (start === 'now') return last
    if ('after' in start) return start.after
    return this.#lastBefore(stream, first, last, start.time)
  }

  /** The reader counts what it skipped; see JetStreamReader. */
  async read(
    stream: string,
    partition: number,
    after: number,
    until?: number,
  ): Promise<JetStreamReader> {
    onlyPartition(partition)
    checkStreamName(stream)
    const options = until === undefined ? this.#options : { ...this.#options, until }
    const reader = await JetStreamReader.open(this.#connection, stream, after, options)
    this.#readers.add(reader)
    return reader
  }

  async close(): Promise<void> {
    await Promise.all([...this.#readers].map((reader) => reader.close()))
    await this.#connection.close()
  }

  async #info(stream: string): Promise<StreamInfo> {
    checkStreamName(stream)
    const info = await this.#api.streamInfo(stream)
    if (info === undefined) throw streamMissing(stream, this.#connection.servers)
    checkReadable(info)
    return info
  }

  /**
   * The last sequence before the first message that came at a time or later, found by halving: the
   * server's own start by time is wrong on some versions when messages inside the stream were deleted.
   */
  async #lastBefore(stream: string, first: number, last: number, time: number): Promise<number> {
    let low = first
    let high = last + 1
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const message = await this.#api.messageFrom(stream, middle)
      if (message === undefined || message.time >= time) high = middle
      else low = message.sequence + 1
    }
    return low - 1
  }
}

function onlyPartition(partition: number): void {
  if (partition !== 0) throw new InvariantError(`a JetStream stream has no partition ${partition}`)
}

/** A stream's name is one token of a subject: anything else would ask for something different. */
export function checkStreamName(stream: string): void {
  if (!/^[^\s.*>/\\]+$/.test(stream)) {
    throw new ConfigError(
      `"${stream}" is not the name of a JetStream stream; it may not be empty nor contain spaces, '.', '*', '>', '/' or '\\'`,
    )
  }
}
