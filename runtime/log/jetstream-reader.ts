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
import type { JetStreamConnection } from './jetstream-connection.ts'
import { checkReadable, checkUnchanged, isCompacted, streamMissing } from './jetstream-loss.ts'
import { PullConsumer } from './jetstream-pull.ts'
import { JetStreamApi, rangeOf, type StreamInfo } from './jetstream-wire.ts'
import { messagesDiscarded, streamRefilled } from './log-loss.ts'
import type { LogBatch, LogMessage, LogReader } from './log.ts'

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
  /** What to do when messages are gone that were not read; default 'fail'. */
  readonly onDataLoss?: 'fail' | 'skip'
}

/** Messages that are handed out together. */
interface Chunk {
  readonly messages: LogMessage[]
  bytes: number
  /** First number that is missing in or before this chunk and was not explained yet. */
  gapFrom: number | undefined
  /** Nothing is added any more, its gap is being looked at. */
  sealed: boolean
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
  readonly #batchMessagesMax: number
  readonly #skipLoss: boolean
  readonly #subject: string | undefined
  readonly #closing = new AbortController()
  #pull: PullConsumer | undefined
  #chunks: Chunk[] = []
  #bufferedMessages = 0
  #bufferedBytes = 0
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
    this.#batchMessagesMax = options.batchMessagesMax ?? 4_096
    this.#skipLoss = options.onDataLoss === 'skip'
    this.#subject = options.subject
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
    return this.#bufferedMessages
  }

  get hasBacklog(): boolean {
    return this.#bufferedMessages > 0 || this.#pending > 0
  }

  poll(): LogBatch | undefined {
    const chunk = this.#chunks[0]
    if (chunk === undefined || chunk.gapFrom !== undefined) return undefined
    this.#chunks.shift()
    this.#bufferedMessages -= chunk.messages.length
    this.#bufferedBytes -= chunk.bytes
    this.#refill()
    return { messages: chunk.messages, through: chunk.messages.at(-1)?.sequence ?? this.#passed }
  }

  async ready(): Promise<void> {
    while (!this.#hasBatch()) {
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
    this.#chunks = []
    this.#wakeUp()
    await this.#pull?.close()
  }

  #hasBatch(): boolean {
    const chunk = this.#chunks[0]
    return chunk !== undefined && chunk.gapFrom === undefined
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
    else if (this.#skipLoss) this.#lost += missing
    else throw messagesDiscarded(this.#stream, this.#position + 1, first - 1)
    this.#position = first - 1
    this.#newest = undefined
  }

  #refill(): void {
    const pull = this.#pull
    if (pull === undefined || this.#closing.signal.aborted) return
    const half = this.#bufferMessagesMax / 2
    const isHalfEmpty =
      pull.requested + this.#bufferedMessages <= half &&
      this.#bufferedBytes <= this.#bufferBytesMax / 2
    if (isHalfEmpty) pull.request(half)
  }

  #take(message: LogMessage): void {
    const { sequence } = message
    if (sequence <= this.#passed) return
    invariant(sequence > this.#position, `${this.#stream} ${sequence} behind ${this.#position}`)
    const gap = sequence - this.#position - 1
    const chunk = this.#openChunk()
    if (gap > 0) chunk.gapFrom ??= this.#position + 1
    chunk.messages.push(message)
    chunk.bytes += message.data.length
    this.#position = sequence
    this.#newest = message
    this.#bufferedMessages++
    this.#bufferedBytes += message.data.length
    if (gap > 0) this.#explainGaps()
    if (this.#wake !== undefined && this.#hasBatch()) this.#wakeUp()
  }

  #openChunk(): Chunk {
    const last = this.#chunks.at(-1)
    const isOpen =
      last !== undefined && !last.sealed && last.messages.length < this.#batchMessagesMax
    if (isOpen) return last
    const chunk: Chunk = { messages: [], bytes: 0, gapFrom: undefined, sealed: false }
    this.#chunks.push(chunk)
    return chunk
  }

  #explainGaps(): void {
    if (!this.#checking && this.#failure === undefined) void this.#explain()
  }

  /** Never rejects. */
  async #explain(): Promise<void> {
    this.#checking = true
    try {
      while (this.#hasGap()) await this.#checkGaps()
      this.#wakeUp()
    } catch (error) {
      this.#broken(asError(error))
    } finally {
      this.#checking = false
    }
  }

  #hasGap(): boolean {
    return this.#chunks.some((chunk) => chunk.gapFrom !== undefined)
  }

  /**
   * One question for all gaps of the messages that are here: the stream's oldest message now. A gap
   * behind it was made by deleting messages one by one; one before it by discarding the beginning.
   */
  async #checkGaps(): Promise<void> {
    const asked = this.#chunks.filter((chunk) => chunk.gapFrom !== undefined)
    for (const chunk of asked) chunk.sealed = true
    const info = await this.#api.streamInfo(this.#stream)
    if (info === undefined) throw streamMissing(this.#stream, this.#connection.servers)
    const compacted = isCompacted(info)
    const { first } = rangeOf(info)
    for (const chunk of asked) {
      this.#countMissing(chunk, compacted ? 0 : first)
      chunk.gapFrom = undefined
      this.#wakeUp()
    }
  }

  /** Counts what is missing in a chunk; below `first` it is lost, from there on it was deleted. */
  #countMissing(chunk: Chunk, first: number): void {
    let expected = chunk.gapFrom ?? 0
    for (const { sequence } of chunk.messages) {
      if (sequence < expected) continue
      const lost = Math.max(0, Math.min(first, sequence) - expected)
      if (lost > 0 && !this.#skipLoss) {
        throw messagesDiscarded(this.#stream, expected, expected + lost - 1)
      }
      this.#lost += lost
      this.#countSkipped(sequence - expected - lost)
      expected = sequence + 1
    }
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
    return (await whenAvailable(this.#resume(info))) !== 'away'
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
    const info = await this.#api.streamInfo(this.#stream)
    if (info === undefined || info.created !== this.#created) return
    const { last } = rangeOf(info)
    if (last <= position || this.#position !== position) return
    if ((await this.#api.messageFrom(this.#stream, position + 1, this.#subject)) !== undefined)
      return
    if (this.#position !== position || this.#recovering) return
    this.#checkRetained(info)
    this.#countSkipped(last - this.#position)
    this.#position = last
    this.#newest = undefined
    this.#passed = last
    this.#chunks.push({ messages: [], bytes: 0, gapFrom: undefined, sealed: true })
    this.#wakeUp()
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
