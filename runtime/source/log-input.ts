/**
 * One partition of a log as an input of a task. Opening checks that the log still is what the
 * position was taken from (I8): the same stream, not shorter, with the same message where the
 * position is, and with nothing gone that was not read.
 */
import { ConfigError, DataLossError, invariant, UnavailableError } from '../errors.ts'
import type {
  Log,
  LogBatch,
  LogEnd,
  LogMessage,
  LogReader,
  LogStart,
  PartitionState,
} from '../log/log.ts'
import { streamEndLost, streamRecreated, streamRefilled, streamTruncated } from '../log/log-loss.ts'
import { retryWhileAway } from '../log/retry.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import type { Decode } from './format/format.ts'
import {
  boundsOf,
  fingerprintOf,
  type LogBounds,
  type LogPosition,
  logPosition,
  placeOf,
} from './log-position.ts'
import { beginningOf, endOf, endText, type Found, refuseBackwards, startText } from './log-range.ts'
import type { InputExtent, InputPosition, PollResult, SourceBatch, SourceInput } from './source.ts'

export interface LogInputOptions {
  readonly id: string
  readonly log: Log
  readonly stream: string
  readonly partition: number
  readonly decode: Decode
  /** Where a fresh state begins; default 'start'. */
  readonly from?: LogStart
  /** Where it is over; resolved at the first open and kept. Default: never. */
  readonly to?: LogEnd | undefined
  /** Behind its end another run goes on; see SourceInput. */
  readonly goesOn?: boolean
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
    return this.#options.to !== undefined
  }

  get goesOn(): boolean {
    return this.#options.goesOn === true
  }

  get extent(): InputExtent | undefined {
    const { sequence, end, begin } = this.#position ?? {}
    if (sequence === undefined || end === undefined || begin === undefined) return undefined
    const read = Math.max(0, Math.min(sequence, end) - begin)
    return { unit: 'messages', read, total: Math.max(0, end - begin) }
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
    const { log, stream, partition } = this.#options
    const state = await log.inspect(stream, partition)
    let position = known ?? (await this.#firstPosition(state))
    const loss = await this.#lossBehind(position, state)
    if (loss !== undefined) position = this.#skip(loss, state)
    position = { ...placeOf(position), ...(await this.#bounds(position, known, state)) }
    const isOver = position.end !== undefined && position.sequence >= position.end
    try {
      // Of what nothing more is read it does not matter what becomes of the rest.
      if (!isOver) {
        const { sequence, end } = position
        this.#reader = await log.read(stream, partition, sequence, end)
      }
    } catch (error) {
      position = await this.#readRetained(position, error)
    }
    this.#position = position
    return position
  }

  async #firstPosition(state: PartitionState): Promise<LogPosition> {
    const { log, stream, partition, from = 'start', onDataLoss = 'fail' } = this.#options
    const sequence = await beginningOf(this.#found(state), from, onDataLoss)
    const message = await log.fetch(stream, partition, sequence)
    return { created: state.created, sequence, ...fingerprintOf(message) }
  }

  /** The bounds of a bounded reading: those that were fixed before its first record, or new ones. */
  async #bounds(
    { sequence, end, begin, asked: askedBefore }: LogPosition,
    known: LogPosition | undefined,
    state: PartitionState,
  ): Promise<LogBounds> {
    const { from = 'start', to } = this.#options
    const asked = this.#asked
    if (to === undefined || asked === undefined) return {}
    if (end !== undefined) {
      this.#refuseOther({ end, asked: askedBefore ?? asked }, asked)
      return { end: this.#endLeft(end, state), begin: begin ?? sequence, asked }
    }
    const fixed = await endOf(this.#found(state), to)
    refuseBackwards(sequence, fixed, this.#options, {
      begins: known === undefined ? startText(from) : 'from where this state stands',
      ends: endText(to),
    })
    return { end: fixed, begin: sequence, asked }
  }

  /** The end that was fixed, unless the log has lost it and that may be skipped. */
  #endLeft(end: number, { last }: PartitionState): number {
    if (end <= last) return end
    const { onDataLoss = 'fail', onSkip = ignore } = this.#options
    const loss = streamEndLost(this.#place, last, end)
    if (onDataLoss === 'fail') throw loss
    this.#skipped += end - last
    onSkip(`skipped a loss and reads on to message ${last}: ${loss.message}`)
    return last
  }

  /** Which batch is asked for, in words; undefined for a live reading. */
  get #asked(): string | undefined {
    const { from = 'start', to } = this.#options
    return to === undefined ? undefined : `${startText(from)} ${endText(to)}`
  }

  #refuseOther(was: { readonly end: number; readonly asked: string }, asked: string): void {
    if (was.asked === asked) return
    throw new ConfigError(
      `source ${this.id}: this state is of a batch ${was.asked}, which ends with sequence ${was.end}, and you ask for one ${asked}. Ask for the same again, or begin another with another --state`,
    )
  }

  checkFinished(position: InputPosition): void {
    const { end, asked } = logPosition(position, this.id)
    if (this.#asked === undefined || end === undefined || asked === undefined) return
    this.#refuseOther({ end, asked }, this.#asked)
  }

  #found(state: PartitionState): Found {
    const { log, stream, partition, clock = systemClock } = this.#options
    return { log, stream, partition, state, clock }
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
    const oldest = this.#skip({ error: refusal, messages }, state)
    this.#reader = await log.read(stream, partition, oldest.sequence, position.end)
    return { ...oldest, ...boundsOf(position) }
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
    const values: unknown[] = []
    // By index: an iterator costs a record as much as the rest of this.
    const times = new Float64Array(messages.length)
    for (let index = 0; index < messages.length; index++) {
      const { data, time } = messageAt(index)
      values.push(decode(data))
      times[index] = time
    }
    return {
      values,
      times,
      after,
      positionAfter: (index) => {
        const message = messageAt(index)
        return { ...after, sequence: message.sequence, ...fingerprintOf(message) }
      },
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
