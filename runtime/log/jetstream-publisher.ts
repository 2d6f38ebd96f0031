/**
 * Publishes runs of messages to one subject with a bounded number in flight. All acknowledgements come
 * to one inbox and are matched by number: a request of its own for each message would cost several
 * times as much. The first message that is not acknowledged stops the run; what became of the others
 * in flight is waited for, and what is not known then is reported as unknown, never guessed.
 */
import { ConfigError, reasonOf } from '../errors.ts'
import type { JetStreamConnection } from './jetstream-connection.ts'
import { EncodedHeaders, type CoreMessage, type CoreSubscription } from './jetstream-core.ts'
import type { ApiError } from './jetstream-wire.ts'

export interface OutgoingMessage {
  readonly data: Uint8Array
  /** The encoded header block. Like the data it must not change until the run is over. */
  readonly headers: Uint8Array
}

/** Why a run stopped before its end. */
export type PublishProblem =
  /** The server said that it did not take this message. */
  | { readonly kind: 'refused'; readonly index: number; readonly error: ApiError }
  /** The connection was lost, or answers did not come: what was in flight may be stored, or will be. */
  | { readonly kind: 'unknown'; readonly reason: string }
  /** Nothing that trying again would change. */
  | { readonly kind: 'fatal'; readonly error: Error }

export interface PublishReport {
  /** The sequence under which each message was stored; 0 where no acknowledgement came. */
  readonly sequences: Float64Array
  /** How many messages were sent. */
  readonly sent: number
  readonly problem: PublishProblem | undefined
}

interface Run {
  readonly firstToken: number
  readonly count: number
  readonly make: (index: number) => OutgoingMessage
  readonly sequences: Float64Array
  readonly resolve: (report: PublishReport) => void
  sent: number
  inFlight: number
  problem: PublishProblem | undefined
}

export class JetStreamPublisher {
  readonly #connection: JetStreamConnection
  readonly #subject: string
  readonly #windowMax: number
  readonly #inbox: string
  readonly #subscription: CoreSubscription
  readonly #stopEvents: () => void
  #stopWatch: () => void = () => undefined
  #heard = false
  #nextToken = 1
  #run: Run | undefined

  constructor(connection: JetStreamConnection, subject: string, windowMax: number) {
    this.#connection = connection
    this.#subject = subject
    this.#windowMax = windowMax
    this.#inbox = connection.newInbox()
    this.#subscription = connection.core.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        // An exception would end the client's read loop, and with it every other subscription.
        try {
          if (error === null) this.#take(message)
          else this.#stop({ kind: 'unknown', reason: error.message })
        } catch (thrown) {
          this.#stop({ kind: 'fatal', error: new Error(reasonOf(thrown), { cause: thrown }) })
          this.#finish()
        }
      },
    })
    this.#stopEvents = connection.onEvent((event) => {
      if (event.kind === 'lost') this.#giveUp('the connection was lost')
      if (event.kind === 'forbidden' && this.#concerns(event.subject)) {
        this.#stop({ kind: 'fatal', error: event.error })
        this.#finish()
      }
    })
  }

  /** Sends `count` messages; one run at a time. Never rejects for what the server does. */
  publish(count: number, make: (index: number) => OutgoingMessage): Promise<PublishReport> {
    return new Promise((resolve) => {
      const run: Run = {
        firstToken: this.#nextToken,
        count,
        make,
        sequences: new Float64Array(count),
        resolve,
        sent: 0,
        inFlight: 0,
        problem: undefined,
      }
      this.#nextToken += count
      this.#run = run
      this.#heard = true
      this.#watch()
      if (!this.#connection.isConnected) this.#giveUp('the connection is lost')
      else this.#pump(run)
    })
  }

  close(): void {
    this.#giveUp('closed')
    this.#stopEvents()
    if (!this.#connection.core.isClosed()) this.#subscription.unsubscribe()
  }

  #concerns(subject: string): boolean {
    return subject === this.#subject || subject === `${this.#inbox}.*`
  }

  #pump(run: Run): void {
    while (run.problem === undefined && run.sent < run.count && run.inFlight < this.#windowMax) {
      this.#send(run, run.sent)
    }
    if (run.inFlight === 0) this.#finish()
  }

  #send(run: Run, index: number): void {
    const { data, headers } = run.make(index)
    const bytes = data.length + headers.length
    const bytesMax = this.#connection.payloadBytesMax
    if (bytes > bytesMax) {
      run.problem = { kind: 'fatal', error: tooLarge(this.#subject, bytes, bytesMax) }
      return
    }
    try {
      this.#connection.core.publish(this.#subject, data, {
        reply: `${this.#inbox}.${run.firstToken + index}`,
        headers: new EncodedHeaders(headers),
      })
    } catch (error) {
      run.problem = { kind: 'unknown', reason: reasonOf(error) }
      return
    }
    run.sent++
    run.inFlight++
  }

  #take(message: CoreMessage): void {
    const run = this.#run
    if (run === undefined) return
    const index = Number(message.subject.slice(this.#inbox.length + 1)) - run.firstToken
    // An answer to a run that was given up, or a second answer.
    if (!(index >= 0 && index < run.sent) || run.sequences[index] !== 0) return
    this.#heard = true
    run.inFlight--
    const answer = answerOf(message)
    if (typeof answer === 'number') run.sequences[index] = answer
    else this.#stop({ kind: 'refused', index, error: answer })
    this.#pump(run)
  }

  #stop(problem: PublishProblem): void {
    const run = this.#run
    if (run === undefined) return
    run.problem ??= problem
  }

  #giveUp(reason: string): void {
    this.#stop({ kind: 'unknown', reason })
    this.#finish()
  }

  #finish(): void {
    const run = this.#run
    if (run === undefined) return
    this.#run = undefined
    this.#stopWatch()
    run.resolve({ sequences: run.sequences, sent: run.sent, problem: run.problem })
  }

  /** Gives up when not one answer came for as long as a request may take. */
  #watch(): void {
    this.#stopWatch = this.#connection.clock.after(this.#connection.timeoutMs, () => {
      if (this.#heard) {
        this.#heard = false
        this.#watch()
      } else {
        this.#giveUp(`no acknowledgement within ${this.#connection.timeoutMs} ms`)
      }
    })
  }
}

const utf8 = new TextDecoder()
const DIGIT_0 = 48
const COLON = 58
const SPACE = 32

/** The sequence of an acknowledgement, or the error in its place. */
function answerOf(message: CoreMessage): number | ApiError {
  const { data } = message
  const sequence = plainSequence(data)
  if (sequence > 0) return sequence
  if (data.length === 0) {
    const code = message.headers?.code ?? 503
    return { code, description: 'no stream takes this subject now' }
  }
  const answer: { seq?: number; error?: ApiError } = JSON.parse(utf8.decode(data))
  return answer.error ?? answer.seq ?? { code: 500, description: 'an answer without a sequence' }
}

/** The number at the end of {"stream":"…", "seq":n}, read from its bytes; 0 for any other text. */
function plainSequence(data: Uint8Array): number {
  let at = data.length - 2
  if (data[2] !== 0x73 || data[at + 1] !== 0x7d) return 0
  let sequence = 0
  let unit = 1
  for (; at > 0; at--) {
    const digit = (data[at] ?? 0) - DIGIT_0
    if (digit < 0 || digit > 9) break
    sequence += digit * unit
    unit *= 10
  }
  const before = data[at]
  return before === COLON || before === SPACE ? sequence : 0
}

function tooLarge(subject: string, bytes: number, bytesMax: number): ConfigError {
  return new ConfigError(
    `a result of ${bytes} bytes is too large for ${subject}: the server takes ${bytesMax}; raise max_payload of nats-server, or make the results smaller`,
  )
}

/**
 * Headers of which only a number differs from message to message, as bytes.
 * @param fixed names and values that are the same on every message; values without line breaks
 * @param counted the name of the header whose value is the number
 */
export function headerTemplate(
  fixed: Readonly<Record<string, string>>,
  counted: string,
  prefix = '',
): (number: number) => Uint8Array {
  const lines = Object.entries(fixed).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `NATS/1.0\r\n${lines.join('')}${counted}: ${prefix}`
  return (number) => Buffer.from(`${head}${number}\r\n\r\n`, 'latin1')
}

/** A header block of names and values without line breaks. */
export function encodeHeaders(headers: Readonly<Record<string, string>>): Uint8Array {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`NATS/1.0\r\n${lines.join('')}\r\n`, 'latin1')
}
