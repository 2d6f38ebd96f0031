/**
 * A durable ordered sequence of messages, in named streams with numbered partitions.
 *
 * L1 sequences of a partition start at 1 and grow by one for each message appended; what retention
 *    removed is never numbered again.
 * L2 a resolved append is durable as far as the log promises durability.
 * L3 a reader gets every retained message after its start once, in order; a hole is an error
 *    (DataLossError), never silence.
 * L4 a stream that is deleted and made again has another `created`.
 */
export interface LogMessage {
  readonly sequence: number
  /** When the log took the message: milliseconds since the epoch. */
  readonly time: number
  readonly data: Uint8Array
}

/** Messages in order with consecutive sequences, unless retention inside the stream allows holes. */
export interface LogBatch {
  readonly messages: readonly LogMessage[]
  /**
   * Everything up to here was read, or was deleted and will not come; default: the last message. A
   * batch without messages says it of a stream's deleted end.
   */
  readonly through?: number
}

export interface PartitionState {
  /** Identity of this incarnation of the stream; differs after it was deleted and made again. */
  readonly created: string
  /** Oldest retained sequence; `last + 1` when nothing is retained. */
  readonly first: number
  /** Newest sequence ever appended; 0 when none was. */
  readonly last: number
  /** Only the newest messages of a kind are kept: what is missing before the first is meant to be. */
  readonly isCompacted?: boolean
}

/**
 * Where to begin: right behind a sequence, with the first message that came at a time or later, with
 * the oldest that is retained, or behind the newest.
 */
export type LogStart = { readonly after: number } | { readonly time: number } | 'start' | 'now'

/** Where to end: with a sequence, before the first message that came at a time or later, or with the newest. */
export type LogEnd = { readonly through: number } | { readonly before: number } | 'now'

/** Who appends exactly once: the log keeps the last number of each producer with its messages. */
export interface LogProducer {
  readonly id: string
  /** Number of the first of the messages; consecutive from 1 for each producer. */
  readonly firstNumber: number
}

export interface LogReader {
  /** What has arrived, without waiting; undefined when nothing has. Never more than a bounded batch. */
  poll(): LogBatch | undefined
  /** Resolves when poll may return something, or rejects with what is wrong with the stream. */
  ready(): Promise<void>
  /** True while the log is known to hold messages behind what poll gave. */
  readonly hasBacklog?: boolean
  /** How many messages are known to be behind what poll gave; undefined when that is not known. */
  readonly lag?: number | undefined
  close(): Promise<void>
}

export interface Log {
  /** Number of partitions of a stream. @throws UnavailableError or ConfigError when it is not there. */
  partitions(stream: string): Promise<number>
  inspect(stream: string, partition: number): Promise<PartitionState>
  /** One retained message, or undefined when it is no longer (or not yet) there. */
  fetch(stream: string, partition: number, sequence: number): Promise<LogMessage | undefined>
  /** The sequence right before the first message that a reader from this start would get. */
  resolveStart(stream: string, partition: number, start: LogStart): Promise<number>
  /**
   * A reader of everything behind `after`. One that is to read as far as `until`, which was there, is
   * told when the log loses it: nothing would come any more (L3).
   */
  read(stream: string, partition: number, after: number, until?: number): Promise<LogReader>
  close(): Promise<void>
}
