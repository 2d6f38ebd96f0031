/**
 * Reads one stream behind a position, for as long as it takes: pulls only what fits its buffer, and
 * when the connection, the consumer or a delivery is lost goes on with a new consumer right behind
 * what it holds.
 *
 * What it does not do is skip. A message whose number does not follow waits until the stream has said
 * whether the ones in between were deleted one by one (counted) or discarded before they were read
 * (I8); and before it goes on after an interruption it checks that the stream still is the same.
 */
import { invariant, reasonOf, UnavailableError } from '../errors.ts'
import { sleep } from '../time/clock.ts'
import { gapsOf, ReadBuffer } from './jetstream-buffer.ts'
import type { JetStreamConnection } from './jetstream-connection.ts'
import { checkReadable, checkUnchanged, isCompacted, streamMissing } from './jetstream-loss.ts'
import { PullConsumer } from './jetstream-pull.ts'
import { JetStreamApi, rangeOf, type StreamInfo } from './jetstream-wire.ts'
import { messagesDiscarded, streamEndLost, streamRefilled } from './log-loss.ts'
import type { LogBatch, LogMessage, LogReader } from './log.ts'

/**
 * Fewer messages than this on their way are a lively stream, not a backlog: a job that waited for them
 * before it commits would find the next ones behind them.
 */
const BACKLOG_MESSAGES_MIN = 5_000

export interface ReaderOptions {
  /** Most messages held or asked for; default 16384. */
  readonly bufferMessagesMax?: number
  /** Most bytes held before more is asked for; default 16 MB. */
  readonly bufferBytesMax?: number
  /** Most messages of one batch; default 4096. */
  readonly batchMessagesMax?: number
  /**
   * Read only what has a matching subject. Messages of other subjects are then not told from deleted
   * ones: they are not counted as skipped, and any that retention removed unread count as lost.
   */
  readonly subject?: string
  /** A sequence that the stream had and that will be read; a stream that ends before it has lost it. */
  readonly until?: number
  /** What to do when messages are gone that were not read; default 'fail'. */
  readonly onDataLoss?: 'fail' | 'skip'
  /** Told of each loss that was skipped. */
  readonly onSkip?: (message: string) => void
}

const RETRY_DELAY_MS_MIN = 100
const RETRY_DELAY_MS_MAX = 5_000
/** A stream that is made again is missing for a moment; that it is another one is the better news. */
const MISSING_MS_MAX = 1_000
/** After this much silence the end of the stream is looked at. */
const IDLE_CHECK_MS = 250

export class JetStreamReader implements LogReader {
  readonly #connection: JetStreamConnection
  readonly #api: JetStreamApi
  readonly #stream: string
  readonly #created: string
  readonly #bufferMessagesMax: number
  readonly #bufferBytesMax: number
  readonly #buffer: ReadBuffer
  readonly #skipLoss: boolean
  readonly #onSkip: (message: string) => void
  readonly #subject: string | undefined
  readonly #until: number
  readonly #closing = new AbortController()
  #pull: PullConsumer | undefined
  /** The newest sequence in the buffer, or handed out. */
  #position: number
  #newest: LogMessage | undefined
  #checking = false
  #recovering = false
  #failure: Error | undefined
  #wake: (() => void) | undefined
  /** How many messages the stream holds behind the newest one that came. */
  #pending = 0
  #stopIdleCheck: (() => void) | undefined
  /** Numbers up to here were given up because nothing is stored under them any more. */
  #passed = 0
  #skipped = 0
  #lost = 0
  #recoveries = 0

  private constructor(
    connection: JetStreamConnection,
    stream: string,
    created: string,
    after: number,
    options: ReaderOptions,
  ) {
    this.#connection = connection
    this.#api = new JetStreamApi(connection)
    this.#stream = stream
    this.#created = created
    this.#position = after
    this.#bufferMessagesMax = options.bufferMessagesMax ?? 16_384
    this.#bufferBytesMax = options.bufferBytesMax ?? 16 * 1024 * 1024
    this.#buffer = new ReadBuffer(options.batchMessagesMax ?? 4_096)
    this.#skipLoss = options.onDataLoss === 'skip'
    this.#onSkip = options.onSkip ?? (() => undefined)
    this.#subject = options.subject
    this.#until = options.until ?? 0
  }

  /** @throws DataLossError, ConfigError, UnavailableError */
  static async open(
    connection: JetStreamConnection,
    stream: string,
    after: number,
    options: ReaderOptions = {},
  ): Promise<JetStreamReader> {
    const info = await new JetStreamApi(connection).streamInfo(stream)
    if (info === undefined) throw streamMissing(stream, connection.servers)
    checkReadable(info)
    const reader = new JetStreamReader(connection, stream, info.created, after, options)
    await reader.#resume(info)
    return reader
  }

  /** Messages that were deleted one by one before they were read. */
  get skipped(): number {
    return this.#skipped
  }

  /** Messages that were discarded before they were read, with onDataLoss: skip. */
  get lost(): number {
    return this.#lost
  }

  /** How often reading went on with a new consumer. */
  get recoveries(): number {
    return this.#recoveries
  }

  /** Messages that were read and not handed out yet. */
  get buffered(): number {
    return this.#buffer.messages
  }

  get hasBacklog(): boolean {
    return this.#pending >= BACKLOG_MESSAGES_MIN
  }

  get lag(): number {
    return this.#pending + this.#buffer.messages
  }

  poll(): LogBatch | undefined {
    const messages = this.#buffer.shift()
    if (messages === undefined) return undefined
    this.#refill()
    return { messages, through: messages.at(-1)?.sequence ?? this.#passed }
  }

  /** Resolves also when the reader is closed meanwhile; asked later, it would be asked for ever. */
  async ready(): Promise<void> {
    invariant(!this.#closing.signal.aborted, `${this.#stream} is read after it was closed`)
    while (!this.#buffer.hasBatch) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#closing.signal.aborted) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#stopIdleCheck?.()
    this.#buffer.clear()
    this.#wakeUp()
    await this.#pull?.close()
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#wakeUp()
    void this.#pull?.close()
  }

  /** Starts a consumer right behind the position, of a stream that was found to be the same. */
  async #resume(info: StreamInfo): Promise<void> {
    checkUnchanged(info, this.#created, this.#position)
    const { last } = rangeOf(info)
    if (last < this.#until) throw streamEndLost(this.#stream, last, this.#until)
    await this.#checkNewest(rangeOf(info).first)
    this.#checkRetained(info)
    const requestBytesMax = Math.max(this.#bufferBytesMax / 2, this.#connection.payloadBytesMax * 2)
    const pull: PullConsumer = await PullConsumer.create(
      this.#connection,
      {
        stream: this.#stream,
        from: this.#position + 1,
        requestBytesMax,
        ...(this.#subject === undefined ? {} : { subject: this.#subject }),
      },
      {
        message: (sequence, time, message, pending) => {
          this.#pending = pending
          this.#take({ sequence, time, data: message.data })
          if (pending === 0) this.#checkEndSoon()
        },
        ended: () => this.#refill(),
        idle: () => {
          this.#pending = 0
          // Messages of other subjects move the end of the stream without being delivered.
          if (this.#subject !== undefined) this.#checkEndSoon()
        },
        broken: (reason) => this.#broken(reason),
      },
    )
    this.#pull = pull
    if (this.#closing.signal.aborted) await pull.close()
    else this.#refill()
    this.#checkEndSoon()
  }

  /** The newest message held must still be there as it was read, unless it is gone altogether. */
  async #checkNewest(first: number): Promise<void> {
    const newest = this.#newest
    if (newest === undefined || newest.sequence < first) return
    const stored = await this.#api.message(this.#stream, newest.sequence)
    if (stored === undefined) return
    const same = stored.time === newest.time && Buffer.compare(stored.data, newest.data) === 0
    if (!same) throw streamRefilled(this.#stream, newest.sequence)
  }

  /** Nothing between the position and the oldest retained message may be missing. */
  #checkRetained(info: StreamInfo): void {
    const { first } = rangeOf(info)
    const missing = first - 1 - this.#position
    if (missing <= 0) return
    if (isCompacted(info)) this.#countSkipped(missing)
    else this.#lose(this.#position + 1, first - 1)
    this.#position = first - 1
    this.#newest = undefined
  }

  #refill(): void {
    const pull = this.#pull
    if (pull === undefined || this.#closing.signal.aborted) return
    const half = this.#bufferMessagesMax / 2
    const isHalfEmpty =
      pull.requested + this.#buffer.messages <= half &&
      this.#buffer.bytes <= this.#bufferBytesMax / 2
    if (isHalfEmpty) pull.request(half)
  }

  #take(message: LogMessage): void {
    const { sequence } = message
    if (sequence <= this.#passed) return
    invariant(sequence > this.#position, `${this.#stream} ${sequence} behind ${this.#position}`)
    const hasGap = sequence > this.#position + 1
    this.#buffer.push(message, hasGap ? this.#position + 1 : undefined)
    this.#position = sequence
    this.#newest = message
    if (hasGap) this.#explainGaps()
    if (this.#wake !== undefined && this.#buffer.hasBatch) this.#wakeUp()
  }

  #explainGaps(): void {
    if (!this.#checking && this.#failure === undefined) void this.#explain()
  }

  /** Never rejects. */
  async #explain(): Promise<void> {
    this.#checking = true
    try {
      while (this.#buffer.hasGap) await this.#checkGaps()
      this.#wakeUp()
    } catch (error) {
      this.#broken(asError(error))
    } finally {
      this.#checking = false
    }
  }

  /**
   * One question for all gaps of the messages that are here: the stream's oldest message now. A gap
   * behind it was made by deleting messages one by one; one before it by discarding the beginning.
   */
  async #checkGaps(): Promise<void> {
    const batches = this.#buffer.sealGaps()
    const info = await this.#api.streamInfo(this.#stream)
    if (info === undefined) throw streamMissing(this.#stream, this.#connection.servers)
    const oldest = isCompacted(info) ? 0 : rangeOf(info).first
    for (const batch of batches) {
      for (const gap of gapsOf(batch)) this.#countGap(gap.from, gap.to, oldest)
      batch.gapFrom = undefined
      this.#wakeUp()
    }
  }

  /** What is missing below the oldest message is lost; from there on it was deleted. */
  #countGap(from: number, to: number, oldest: number): void {
    const lost = Math.max(0, Math.min(oldest - 1, to) - from + 1)
    if (lost > 0) this.#lose(from, from + lost - 1)
    this.#countSkipped(to - from + 1 - lost)
  }

  /** Messages are gone that were not read: refused, or counted and told when that is asked for. */
  #lose(from: number, to: number): void {
    const loss = messagesDiscarded(this.#stream, from, to)
    if (!this.#skipLoss) throw loss
    this.#lost += to - from + 1
    this.#onSkip(`skipped a loss and went on at message ${to + 1}: ${loss.message}`)
  }

  #countSkipped(count: number): void {
    if (this.#subject === undefined) this.#skipped += count
  }

  #broken(reason: string | Error): void {
    if (reason instanceof Error && !(reason instanceof UnavailableError)) {
      this.#fail(reason)
      return
    }
    if (!this.#recovering && !this.#closing.signal.aborted) void this.#recover()
  }

  /** Goes on behind what is held, as soon as the server lets it. Never rejects. */
  async #recover(): Promise<void> {
    this.#recovering = true
    try {
      // It is broken already; that the server forgets it need not be waited for.
      void this.#pull?.close()
      this.#pull = undefined
      let delayMs = RETRY_DELAY_MS_MIN
      const missingUntil = this.#connection.clock.monotonic() + MISSING_MS_MAX
      while (!this.#closing.signal.aborted && !(await this.#tryResume(missingUntil))) {
        await sleep(this.#connection.clock, delayMs, this.#closing.signal)
        delayMs = Math.min(RETRY_DELAY_MS_MAX, delayMs * 2)
      }
      this.#recoveries++
      this.#explainGaps()
    } catch (error) {
      this.#fail(asError(error))
    } finally {
      this.#recovering = false
    }
  }

  /** @returns false when the server cannot be asked now. */
  async #tryResume(missingUntil: number): Promise<boolean> {
    const info = await whenAvailable(this.#api.streamInfo(this.#stream))
    if (info === 'away') return false
    if (info === undefined) {
      if (this.#connection.clock.monotonic() < missingUntil) return false
      throw streamMissing(this.#stream, this.#connection.servers)
    }
    if ((await whenAvailable(this.#resume(info))) === 'away') return false
    return this.#pull?.isDone !== true
  }

  /**
   * When nothing comes, the last messages of the stream may have been deleted: then nothing will come
   * for their numbers, and who reads up to an end is told that it is reached.
   */
  #checkEndSoon(): void {
    if (this.#stopIdleCheck !== undefined) return
    const position = this.#position
    this.#stopIdleCheck = this.#connection.clock.after(IDLE_CHECK_MS, () => {
      this.#stopIdleCheck = undefined
      if (this.#closing.signal.aborted || this.#failure !== undefined) return
      if (this.#position !== position) return this.#checkEndSoon()
      this.#checkEnd().catch((error: unknown) => {
        if (!(error instanceof UnavailableError)) this.#fail(asError(error))
      })
    })
  }

  async #checkEnd(): Promise<void> {
    const position = this.#position
    const last = await this.#lastSequence()
    if (last <= position) return
    const next = await this.#api.messageFrom(this.#stream, position + 1, this.#subject)
    if (next !== undefined) return
    // Asked twice, for the answer in between may have come from a new leader that is behind.
    const info = await this.#api.streamInfo(this.#stream)
    const isSame = info?.created === this.#created && rangeOf(info).last === last
    if (!isSame || this.#position !== position || this.#recovering) return
    this.#checkRetained(info)
    this.#countSkipped(last - this.#position)
    this.#position = last
    this.#newest = undefined
    this.#passed = last
    this.#pending = 0
    this.#buffer.pushEmpty()
    this.#wakeUp()
  }

  async #lastSequence(): Promise<number> {
    const info = await this.#api.streamInfo(this.#stream)
    return info === undefined ? 0 : rangeOf(info).last
  }
}

/** What a promise gives, or 'away' when it is refused because the server cannot be asked now. */
async function whenAvailable<Value>(promise: Promise<Value>): Promise<Value | 'away'> {
  try {
    return await promise
  } catch (error) {
    if (error instanceof UnavailableError) return 'away'
    throw error
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(reasonOf(thrown))
}
