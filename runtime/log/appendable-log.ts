/** A log that this runtime writes itself: streams are made, appended to and removed through it. */
import { ConfigError, DataLossError } from '../errors.ts'
import type { Log, LogProducer } from './log.ts'

/** How long messages are kept. Whole runs of the oldest go first, when something is appended. */
export interface Retention {
  /** Messages older than this go, in milliseconds. */
  readonly ageMs?: number
  /** The oldest go while a partition is larger than this; the newest run always stays. */
  readonly bytes?: number
}

export interface StreamOptions {
  /** Fixed when the stream is made; default 1. */
  readonly partitions?: number
  /** Default: everything is kept. */
  readonly retention?: Retention
}

/** What one call appends to one partition. The bytes must not change until the append has resolved. */
export interface Append {
  readonly partition: number
  readonly messages: readonly Uint8Array[]
  /** Makes repeating the append harmless: messages with numbers that were taken are dropped. */
  readonly producer?: LogProducer
}

export interface Appended {
  /** Newest sequence of the partition after the append. */
  readonly last: number
}

export interface AppendableLog extends Log {
  /**
   * Makes a stream, or does nothing when it is there already; its retention is then set anew if one
   * is given.
   * @throws ConfigError when it is there with another number of partitions.
   */
  createStream(stream: string, options?: StreamOptions): Promise<void>
  /** Removes a stream with all its messages and producers' numbers; nothing happens when it is not there. */
  deleteStream(stream: string): Promise<void>
  /**
   * Durably appends messages in order, all or none.
   * @throws DataLossError when the producer's number leaves a hole; ConfigError when there is no such
   * stream; UnavailableError when the log cannot be written now.
   */
  append(
    stream: string,
    partition: number,
    messages: readonly Uint8Array[],
    producer?: LogProducer,
  ): Promise<Appended>
  /** Appends to several partitions of a stream, all or none. */
  appendAll(stream: string, appends: readonly Append[]): Promise<Appended[]>
  /** Number of the last message taken from a producer; 0 when none was. */
  producerNumber(stream: string, partition: number, producerId: string): Promise<number>
}

const STREAM_NAME_BYTES_MAX = 200
const PRODUCER_ID_BYTES_MAX = 1_000
const PARTITIONS_MAX = 4_096
const LONE_SURROGATE = /\p{Surrogate}/u
export const MESSAGE_BYTES_MAX = 64 * 1024 * 1024

/** @throws ConfigError for what cannot be the name of a stream. */
export function checkStreamName(stream: string): void {
  const bytes = Buffer.byteLength(stream)
  if (bytes < 1 || bytes > STREAM_NAME_BYTES_MAX || LONE_SURROGATE.test(stream)) {
    throw new ConfigError(
      `${JSON.stringify(stream)} cannot name a stream; use 1 to ${STREAM_NAME_BYTES_MAX} bytes of text`,
    )
  }
}

/** @throws ConfigError for options that no stream can have. */
export function checkStreamOptions(
  stream: string,
  { partitions = 1, retention }: StreamOptions,
): void {
  const problems: string[] = []
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX) {
    problems.push(
      `stream '${stream}': partitions must be 1 to ${PARTITIONS_MAX}, not ${partitions}`,
    )
  }
  for (const name of ['ageMs', 'bytes'] as const) {
    const limit = retention?.[name]
    if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
      problems.push(
        `stream '${stream}': retention.${name} must be a positive integer, not ${limit}`,
      )
    }
  }
  if (problems.length > 0) throw new ConfigError(problems)
}

/** @throws ConfigError for a message or a producer that a log does not take. */
export function checkAppend({ messages, producer }: Append): void {
  const large = messages.findIndex((message) => message.length > MESSAGE_BYTES_MAX)
  if (large >= 0) {
    throw new ConfigError(
      `message ${large} of an append has ${messages[large]?.length} bytes; a log takes up to ${MESSAGE_BYTES_MAX}`,
    )
  }
  if (producer === undefined) return
  const { id, firstNumber } = producer
  if (id === '' || Buffer.byteLength(id) > PRODUCER_ID_BYTES_MAX || LONE_SURROGATE.test(id)) {
    throw new ConfigError(
      `${JSON.stringify(id)} cannot name a producer; use 1 to ${PRODUCER_ID_BYTES_MAX} bytes of text`,
    )
  }
  if (!Number.isSafeInteger(firstNumber) || firstNumber < 1) {
    throw new ConfigError(`producer '${id}': numbers are integers from 1, not ${firstNumber}`)
  }
}

/**
 * How many messages at the front of an append were taken before: exactly the number behind the last
 * is new, lower ones are repeats, and higher ones mean that messages in between are lost (I4).
 * @throws DataLossError when the numbers leave a hole.
 */
export function repeatsOf(
  place: string,
  { messages, producer }: Append,
  lastNumber: number,
): number {
  if (producer === undefined) return 0
  const { id, firstNumber } = producer
  if (firstNumber > lastNumber + 1) {
    throw new DataLossError(
      `${place}: producer '${id}' goes on with message ${firstNumber}, but the last one taken from it is ${lastNumber}: ${firstNumber - lastNumber - 1} acknowledged messages are no longer known here, because the stream was made again or lost its end. Bring the stream back, or start with a new state.`,
    )
  }
  return Math.min(messages.length, lastNumber + 1 - firstNumber)
}
