/**
 * One consumer of one stream, from its creation to the first thing that goes wrong with it. Messages
 * come by callback, only as many as were asked for, and only without a hole in the consumer's own
 * count of deliveries; on anything else it is broken, says so once, and another one takes its place.
 */
import { reasonOf, UnavailableError } from '../errors.ts'
import { shortName, type JetStreamConnection } from './jetstream-connection.ts'
import type { CoreMessage, CoreSubscription } from './jetstream-core.ts'
import { JetStreamApi } from './jetstream-wire.ts'

export interface PullOptions {
  readonly stream: string
  /** The first sequence to deliver. */
  readonly from: number
  /** Only messages of this subject. */
  readonly subject?: string
  /** Leave the payloads out. */
  readonly headersOnly?: boolean
  /** Most bytes that one request may bring. */
  readonly requestBytesMax: number
}

export interface PullHandlers {
  /** A message of the stream; `pending` more are there already. */
  message(sequence: number, time: number, message: CoreMessage, pending: number): void
  /** A request ended before it brought all that it asked for. */
  ended(): void
  /** The server has nothing for a request that waits. */
  idle?(): void
  /** No more messages will come; told once. An Error is not worth another consumer. */
  broken(reason: string | Error): void
}

const NANOSECONDS_PER_MS = 1_000_000
/** How long one request for messages lives when nothing comes. */
const REQUEST_EXPIRES_MS = 30_000
/** How often the server shows that a waiting request is alive. */
const HEARTBEAT_MS = 2_000
/** After so many silences in a row it is taken for dead. */
const SILENCES_MAX = 3
/** After this time without requests the server forgets the consumer; longer than any pause in reading. */
const INACTIVE_MS = 300_000

export class PullConsumer {
  readonly #connection: JetStreamConnection
  readonly #options: PullOptions
  readonly #handlers: PullHandlers
  readonly #name = `m${shortName()}`
  readonly #inbox: string
  #subscription: CoreSubscription | undefined
  #stopEvents: () => void = () => undefined
  #stopWatch: () => void = () => undefined
  #pendingAtStart = 0
  #requested = 0
  #delivered = 0
  /** How often in a row nothing came within the time of a heartbeat. */
  #silences = 0
  #done = false
  /** Where in a message's reply subject the numbers begin; known with the first message. */
  #numbersAt = -1

  private constructor(
    connection: JetStreamConnection,
    options: PullOptions,
    handlers: PullHandlers,
  ) {
    this.#connection = connection
    this.#options = options
    this.#handlers = handlers
    this.#inbox = connection.newInbox()
  }

  /** @throws UnavailableError, also when the stream does not exist; ConfigError */
  static async create(
    connection: JetStreamConnection,
    options: PullOptions,
    handlers: PullHandlers,
  ): Promise<PullConsumer> {
    const pull = new PullConsumer(connection, options, handlers)
    const { stream, from, subject, headersOnly } = options
    const info = await new JetStreamApi(connection).createConsumer(stream, {
      name: pull.#name,
      ack_policy: 'none',
      deliver_policy: 'by_start_sequence',
      opt_start_seq: from,
      replay_policy: 'instant',
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: INACTIVE_MS * NANOSECONDS_PER_MS,
      ...(subject === undefined ? {} : { filter_subject: subject }),
      ...(headersOnly === true ? { headers_only: true } : {}),
    })
    if (info === undefined) throw new UnavailableError(`stream ${stream} does not exist`)
    pull.#pendingAtStart = info.num_pending
    pull.#listen()
    return pull
  }

  /** How many messages waited when the consumer was created. */
  get pendingAtStart(): number {
    return this.#pendingAtStart
  }

  /** How many messages were asked for and have not come yet. */
  get requested(): number {
    return this.#requested
  }

  /** Whether it was closed, or broke. */
  get isDone(): boolean {
    return this.#done
  }

  /** Asks for more messages, beyond those already asked for. */
  request(count: number): void {
    if (this.#done) return
    const body = {
      batch: count,
      max_bytes: this.#options.requestBytesMax,
      expires: REQUEST_EXPIRES_MS * NANOSECONDS_PER_MS,
      idle_heartbeat: HEARTBEAT_MS * NANOSECONDS_PER_MS,
    }
    this.#requested += count
    this.#silences = 0
    try {
      this.#connection.core.publish(this.#requestSubject(), Buffer.from(JSON.stringify(body)), {
        reply: this.#inbox,
      })
    } catch (error) {
      this.#break(reasonOf(error))
    }
  }

  /** Stops; nothing is delivered afterwards. The server is asked to forget the consumer. */
  async close(): Promise<void> {
    this.#stop()
    if (!this.#connection.isConnected) return
    try {
      await new JetStreamApi(this.#connection).deleteConsumer(this.#options.stream, this.#name)
    } catch {
      // It goes away by itself: nobody asks it for messages any more.
    }
  }

  #requestSubject(): string {
    const { apiPrefix } = this.#connection
    return `${apiPrefix}.CONSUMER.MSG.NEXT.${this.#options.stream}.${this.#name}`
  }

  #listen(): void {
    this.#subscription = this.#connection.core.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (this.#done) return
        // An exception would end the client's read loop, and with it every other subscription.
        try {
          if (error === null) this.#take(message)
          else this.#break(error.message)
        } catch (thrown) {
          this.#break(thrown instanceof Error ? thrown : new Error(reasonOf(thrown)))
        }
      },
    })
    this.#stopEvents = this.#connection.onEvent((event) => {
      if (event.kind === 'restored') this.#break('the connection was lost for a while')
      if (event.kind === 'forbidden' && this.#concerns(event.subject)) this.#break(event.error)
    })
    this.#watch()
  }

  #concerns(subject: string): boolean {
    return subject === this.#inbox || subject === this.#requestSubject()
  }

  /** Finds a consumer that no longer answers although it was asked. */
  #watch(): void {
    this.#stopWatch = this.#connection.clock.after(HEARTBEAT_MS, () => {
      const isExpected = this.#requested > 0 && this.#connection.isConnected
      this.#silences = isExpected ? this.#silences + 1 : 0
      if (this.#silences > SILENCES_MAX) this.#break('no message and no heartbeat came')
      else this.#watch()
    })
  }

  #take(message: CoreMessage): void {
    this.#silences = 0
    const reply = message.reply
    if (reply === undefined || reply === '') {
      this.#status(message)
      return
    }
    if (this.#numbersAt < 0) this.#numbersAt = this.#findNumbers(reply)
    // …<deliveries>.<stream sequence>.<consumer sequence>.<time in ns>.<pending>[.<token>]
    const sequenceAt = reply.indexOf('.', this.#numbersAt) + 1
    const deliveryAt = reply.indexOf('.', sequenceAt) + 1
    const timeAt = reply.indexOf('.', deliveryAt) + 1
    const pendingAt = reply.indexOf('.', timeAt) + 1
    const delivery = digits(reply, deliveryAt, timeAt - 1)
    if (delivery !== this.#delivered + 1) {
      this.#break(`delivery ${this.#delivered + 1} is missing`)
      return
    }
    this.#delivered = delivery
    if (this.#requested > 0) this.#requested--
    const sequence = digits(reply, sequenceAt, deliveryAt - 1)
    const time = digits(reply, timeAt, pendingAt - 7)
    const tokenAt = reply.indexOf('.', pendingAt)
    const pending = digits(reply, pendingAt, tokenAt < 0 ? reply.length : tokenAt)
    this.#handlers.message(sequence, time, message, pending)
  }

  #findNumbers(reply: string): number {
    const names = `.${this.#options.stream}.${this.#name}.`
    const at = reply.indexOf(names)
    if (at < 0) throw new UnavailableError(`a message came with the unknown reply subject ${reply}`)
    return at + names.length
  }

  /** What the server says about a request instead of bringing a message. */
  #status(message: CoreMessage): void {
    const { headers } = message
    if (headers === undefined) return
    const { code, description } = headers
    if (code === 100) {
      const newest = Number(headers.get('Nats-Last-Consumer'))
      if (newest > this.#delivered) this.#break(`delivery ${this.#delivered + 1} is missing`)
      else this.#handlers.idle?.()
      return
    }
    const requestEnded =
      code === 408 ||
      code === 404 ||
      (code === 409 && /max ?bytes|batch completed/i.test(description))
    if (requestEnded) {
      const unserved = headers.get('Nats-Pending-Messages')
      this.#requested = unserved === '' ? 0 : Math.max(0, this.#requested - Number(unserved))
      this.#handlers.ended()
      return
    }
    this.#break(`${code} ${description}`)
  }

  #break(reason: string | Error): void {
    if (this.#done) return
    this.#stop()
    this.#handlers.broken(reason)
  }

  #stop(): void {
    if (this.#done) return
    this.#done = true
    this.#stopEvents()
    this.#stopWatch()
    if (!this.#connection.core.isClosed()) this.#subscription?.unsubscribe()
  }
}

/** The number that the digits of a text spell, without making a string of them. */
function digits(text: string, start: number, end: number): number {
  let value = 0
  for (let index = start; index < end; index++) value = value * 10 + text.charCodeAt(index) - 48
  return value
}
