/**
 * One partition of a log as an input of a task. Opening checks that the log still is what the
 * position was taken from (I8): the same stream, not shorter, with the same message where the
 * position is, and with nothing gone that was not read.
 */
import { ConfigError, DataLossError, invariant, UnavailableError } from '../errors.ts'
import type { Log, LogBatch, LogMessage, LogReader, LogStart, PartitionState } from '../log/log.ts'
import { streamRecreated, streamRefilled, streamTruncated } from '../log/log-loss.ts'
import { retryWhileAway } from '../log/retry.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import type { Decode } from './format/format.ts'
import { fingerprintOf, type LogPosition, logPosition } from './log-position.ts'
import type { InputPosition, PollResult, SourceBatch, SourceInput } from './source.ts'

export interface LogInputOptions {
  readonly id: string
  readonly log: Log
  readonly stream: string
  readonly partition: number
  readonly decode: Decode
  /** Where a fresh state begins; default 'start'. */
  readonly start?: LogStart
  /** 'end-at-open': reads to where the partition ends at the first open, and is over then. */
  readonly until?: 'end-at-open' | undefined
  /**
   * 'fail' (default): a loss is refused. 'skip': it is counted, and reading goes on at the oldest
   * retained message; of a stream that lost its end, that reads messages again.
   */
  readonly onDataLoss?: 'fail' | 'skip'
  readonly clock?: Clock
  /** Ends the waiting of open() for a log that is away. */
  readonly stop?: AbortSignal
  readonly onRetry?: (message: string) => void
  readonly onSkip?: (message: string) => void
}

interface Loss {
  readonly error: DataLossError
  /** Messages known to be lost; at least one, for a loss is never counted as none. */
  readonly messages: number
}

const ignore = (): void => {}

export class LogInput implements SourceInput {
  readonly id: string
  readonly #options: LogInputOptions
  readonly #place: string
  readonly #closing = new AbortController()
  #position: LogPosition | undefined
  #reader: LogReader | undefined
  #skipped = 0

  constructor(options: LogInputOptions) {
    this.id = options.id
    this.#options = options
    this.#place = `${options.stream}/${options.partition}`
  }

  /** Messages that were lost and skipped, with onDataLoss 'skip'. */
  get skipped(): number {
    return this.#skipped
  }

  get isBounded(): boolean {
    return this.#options.until !== undefined
  }

  get hasBacklog(): boolean {
    return !this.#isOver() && (this.#reader?.hasBacklog ?? false)
  }

  get lag(): number | undefined {
    const { sequence, end } = this.#position ?? {}
    if (sequence === undefined || end === undefined) return this.#reader?.lag
    return Math.max(0, end - sequence)
  }

  /** @throws ConfigError when there is no such stream, or it ends before the configured start. */
  async open(position: InputPosition | undefined): Promise<LogPosition> {
    const known = position === undefined ? undefined : logPosition(position, this.id)
    const { stop } = this.#options
    const closing = this.#closing.signal
    const signal = stop === undefined ? closing : AbortSignal.any([closing, stop])
    return this.#whenThere(() => this.#start(known), signal)
  }

  async #start(known: LogPosition | undefined): Promise<LogPosition> {
    const { log, stream, partition, until } = this.#options
    const state = await log.inspect(stream, partition)
    let position = known ?? (await this.#firstPosition(state))
    const loss = await this.#lossBehind(position, state)
    if (loss !== undefined) position = this.#skip(loss, state)
    const end = until === undefined ? undefined : (position.end ?? state.last)
    position = { ...withoutEnd(position), ...(end !== undefined && { end }) }
    try {
      this.#reader = await log.read(stream, partition, position.sequence)
    } catch (error) {
      position = await this.#readRetained(position, error)
    }
    this.#position = position
    return position
  }

  async #firstPosition({ created, last }: PartitionState): Promise<LogPosition> {
    const { log, stream, partition, start = 'start' } = this.#options
    const sequence = await log.resolveStart(stream, partition, start)
    if (sequence > last) {
      throw new ConfigError(
        `source ${this.id}: stream ${this.#place} ends at ${last}, and its reading is to start after ${sequence}; start at an earlier place`,
      )
    }
    const message = await log.fetch(stream, partition, sequence)
    return { created, sequence, ...fingerprintOf(message) }
  }

  /** What of the log no longer is as the position says. */
  async #lossBehind(position: LogPosition, state: PartitionState): Promise<Loss | undefined> {
    const { log, stream, partition } = this.#options
    const { created, sequence, time, crc } = position
    if (created !== state.created) {
      return { error: streamRecreated(this.#place, sequence), messages: 1 }
    }
    if (sequence > state.last) {
      const error = streamTruncated(this.#place, state.last, sequence)
      return { error, messages: sequence - state.last }
    }
    if (crc === null || sequence < state.first) return undefined
    const message = await log.fetch(stream, partition, sequence)
    if (message === undefined) return undefined
    const found = fingerprintOf(message)
    if (found.crc === crc && found.time === time) return undefined
    return { error: streamRefilled(this.#place, sequence), messages: 1 }
  }

  /**
   * Whether messages between the position and the oldest retained one are a loss is for the log to
   * say, which knows its retention; so it is seen when the log refuses to read on.
   */
  async #readRetained(position: LogPosition, refusal: unknown): Promise<LogPosition> {
    if (!(refusal instanceof DataLossError)) throw refusal
    const { log, stream, partition } = this.#options
    const state = await log.inspect(stream, partition)
    const messages = state.first - 1 - position.sequence
    if (messages <= 0) throw refusal
    const { end } = position
    const oldest = this.#skip({ error: refusal, messages }, state)
    this.#reader = await log.read(stream, partition, oldest.sequence)
    return { ...oldest, ...(end !== undefined && { end }) }
  }

  #skip({ error, messages }: Loss, { created, first }: PartitionState): LogPosition {
    const { onDataLoss = 'fail', onSkip = ignore } = this.#options
    if (onDataLoss === 'fail') throw error
    this.#skipped += messages
    onSkip(`skipped a loss and went on at message ${first}: ${error.message}`)
    return { created, sequence: first - 1, ...fingerprintOf(undefined) }
  }

  poll(): PollResult {
    while (!this.#isOver()) {
      const read = this.#reader?.poll()
      if (read === undefined) return 'pending'
      const batch = this.#take(read)
      if (batch !== undefined) return batch
    }
    return 'end'
  }

  #isOver(): boolean {
    const { sequence, end } = this.#position ?? {}
    return sequence !== undefined && end !== undefined && sequence >= end
  }

  /** Moves the position behind what was read; undefined when no message was among it. */
  #take({ messages: read, through }: LogBatch): SourceBatch | undefined {
    const position = this.#position
    invariant(position !== undefined, 'an input is polled after it was opened')
    const { end = Infinity } = position
    const isCut = (read.at(-1)?.sequence ?? 0) > end
    const messages = isCut ? read.filter(({ sequence }) => sequence <= end) : read
    const last = messages.at(-1)
    const sequence = isCut ? end : Math.max(through ?? 0, last?.sequence ?? position.sequence)
    const seen = last?.sequence === sequence ? last : undefined
    this.#position = { ...position, sequence, ...fingerprintOf(seen) }
    return messages.length === 0 ? undefined : this.#batchOf(messages, this.#position)
  }

  #batchOf(messages: readonly LogMessage[], after: LogPosition): SourceBatch {
    const { decode } = this.#options
    const messageAt = (index: number): LogMessage => {
      const message = messages[index]
      invariant(message !== undefined, 'an index lies within its batch')
      return message
    }
    return {
      values: messages.map(({ data }) => decode(data)),
      times: Float64Array.from(messages, ({ time }) => time),
      after,
      placeOf: (index) => `${this.#place} @ ${messageAt(index).sequence}`,
      bytesOf: (index) => messageAt(index).data,
    }
  }

  async ready(): Promise<void> {
    while (!this.#closing.signal.aborted && !this.#isOver()) {
      try {
        await this.#reader?.ready()
        return
      } catch (error) {
        await this.#readAgain(error)
      }
    }
    if (this.#closing.signal.aborted) await this.#reader?.close()
  }

  /** Goes on behind what was read, once the log is back, or behind a loss that may be skipped. */
  async #readAgain(failure: unknown): Promise<void> {
    const skippedBefore = this.#skipped
    const isAway = failure instanceof UnavailableError
    const maySkip = failure instanceof DataLossError && this.#options.onDataLoss === 'skip'
    if (!isAway && !maySkip) throw failure
    await this.#reader?.close()
    let failed = isAway
    try {
      await this.#whenThere(async () => {
        if (failed) {
          failed = false
          throw failure
        }
        return this.#start(this.#position)
      })
    } catch (error) {
      // Who closes the input while the log is away no longer asks for it.
      if (this.#closing.signal.aborted && error instanceof UnavailableError) return
      throw error
    }
    // A loss that cannot be explained would come again for ever.
    if (maySkip && this.#skipped === skippedBefore) throw failure
  }

  async #whenThere(
    action: () => Promise<LogPosition>,
    signal = this.#closing.signal,
  ): Promise<LogPosition> {
    const { clock = systemClock, onRetry = ignore } = this.#options
    return retryWhileAway({ clock, what: `stream ${this.#place}`, onRetry, signal }, action)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#reader?.close()
  }
}

function withoutEnd({ created, sequence, time, crc }: LogPosition): LogPosition {
  return { created, sequence, time, crc }
}
