/**
 * The JetStream API as far as this runtime needs it: JSON requests on $JS.API subjects. It is spoken
 * here instead of through a client's JetStream layer because of what those layers leave out: limits on
 * what is in flight, errors by number, and one behaviour for both client lines.
 */
import { ConfigError, reasonOf, UnavailableError } from '../errors.ts'
import { deniedBy, type JetStreamConnection } from './jetstream-connection.ts'
import type { CoreMessage } from './jetstream-core.ts'

/** Numbers of JetStream errors on which something depends here. */
export const JETSTREAM_ERROR = {
  insufficientResources: 10023,
  consumerNotFound: 10014,
  notEnabledForAccount: 10039,
  noMessageFound: 10037,
  storageResourcesExceeded: 10047,
  messageTooLarge: 10054,
  streamNotFound: 10059,
  streamNotMatch: 10060,
  streamSequenceNotMatch: 10063,
  wrongLastSequence: 10071,
  notEnabled: 10076,
  storeFailed: 10077,
  clusterNotAvailable: 10008,
  duplicateInProcess: 10158,
  wrongLastSequenceInFlight: 10164,
} as const

const TRANSIENT_ERRORS: ReadonlySet<number> = new Set([
  JETSTREAM_ERROR.insufficientResources,
  JETSTREAM_ERROR.storageResourcesExceeded,
  JETSTREAM_ERROR.clusterNotAvailable,
  JETSTREAM_ERROR.storeFailed,
  JETSTREAM_ERROR.duplicateInProcess,
  JETSTREAM_ERROR.streamSequenceNotMatch,
])

export interface ApiError {
  /** Like an HTTP status. */
  readonly code: number
  readonly err_code?: number
  readonly description?: string
}

export interface StreamConfig {
  readonly name: string
  readonly subjects?: readonly string[]
  readonly retention?: 'limits' | 'interest' | 'workqueue'
  readonly storage?: 'file' | 'memory'
  readonly discard?: 'old' | 'new'
  readonly num_replicas?: number
  readonly max_age?: number
  readonly max_msgs?: number
  readonly max_bytes?: number
  readonly max_msgs_per_subject?: number
  readonly max_msg_size?: number
  /** Nanoseconds. */
  readonly duplicate_window?: number
  readonly no_ack?: boolean
  readonly sealed?: boolean
  readonly mirror?: unknown
  readonly sources?: readonly unknown[] | null
}

export interface StreamInfo {
  readonly config: StreamConfig
  /** When the stream was made, to the nanosecond: its identity. */
  readonly created: string
  readonly state: {
    readonly messages: number
    readonly bytes: number
    readonly first_seq: number
    readonly last_seq: number
  }
}

export interface AccountInfo {
  readonly memory: number
  readonly storage: number
  readonly streams: number
  readonly consumers: number
  readonly limits: { readonly max_memory: number; readonly max_storage: number }
  readonly api: { readonly level?: number; readonly total: number; readonly errors: number }
}

export interface StoredMessage {
  readonly subject: string
  readonly sequence: number
  /** Milliseconds since the epoch at which the stream took it. */
  readonly time: number
  readonly data: Uint8Array
  /** The header block as it was published, '' without headers. */
  readonly headers: string
}

export interface ConsumerConfig {
  readonly name: string
  readonly ack_policy: 'none'
  readonly deliver_policy: 'by_start_sequence'
  readonly opt_start_seq: number
  readonly replay_policy: 'instant'
  readonly mem_storage: true
  readonly num_replicas: 1
  /** Nanoseconds without a request after which the server forgets the consumer. */
  readonly inactive_threshold: number
  readonly filter_subject?: string
  readonly headers_only?: boolean
}

export interface ConsumerInfo {
  /** How many messages wait for the consumer. */
  readonly num_pending: number
}

const utf8 = new TextDecoder()

/** Oldest and newest sequence of a stream; `first` is `last + 1` when it holds nothing. */
export function rangeOf(info: StreamInfo): { first: number; last: number } {
  const { first_seq: first, last_seq: last, messages } = info.state
  return { first: messages === 0 ? last + 1 : first, last }
}

/** One request each; every method throws ConfigError or UnavailableError unless it says otherwise. */
export class JetStreamApi {
  readonly #connection: JetStreamConnection

  constructor(connection: JetStreamConnection) {
    this.#connection = connection
  }

  accountInfo(): Promise<AccountInfo> {
    return this.#call<AccountInfo>('INFO')
  }

  /** @returns undefined when there is no such stream. */
  streamInfo(stream: string): Promise<StreamInfo | undefined> {
    return this.#find<StreamInfo>(
      `STREAM.INFO.${stream}`,
      undefined,
      JETSTREAM_ERROR.streamNotFound,
    )
  }

  createStream(config: StreamConfig): Promise<StreamInfo> {
    return this.#call<StreamInfo>(`STREAM.CREATE.${config.name}`, config)
  }

  updateStream(config: StreamConfig): Promise<StreamInfo> {
    return this.#call<StreamInfo>(`STREAM.UPDATE.${config.name}`, config)
  }

  /** @returns false when there was no such stream. */
  async deleteStream(stream: string): Promise<boolean> {
    const verb = `STREAM.DELETE.${stream}`
    return (await this.#find(verb, undefined, JETSTREAM_ERROR.streamNotFound)) !== undefined
  }

  /** Removes messages before a sequence, or all. */
  async purgeStream(stream: string, before?: number): Promise<void> {
    await this.#call(`STREAM.PURGE.${stream}`, before === undefined ? undefined : { seq: before })
  }

  /** Removes the messages of a subject, which may have wildcards. */
  async purgeSubject(stream: string, subject: string): Promise<void> {
    await this.#call(`STREAM.PURGE.${stream}`, { filter: subject })
  }

  /** The subjects of a stream that match, in no order. */
  async subjects(stream: string, filter: string): Promise<string[]> {
    const subjects: string[] = []
    for (;;) {
      const body = { subjects_filter: filter, offset: subjects.length }
      const page = await this.#call<SubjectPage>(`STREAM.INFO.${stream}`, body)
      const found = Object.keys(page.state.subjects ?? {})
      subjects.push(...found)
      if (found.length === 0 || subjects.length >= (page.total ?? 0)) return subjects
    }
  }

  /** Removes one message. */
  async deleteMessage(stream: string, sequence: number): Promise<void> {
    await this.#call(`STREAM.MSG.DELETE.${stream}`, { seq: sequence, no_erase: true })
  }

  /** The message with a sequence, or undefined when it is not, or no longer, there. */
  message(stream: string, sequence: number): Promise<StoredMessage | undefined> {
    return this.#message(stream, { seq: sequence })
  }

  /** The newest message of a subject, which may have wildcards. */
  lastMessage(stream: string, subject: string): Promise<StoredMessage | undefined> {
    return this.#message(stream, { last_by_subj: subject })
  }

  /** The first message with this or a higher sequence, of one subject or of any. */
  messageFrom(stream: string, sequence: number, subject = '>'): Promise<StoredMessage | undefined> {
    return this.#message(stream, { seq: sequence, next_by_subj: subject })
  }

  /** @returns undefined when the stream does not exist. */
  createConsumer(stream: string, config: ConsumerConfig): Promise<ConsumerInfo | undefined> {
    const filter = config.filter_subject === undefined ? '' : `.${config.filter_subject}`
    return this.#find<ConsumerInfo>(
      `CONSUMER.CREATE.${stream}.${config.name}${filter}`,
      { stream_name: stream, config, action: 'create' },
      JETSTREAM_ERROR.streamNotFound,
    )
  }

  /** @returns false when there is no such consumer. */
  async deleteConsumer(stream: string, consumer: string): Promise<boolean> {
    const verb = `CONSUMER.DELETE.${stream}.${consumer}`
    return (await this.#find(verb, undefined, JETSTREAM_ERROR.consumerNotFound)) !== undefined
  }

  async #message(stream: string, query: unknown): Promise<StoredMessage | undefined> {
    const verb = `STREAM.MSG.GET.${stream}`
    const found = await this.#find<{ message: RawMessage }>(
      verb,
      query,
      JETSTREAM_ERROR.noMessageFound,
    )
    return found === undefined ? undefined : storedMessage(found.message)
  }

  async #call<Answer>(verb: string, body?: unknown): Promise<Answer> {
    const answer = await this.#request<Answer>(verb, body)
    if (answer.error !== undefined) throw apiError(answer.error, verb, this.#connection.servers)
    return answer
  }

  /** Like #call, but one error number means that the thing asked for does not exist. */
  async #find<Answer>(verb: string, body: unknown, missing: number): Promise<Answer | undefined> {
    const answer = await this.#request<Answer>(verb, body)
    if (answer.error?.err_code === missing) return undefined
    if (answer.error !== undefined) throw apiError(answer.error, verb, this.#connection.servers)
    return answer
  }

  async #request<Answer>(verb: string, body: unknown): Promise<Answer & { error?: ApiError }> {
    const connection = this.#connection
    const subject = `${connection.apiPrefix}.${verb}`
    if (!connection.isConnected) {
      throw new UnavailableError(`NATS ${connection.servers} is away; reconnecting`)
    }
    let message: CoreMessage
    try {
      const payload = Buffer.from(body === undefined ? '' : JSON.stringify(body))
      message = await connection.request(subject, payload)
    } catch (error) {
      throw requestError(error, subject, connection)
    }
    const answer: Answer & { error?: ApiError } = JSON.parse(utf8.decode(message.data))
    return answer
  }
}

/** A page of the subjects of a stream, with how many messages each has. */
interface SubjectPage {
  readonly total?: number
  readonly state: { readonly subjects?: Readonly<Record<string, number>> }
}

interface RawMessage {
  readonly subject: string
  readonly seq: number
  readonly time: string
  readonly data?: string
  readonly hdrs?: string
}

function storedMessage(raw: RawMessage): StoredMessage {
  return {
    subject: raw.subject,
    sequence: raw.seq,
    time: Date.parse(raw.time),
    data: Buffer.from(raw.data ?? '', 'base64'),
    headers: Buffer.from(raw.hdrs ?? '', 'base64').toString('latin1'),
  }
}

/** The value of a header in a header block as it was published, or undefined. */
export function headerOf(block: string, name: string): string | undefined {
  const start = block.indexOf(`\r\n${name}:`)
  if (start < 0) return undefined
  const from = start + name.length + 3
  return block.slice(from, block.indexOf('\r\n', from)).trim()
}

/** An error that the JetStream API answered, by what is to be done about it. */
export function apiError(error: ApiError, what: string, servers: string): Error {
  const number = error.err_code ?? 0
  const text = `JetStream ${servers}: ${what}: ${error.description ?? 'failed'} (${error.code}/${number})`
  if (number === JETSTREAM_ERROR.notEnabled || number === JETSTREAM_ERROR.notEnabledForAccount) {
    return new ConfigError(
      `JetStream is not enabled on ${servers} for this account; start nats-server with --jetstream, or enable it for the account`,
    )
  }
  if (TRANSIENT_ERRORS.has(number) || error.code === 503 || error.code === 429) {
    return new UnavailableError(text)
  }
  if (number === JETSTREAM_ERROR.streamNotFound) return new UnavailableError(text)
  return new ConfigError(text)
}

function requestError(error: unknown, subject: string, connection: JetStreamConnection): Error {
  const denied = deniedBy(error)
  if (denied !== undefined) return connection.forbidden(denied.operation, denied.subject)
  const reason = reasonOf(error)
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : ''
  if (String(code) === '503' || /no responders/i.test(reason)) {
    return new UnavailableError(
      `NATS ${connection.servers} has no JetStream for this account now (nobody answers ${subject}); enable it, or wait for its cluster to elect a leader`,
      { cause: error },
    )
  }
  return new UnavailableError(
    `NATS ${connection.servers} gave no answer to ${subject}: ${reason}`,
    { cause: error },
  )
}
