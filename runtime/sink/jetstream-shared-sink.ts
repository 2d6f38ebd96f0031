/**
 * Results into a JetStream stream that others write too.
 *
 * Every result carries an id made of run, job, task, destination and number. Which results are there
 * is found by looking for these ids: on a restart and on every doubt, from the last place of the stream
 * before which nothing of ours is unknown. That place moves on only when everything that was sent is
 * known to be stored; the largest acknowledged one would not do, since an earlier result may lie behind.
 *
 * By ids (default) many results are in flight, and the server drops repeats of an id. Exactly once as
 * long as no request of ours arrives later than the stream's duplicate window after the first; after a
 * failure results may be stored out of order.
 *
 * Chained, each result expects the stream to end where we last looked, one in flight: exactly once
 * without conditions and in order, and as slow as one round trip a result; every message of another
 * writer costs one more.
 */
import { ConfigError, DataLossError, invariant, UnavailableError } from '../errors.ts'
import { JetStreamConnection } from '../log/jetstream-connection.ts'
import { streamMissing } from '../log/jetstream-loss.ts'
import { encodeHeaders, headerTemplate, JetStreamPublisher } from '../log/jetstream-publisher.ts'
import { scanStream } from '../log/jetstream-scan.ts'
import { JetStreamApi, rangeOf, type StreamInfo } from '../log/jetstream-wire.ts'
import type { OutboxRow } from '../task/outbox-row.ts'
import { PendingRows } from './jetstream-pending.ts'
import { publishError } from './jetstream-problem.ts'
import {
  openSinkStream,
  sinkMoved,
  sinkRecreated,
  sinkTruncated,
  writerOf,
  type JetStreamSinkOptions,
} from './jetstream-stream.ts'
import type { ByteWriter } from '../task/byte-writer.ts'
import { writeJson } from './json-bytes.ts'
import type { Sink, SinkOwner, Taken } from './sink.ts'

export interface JetStreamSharedSinkOptions extends JetStreamSinkOptions {
  /** Expect the end of the stream with each result, one in flight; default false. */
  readonly chained?: boolean
  /**
   * The server drops repeats of an id for this long. A stream that is made gets it; one that exists
   * must have at least as much. Default 120000, the server's own default. Not used when chained.
   */
  readonly duplicateWindowMs?: number
}

/** Carries the id when chained; by ids it travels as Nats-Msg-Id. */
const ID_HEADER = 'Millrace-Id'
const MESSAGE_ID_HEADER = 'Nats-Msg-Id'
const WINDOW_MAX = 1_000
const DUPLICATE_WINDOW_MS = 120_000
const NANOSECONDS_PER_MS = 1_000_000
/** So often doubt may follow doubt without anything new having been stored. */
const FRUITLESS_ROUNDS_MAX = 50

interface SharedMemo {
  readonly stream: string
  /** Identity of the stream. */
  readonly created: string
  /** Nothing of ours is unknown up to this sequence. */
  readonly scannedTo: number
}

export class JetStreamSharedSink implements Sink {
  readonly #options: JetStreamSharedSinkOptions
  #connection: JetStreamConnection | undefined
  #session: Session | undefined

  constructor(options: JetStreamSharedSinkOptions) {
    this.#options = options
  }

  encode(out: ByteWriter, value: unknown): void {
    writeJson(out, value)
  }

  async open(owner: SinkOwner, taken: Taken | undefined): Promise<Taken> {
    this.#session?.close()
    this.#session = undefined
    this.#connection ??= await JetStreamConnection.open(this.#options)
    const info = await openSharedStream(this.#connection, this.#options)
    const number = taken?.number ?? 0
    const made = taken === undefined ? 0 : (owner.made ?? Number.POSITIVE_INFINITY)
    const memo = taken === undefined ? freshMemo(info) : memoOf(taken)
    const session = new Session(this.#connection, this.#options, memo, writerOf(owner), number)
    this.#session = session
    return session.begin(info, made)
  }

  async deliver(rows: readonly OutboxRow[]): Promise<Taken> {
    invariant(this.#session !== undefined, 'a sink is opened before it is given rows')
    return this.#session.deliver(rows)
  }

  async close(): Promise<void> {
    this.#session?.close()
    this.#session = undefined
    await this.#connection?.close()
    this.#connection = undefined
  }
}

/** The delivery between an open and the next. */
class Session {
  readonly #connection: JetStreamConnection
  readonly #api: JetStreamApi
  readonly #options: JetStreamSharedSinkOptions
  readonly #stream: string
  readonly #created: string
  /** What the ids of this sink begin with. */
  readonly #idPrefix: string
  readonly #publisher: JetStreamPublisher
  readonly #idHeaders: (number: number) => Uint8Array
  /** Results 1 to this one are stored. */
  #number: number
  /** Results beyond it that are stored. */
  readonly #stored = new Set<number>()
  #scannedTo: number
  /** The highest sequence at which something of ours was seen, or up to which was looked. */
  #seenTo: number
  #inDoubt = false
  /** The connection was lost since the last look: the server may have lost what it had, or the stream. */
  #mustLook = false
  readonly #stopEvents: () => void

  constructor(
    connection: JetStreamConnection,
    options: JetStreamSharedSinkOptions,
    memo: SharedMemo,
    writer: string,
    number: number,
  ) {
    this.#connection = connection
    this.#api = new JetStreamApi(connection)
    this.#options = options
    this.#stream = memo.stream
    this.#created = memo.created
    this.#scannedTo = memo.scannedTo
    this.#seenTo = memo.scannedTo
    this.#number = number
    this.#idPrefix = `${writer}/`
    const windowMax = options.chained === true ? 1 : (options.windowMax ?? WINDOW_MAX)
    this.#publisher = new JetStreamPublisher(connection, options.subject, windowMax)
    const fixed = { 'Nats-Expected-Stream': options.stream }
    this.#idHeaders = headerTemplate(fixed, MESSAGE_ID_HEADER, this.#idPrefix)
    this.#stopEvents = connection.onEvent(({ kind }) => {
      if (kind === 'lost') this.#mustLook = true
    })
  }

  close(): void {
    this.#stopEvents()
    this.#publisher.close()
  }

  /** @param made number of the last result that may ever have been sent */
  begin(info: StreamInfo, made: number): Taken {
    if (this.#stream !== this.#options.stream) {
      throw sinkMoved(this.#stream, this.#options.stream)
    }
    const { last } = this.#checkSame(info)
    this.#inDoubt = made > this.#number
    if (this.#inDoubt) this.#checkRetained(info)
    else this.#scannedTo = last
    this.#seenTo = this.#scannedTo
    return this.#taken()
  }

  async deliver(rows: readonly OutboxRow[]): Promise<Taken> {
    const pending = new PendingRows(rows)
    invariant(
      pending.count === 0 || pending.first <= this.#number + 1,
      'no result is left out (I4)',
    )
    if (this.#mustLook && !this.#inDoubt) await this.#look()
    let fruitless = 0
    while (this.#number < pending.last) {
      const before = this.#number + this.#stored.size
      if (this.#inDoubt) await this.#scan()
      else if (this.#options.chained === true) await this.#publishNext(pending)
      else await this.#publishAll(pending)
      fruitless = this.#number + this.#stored.size > before ? 0 : fruitless + 1
      if (fruitless > FRUITLESS_ROUNDS_MAX) throw this.#tooBusy()
    }
    // Everything that was sent is known to be stored: only now may the place to look from move on.
    this.#scannedTo = this.#seenTo
    return this.#taken()
  }

  #taken(): Taken {
    const memo: SharedMemo = {
      stream: this.#stream,
      created: this.#created,
      scannedTo: this.#scannedTo,
    }
    return { number: this.#number, memo }
  }

  /** Nothing is in flight: what was acknowledged has to be there still (I8). */
  async #look(): Promise<void> {
    this.#mustLook = false
    const { last } = this.#checkSame(await this.#streamInfo())
    this.#scannedTo = last
    this.#seenTo = last
  }

  async #streamInfo(): Promise<StreamInfo> {
    const info = await this.#api.streamInfo(this.#stream)
    if (info === undefined) throw streamMissing(this.#stream, this.#connection.servers)
    return info
  }

  /** Sends, by ids, whatever is not known to be stored. */
  async #publishAll(pending: PendingRows): Promise<void> {
    const numbers: number[] = []
    for (let number = this.#number + 1; number <= pending.last; number++) {
      if (!this.#stored.has(number)) numbers.push(number)
    }
    const numberAt = (index: number): number => numbers[index] ?? 0
    const report = await this.#publisher.publish(numbers.length, (index) => ({
      data: pending.message(numberAt(index)),
      headers: this.#idHeaders(numberAt(index)),
    }))
    for (const [index, sequence] of report.sequences.entries()) {
      if (sequence === 0) continue
      // Nothing of ours was unknown up to there: the stream has begun to number anew (I8).
      if (sequence <= this.#scannedTo) {
        throw sinkTruncated(this.#stream, sequence - 1, this.#scannedTo)
      }
      this.#markStored(numberAt(index), sequence)
    }
    this.#resolve(report.problem)
  }

  /** Sends the next result right behind where was looked. */
  async #publishNext(pending: PendingRows): Promise<void> {
    const number = this.#number + 1
    const headers = encodeHeaders({
      'Nats-Expected-Stream': this.#stream,
      'Nats-Expected-Last-Sequence': String(this.#scannedTo),
      [ID_HEADER]: this.#idPrefix + String(number),
    })
    const data = pending.message(number)
    const report = await this.#publisher.publish(1, () => ({ data, headers }))
    const [sequence = 0] = report.sequences
    if (sequence > 0) {
      this.#markStored(number, sequence)
      // One in flight, and it is known: nothing of ours is unknown up to here.
      this.#scannedTo = sequence
    }
    this.#resolve(report.problem)
  }

  #resolve(problem: Parameters<typeof publishError>[0] | undefined): void {
    if (problem === undefined) return
    this.#inDoubt = true
    const error = publishError(problem, this.#stream, this.#connection.servers)
    if (error !== undefined) throw error
  }

  #markStored(number: number, sequence: number): void {
    this.#seenTo = Math.max(this.#seenTo, sequence)
    if (number > this.#number) this.#stored.add(number)
    while (this.#stored.delete(this.#number + 1)) this.#number++
  }

  /** Looks for results of ours behind the place before which none is unknown. */
  async #scan(): Promise<void> {
    const info = await this.#streamInfo()
    const { last } = this.#checkSame(info)
    this.#checkRetained(info)
    const range = {
      stream: this.#stream,
      from: this.#scannedTo + 1,
      to: last,
      subject: this.#options.subject,
      headersOnly: true,
    }
    await scanStream(this.#connection, range, (message) => {
      const id = message.header(MESSAGE_ID_HEADER) || message.header(ID_HEADER)
      if (!id.startsWith(this.#idPrefix)) return
      this.#markStored(Number(id.slice(this.#idPrefix.length)), message.sequence)
    })
    this.#seenTo = Math.max(this.#seenTo, last)
    if (this.#options.chained === true) this.#scannedTo = last
    this.#inDoubt = false
  }

  #checkSame(info: StreamInfo): { first: number; last: number } {
    if (info.created !== this.#created) {
      throw sinkRecreated(this.#stream, this.#created, info.created)
    }
    const range = rangeOf(info)
    if (range.last < this.#scannedTo) {
      throw sinkTruncated(this.#stream, range.last, this.#scannedTo)
    }
    return range
  }

  #checkRetained(info: StreamInfo): void {
    const { first } = rangeOf(info)
    if (first <= this.#scannedTo + 1) return
    throw new DataLossError(
      `messages ${this.#scannedTo + 1}..${first - 1} of stream ${this.#stream} were discarded before this job could look for its results in them, so it cannot know whether result ${this.#number + 1} was sent; raise the stream's limits, and start the job with a new state`,
    )
  }

  #tooBusy(): UnavailableError {
    const advice =
      this.#options.chained === true
        ? 'others write to it all the time; use ids instead of chained, or a stream of its own'
        : 'it will be tried again'
    return new UnavailableError(`stream ${this.#stream} takes no result now: ${advice}`)
  }
}

async function openSharedStream(
  connection: JetStreamConnection,
  options: JetStreamSharedSinkOptions,
): Promise<StreamInfo> {
  const windowMs = options.duplicateWindowMs ?? DUPLICATE_WINDOW_MS
  const wanted = windowMs * NANOSECONDS_PER_MS
  const chained = options.chained === true
  const settings = chained ? {} : { duplicate_window: wanted }
  const info = await openSinkStream(connection, options, settings)
  const { name, duplicate_window: window = 0, max_msgs_per_subject: each = -1 } = info.config
  if (!chained && window < wanted) {
    throw new ConfigError(
      `stream ${name} forgets message ids after ${window / NANOSECONDS_PER_MS} ms, but ${windowMs} ms are asked for; set its duplicate_window to at least that, lower duplicateWindow of the sink, or use chained: true`,
    )
  }
  if (each > 0) {
    throw new ConfigError(
      `stream ${name} keeps only ${each} messages of a subject: results may be gone before a restarted job can look for them; use a stream without max_msgs_per_subject`,
    )
  }
  return info
}

function freshMemo(info: StreamInfo): SharedMemo {
  const { created, config, state } = info
  return { stream: config.name, created, scannedTo: state.last_seq }
}

function memoOf(taken: Taken): SharedMemo {
  const memo: Partial<SharedMemo> = Object(taken.memo)
  const { stream, created, scannedTo } = memo
  const isWhole = stream !== undefined && created !== undefined && scannedTo !== undefined
  invariant(isWhole, `the memo of a shared JetStream sink is ${JSON.stringify(taken.memo)}`)
  return { stream, created, scannedTo }
}
