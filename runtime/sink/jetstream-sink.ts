/**
 * Results into a JetStream stream that nobody else writes.
 *
 * Result k is the message base + k: base is the stream's last sequence when the state was new, and
 * every message is sent with the expectation that the stream ends right before its place. So a place
 * can only ever be taken by the right bytes, whoever sends them and however late, and any number may
 * be in flight: no hole, no repeat (I4). Nothing else is ever written there, no fence records either:
 * one would take the place of the first message of a window in flight and let the second in.
 *
 * On any doubt the stream says how far it is: its last sequence, also when retention has removed the
 * messages. What is there is compared with what should be there before it counts as taken (I8).
 */
import { DataLossError, invariant, UnavailableError } from '../errors.ts'
import { JetStreamConnection } from '../log/jetstream-connection.ts'
import { streamMissing } from '../log/jetstream-loss.ts'
import { headerTemplate, JetStreamPublisher } from '../log/jetstream-publisher.ts'
import { scanStream, type ScannedMessage } from '../log/jetstream-scan.ts'
import { headerOf, JetStreamApi, type StreamInfo } from '../log/jetstream-wire.ts'
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

/** Who wrote a message; kept with it, so that a restart can tell its own from others'. */
export const WRITER_HEADER = 'Millrace-Writer'

const WINDOW_MAX = 1_000
/** So often doubt may follow doubt without anything new having been stored. */
const FRUITLESS_ROUNDS_MAX = 3

interface OwnMemo {
  readonly stream: string
  /** Identity of the stream. */
  readonly created: string
  /** Result k is the message base + k. */
  readonly base: number
  readonly run: string
}

export class JetStreamSink implements Sink {
  readonly #options: JetStreamSinkOptions
  #connection: JetStreamConnection | undefined
  #session: Session | undefined

  constructor(options: JetStreamSinkOptions) {
    this.#options = options
  }

  encode(out: ByteWriter, value: unknown): void {
    writeJson(out, value)
  }

  async open(owner: SinkOwner, taken: Taken | undefined): Promise<Taken> {
    this.#session?.close()
    this.#session = undefined
    this.#connection ??= await JetStreamConnection.open(this.#options)
    const info = await openSinkStream(this.#connection, this.#options)
    const memo = taken === undefined ? freshMemo(info, owner) : memoOf(taken)
    const number = taken?.number ?? 0
    const made = taken === undefined ? 0 : (owner.made ?? Number.POSITIVE_INFINITY)
    const session = new Session(
      this.#connection,
      this.#options,
      memo,
      writerOf(owner),
      number,
      made,
    )
    this.#session = session
    await session.check(info, owner)
    return { number, memo }
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
  readonly #stream: string
  readonly #memo: OwnMemo
  readonly #writer: string
  readonly #publisher: JetStreamPublisher
  readonly #headersFor: (expected: number) => Uint8Array
  /** Number of the last result that is known to be stored. */
  #number: number
  /** Number of the last result that may ever have been sent. */
  #made: number
  #inDoubt = true

  constructor(
    connection: JetStreamConnection,
    options: JetStreamSinkOptions,
    memo: OwnMemo,
    writer: string,
    number: number,
    made: number,
  ) {
    this.#connection = connection
    this.#api = new JetStreamApi(connection)
    this.#stream = options.stream
    this.#memo = memo
    this.#writer = writer
    this.#number = number
    this.#made = made
    const windowMax = options.windowMax ?? WINDOW_MAX
    this.#publisher = new JetStreamPublisher(connection, options.subject, windowMax)
    this.#headersFor = headerTemplate(
      { 'Nats-Expected-Stream': options.stream, [WRITER_HEADER]: writer },
      'Nats-Expected-Last-Sequence',
    )
  }

  close(): void {
    this.#publisher.close()
  }

  /** Refuses a stream that is not the one of the memo, or in which something else was written. */
  async check(info: StreamInfo, owner: SinkOwner): Promise<void> {
    const { stream, run } = this.#memo
    if (stream !== this.#stream) throw sinkMoved(stream, this.#stream)
    if (run !== owner.run) {
      throw new DataLossError(
        `the results in stream ${stream} are of run ${run}, but this state is of run ${owner.run}; start the job with a new state and another stream`,
      )
    }
    const stored = this.#storedNumber(info)
    this.#inDoubt = stored > this.#number
    if (stored === 0) return
    const places = new Set([Math.min(this.#number + 1, stored), stored])
    for (const number of places) {
      const message = await this.#api.message(this.#stream, this.#memo.base + number)
      if (message === undefined) continue
      this.#checkWriter(message.sequence, headerOf(message.headers, WRITER_HEADER) === this.#writer)
    }
  }

  async deliver(rows: readonly OutboxRow[]): Promise<Taken> {
    const pending = new PendingRows(rows)
    invariant(
      pending.count === 0 || pending.first <= this.#number + 1,
      'no result is left out (I4)',
    )
    this.#made = Math.max(this.#made, pending.last)
    let fruitless = 0
    while (this.#number < pending.last) {
      const before = this.#number
      if (this.#inDoubt) await this.#adopt(pending)
      else await this.#publish(pending)
      fruitless = this.#number > before ? 0 : fruitless + 1
      if (fruitless > FRUITLESS_ROUNDS_MAX * 2) {
        throw new UnavailableError(
          `stream ${this.#stream} takes no result now; it will be tried again`,
        )
      }
    }
    return { number: this.#number, memo: this.#memo }
  }

  /** Sends what is not stored yet; whatever is not acknowledged afterwards is in doubt. */
  async #publish(pending: PendingRows): Promise<void> {
    const { base } = this.#memo
    const start = this.#number
    const count = pending.last - start
    const report = await this.#publisher.publish(count, (index) => ({
      data: pending.message(start + 1 + index),
      headers: this.#headersFor(base + start + index),
    }))
    for (const sequence of report.sequences) {
      if (sequence === 0) break
      const place = base + this.#number + 1
      invariant(sequence === place, `${this.#stream} ${place} was acknowledged as ${sequence}`)
      this.#number++
    }
    if (report.problem === undefined) return
    this.#inDoubt = true
    const error = publishError(report.problem, this.#stream, this.#connection.servers)
    if (error !== undefined) throw error
  }

  /** Compares what the stream holds beyond the last known result with what should be there. */
  async #adopt(pending: PendingRows): Promise<void> {
    const info = await this.#api.streamInfo(this.#stream)
    if (info === undefined) throw streamMissing(this.#stream, this.#connection.servers)
    const stored = this.#storedNumber(info)
    const { base } = this.#memo
    const to = Math.min(stored, pending.last)
    if (to > this.#number) {
      const range = { stream: this.#stream, from: base + this.#number + 1, to: base + to }
      await scanStream(this.#connection, range, (message) => this.#compare(message, pending))
      // Places without a message were ours as well: retention has removed it.
      this.#number = to
    }
    this.#inDoubt = stored > this.#number
  }

  #compare(message: ScannedMessage, pending: PendingRows): void {
    const { sequence, data } = message
    this.#checkWriter(sequence, message.header(WRITER_HEADER) === this.#writer)
    const made = pending.message(sequence - this.#memo.base)
    if (Buffer.compare(made, data) !== 0) {
      throw new DataLossError(
        `message ${sequence} of stream ${this.#stream} is not the result that this state holds for its place; the state was put back or copied. Start the job with a new state and another stream`,
      )
    }
  }

  #checkWriter(sequence: number, isOurs: boolean): void {
    if (isOurs) return
    throw new DataLossError(
      `message ${sequence} of stream ${this.#stream} was written by somebody else, but this stream is the job's own; let nobody else write to it, or use shared: true. Start the job with a new state and another stream`,
    )
  }

  /** How many results the stream has taken, by its last sequence. */
  #storedNumber(info: StreamInfo): number {
    const { created, base } = this.#memo
    if (info.created !== created) throw sinkRecreated(this.#stream, created, info.created)
    const stored = info.state.last_seq - base
    if (stored < this.#number) {
      throw sinkTruncated(this.#stream, info.state.last_seq, base + this.#number)
    }
    if (stored > this.#made) this.#checkWriter(base + this.#made + 1, false)
    return stored
  }
}

function freshMemo(info: StreamInfo, owner: SinkOwner): OwnMemo {
  const { created, config, state } = info
  return { stream: config.name, created, base: state.last_seq, run: owner.run }
}

function memoOf(taken: Taken): OwnMemo {
  const memo: Partial<OwnMemo> = Object(taken.memo)
  const { stream, created, base, run } = memo
  const isWhole =
    stream !== undefined && created !== undefined && base !== undefined && run !== undefined
  invariant(isWhole, `the memo of a JetStream sink is ${JSON.stringify(taken.memo)}`)
  return { stream, created, base, run }
}
