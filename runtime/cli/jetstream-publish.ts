/** Publishes into a JetStream stream; every message carries an id, so that sending again is harmless. */
import { randomUUID } from 'node:crypto'
import { ConfigError, UnavailableError } from '../errors.ts'
import { JetStreamConnection } from '../log/jetstream-connection.ts'
import { headerTemplate, JetStreamPublisher } from '../log/jetstream-publisher.ts'
import { apiError, JetStreamApi } from '../log/jetstream-wire.ts'
import { sleep } from '../time/clock.ts'
import type { Clock } from '../time/clock.ts'
import type { Publisher, PublisherOptions } from './publisher.ts'

type JetStreamPublishOptions = Extract<PublisherOptions, { readonly kind: 'jetstream' }>

const IN_FLIGHT_MAX = 1_000
/** Attempts stay well inside the two minutes in which a server remembers ids by default. */
const ATTEMPTS_MAX = 30
const ATTEMPT_DELAY_MS = 1_000

/** Connects, and makes the stream when it is not there. @throws UnavailableError, ConfigError */
export async function openJetStreamPublisher(
  options: JetStreamPublishOptions,
  clock: Clock,
): Promise<Publisher> {
  const { servers, credentials, stream } = options
  const connection = await JetStreamConnection.open({
    servers: servers.split(','),
    name: `millrace publish ${stream}`,
    clock,
    ...(credentials !== undefined && { credentials }),
  })
  try {
    const subject = await prepareStream(connection, options)
    return new StreamPublisher(connection, stream, subject, clock)
  } catch (error) {
    await connection.close()
    throw error
  }
}

async function prepareStream(
  connection: JetStreamConnection,
  { stream, subject }: JetStreamPublishOptions,
): Promise<string> {
  const api = new JetStreamApi(connection)
  const info =
    (await api.streamInfo(stream)) ??
    (await api.createStream({ name: stream, subjects: [subject ?? stream] }))
  const own = info.config.subjects?.find((candidate) => !/[*>]/.test(candidate))
  const chosen = subject ?? own
  if (chosen !== undefined) return chosen
  throw new ConfigError(
    `stream ${stream} takes ${info.config.subjects?.join(', ') ?? 'no subjects'}; say which one with --subject`,
  )
}

class StreamPublisher implements Publisher {
  readonly where: string
  readonly #connection: JetStreamConnection
  readonly #publisher: JetStreamPublisher
  readonly #clock: Clock
  readonly #headers = headerTemplate({}, 'Nats-Msg-Id', `publish/${randomUUID()}/`)
  #published = 0

  constructor(connection: JetStreamConnection, stream: string, subject: string, clock: Clock) {
    this.where = `JetStream stream ${stream} at ${connection.servers}`
    this.#connection = connection
    this.#publisher = new JetStreamPublisher(connection, subject, IN_FLIGHT_MAX)
    this.#clock = clock
  }

  async append(messages: readonly Uint8Array[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const problem = await this.#send(messages)
      if (problem === undefined) break
      if (attempt === ATTEMPTS_MAX) {
        throw new UnavailableError(
          `${this.where} did not take messages behind the first ${this.#published}: ${problem}`,
        )
      }
      await sleep(this.#clock, ATTEMPT_DELAY_MS)
    }
    this.#published += messages.length
  }

  /** What kept messages from being taken, when trying again may help. */
  async #send(messages: readonly Uint8Array[]): Promise<string | undefined> {
    const { problem } = await this.#publisher.publish(messages.length, (index) => ({
      data: messages[index] ?? new Uint8Array(),
      headers: this.#headers(this.#published + index + 1),
    }))
    if (problem === undefined) return undefined
    if (problem.kind === 'unknown') return problem.reason
    if (problem.kind === 'fatal') throw problem.error
    const error = apiError(problem.error, `publishing to ${this.where}`, this.#connection.servers)
    if (error instanceof UnavailableError) return error.message
    throw error
  }

  async close(): Promise<void> {
    this.#publisher.close()
    await this.#connection.close()
  }
}
