/**
 * One connection to NATS, used through its core only: publish, subscribe by callback, request and
 * status. What JetStream adds is spoken by jetstream-wire.ts.
 *
 * Once it was made a connection is kept for ever: it reconnects with a delay that grows with the
 * outage. Who uses it is told when it is lost, when it is back, and what the user may not do.
 */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect, credsAuthenticator, type ConnectionOptions } from 'nats'
import { ConfigError, reasonOf, UnavailableError } from '../errors.ts'
import { systemClock, type Clock } from '../time/clock.ts'
import type { CoreConnection, CoreMessage, CoreStatus } from './jetstream-core.ts'

/** How to reach a JetStream, as a manifest says it. */
export interface JetStreamOptions {
  /** Addresses like 'nats://host:4222'; default 'nats://127.0.0.1:4222'. */
  readonly servers?: string | readonly string[]
  /** Path of a credentials file. */
  readonly credentials?: string
  readonly user?: string
  readonly password?: string
  readonly token?: string
  readonly tls?: JetStreamTls
  /** First tokens of the subjects on which answers come, default '_INBOX'. */
  readonly inboxPrefix?: string
  /** JetStream domain, when it is not the server's own. */
  readonly domain?: string
  /** A connection of the caller's own; it is used instead of the above and never closed. */
  readonly connection?: CoreConnection
  /** How the connection is called in the server's monitoring. */
  readonly name?: string
  /** How long one attempt to connect, or one request, may take; default 5000. */
  readonly timeoutMs?: number
  readonly clock?: Clock
}

export interface JetStreamTls {
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
  readonly handshakeFirst?: boolean
}

/** What happened to the connection. */
export type ConnectionEvent =
  | { readonly kind: 'lost' }
  | { readonly kind: 'restored' }
  | { readonly kind: 'forbidden'; readonly subject: string; readonly error: ConfigError }

/** The oldest server with everything this runtime relies on. */
export const SERVER_VERSION_MIN = '2.9.10'

const RECONNECT_DELAY_MS_MIN = 50
const RECONNECT_DELAY_MS_MAX = 2_000
/** Two missed answers in a row are a dead connection: half-open ones are found within a minute. */
const PING_INTERVAL_MS = 20_000

export class JetStreamConnection {
  readonly core: CoreConnection
  readonly clock: Clock
  readonly timeoutMs: number
  /** The servers, for messages; without user names and passwords. */
  readonly servers: string
  /** First tokens of the subjects of the JetStream API. */
  readonly apiPrefix: string
  readonly #user: string
  readonly #inboxPrefix: string
  readonly #owned: boolean
  readonly #listeners = new Set<(event: ConnectionEvent) => void>()
  #connected = true
  #lostAt: number | undefined

  private constructor(core: CoreConnection | undefined, options: JetStreamOptions, dialed: Dialed) {
    this.core = core ?? dialed.core
    this.#owned = core === undefined
    this.clock = options.clock ?? systemClock
    this.timeoutMs = options.timeoutMs ?? 5_000
    this.servers = dialed.servers
    this.apiPrefix = options.domain === undefined ? '$JS.API' : `$JS.${options.domain}.API`
    this.#user = userOf(options)
    this.#inboxPrefix = options.inboxPrefix ?? '_INBOX'
    dialed.outageMs.current = () =>
      this.#lostAt === undefined ? 0 : this.clock.monotonic() - this.#lostAt
  }

  /**
   * @throws UnavailableError when no server answers now
   * @throws ConfigError when the server refuses the user, or is too old
   */
  static async open(options: JetStreamOptions = {}): Promise<JetStreamConnection> {
    const given = options.connection
    const dialed = given === undefined ? await dial(options) : adopted(given)
    const connection = new JetStreamConnection(given, options, dialed)
    void connection.#watch()
    try {
      connection.#checkVersion()
    } catch (error) {
      await connection.close()
      throw error
    }
    return connection
  }

  /** Version of the server that is connected now. */
  get version(): string {
    return this.core.info?.version ?? 'unknown'
  }

  /** The longest payload the server takes, headers included. */
  get payloadBytesMax(): number {
    return this.core.info?.max_payload ?? 1024 * 1024
  }

  get isConnected(): boolean {
    return this.#connected && !this.core.isClosed()
  }

  /** A subject for answers that nobody else has. */
  newInbox(): string {
    return `${this.#inboxPrefix}.${shortName()}`
  }

  /** One request; is refused at once when the connection is lost, instead of waiting for nothing. */
  request(subject: string, payload: Uint8Array): Promise<CoreMessage> {
    return new Promise((resolve, reject) => {
      const stop = this.onEvent(({ kind }) => {
        if (kind === 'lost') reject(new Error('the connection was lost'))
      })
      this.core
        .request(subject, payload, { timeout: this.timeoutMs })
        .then(resolve, reject)
        .finally(stop)
    })
  }

  /** Tells what happens to the connection until the returned function is called. */
  onEvent(listener: (event: ConnectionEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The error for something that the server did not allow. */
  forbidden(operation: string, subject: string): ConfigError {
    const publish = !operation.startsWith('subscri')
    const verb = publish ? 'publish to' : 'subscribe to'
    const list = publish ? 'publish' : 'subscribe'
    return new ConfigError(
      `NATS ${this.servers}: ${this.#user} may not ${verb} "${subject}"; add it to the ${list} permissions of this user`,
    )
  }

  async close(): Promise<void> {
    this.#listeners.clear()
    if (this.#owned) await this.core.close()
  }

  #checkVersion(): void {
    if (!isVersionAtLeast(this.version, SERVER_VERSION_MIN)) {
      throw new ConfigError(
        `NATS ${this.servers}: nats-server ${this.version} is too old; at least ${SERVER_VERSION_MIN} is needed`,
      )
    }
  }

  /** Ends when the connection is closed. A listener that throws is a bug and ends the process. */
  async #watch(): Promise<void> {
    for await (const status of this.core.status()) {
      const event = this.#eventOf(status)
      if (event === undefined) continue
      if (event.kind === 'lost') {
        this.#connected = false
        this.#lostAt ??= this.clock.monotonic()
      }
      if (event.kind === 'restored') {
        this.#connected = true
        this.#lostAt = undefined
      }
      for (const listener of this.#listeners) listener(event)
    }
  }

  #eventOf(status: CoreStatus): ConnectionEvent | undefined {
    if (status.type === 'disconnect') return { kind: 'lost' }
    if (status.type === 'reconnect') return { kind: 'restored' }
    if (status.type !== 'error') return undefined
    const denied = status.permissionContext ?? deniedBy(status.error)
    if (denied === undefined) return undefined
    const error = this.forbidden(denied.operation, denied.subject)
    return { kind: 'forbidden', subject: denied.subject, error }
  }
}

interface Dialed {
  readonly core: CoreConnection
  readonly servers: string
  /** How long the connection has been away; set once there is one. */
  readonly outageMs: { current: () => number }
}

function adopted(core: CoreConnection): Dialed {
  return { core, servers: '(given connection)', outageMs: { current: () => 0 } }
}

async function dial(options: JetStreamOptions): Promise<Dialed> {
  const asked = options.servers ?? 'nats://127.0.0.1:4222'
  const servers = (typeof asked === 'string' ? asked.split(',') : asked).map((server) =>
    server.trim(),
  )
  const shown = servers.map(withoutUser).join(', ')
  const outageMs = { current: () => 0 }
  const settings = await settingsOf(options, servers)
  settings.reconnectDelayHandler = () => reconnectDelayMs(outageMs.current())
  try {
    return { core: await connect(settings), servers: shown, outageMs }
  } catch (error) {
    throw connectError(error, shown, userOf(options))
  }
}

/** Half the age of the outage: attempts get rarer the longer it lasts, without a count of them. */
function reconnectDelayMs(outageMs: number): number {
  return Math.min(RECONNECT_DELAY_MS_MAX, Math.max(RECONNECT_DELAY_MS_MIN, outageMs / 2))
}

async function settingsOf(
  options: JetStreamOptions,
  servers: readonly string[],
): Promise<ConnectionOptions> {
  const settings: ConnectionOptions = {
    servers: servers.map(withoutUser),
    name: options.name ?? 'millrace',
    timeout: options.timeoutMs ?? 5_000,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    pingInterval: PING_INTERVAL_MS,
    noAsyncTraces: true,
    // The client's own resolver asks DNS only, and would miss names of the hosts file.
    resolve: false,
  }
  const inUrl = userInUrl(servers)
  const user = options.user ?? inUrl?.user
  const password = options.password ?? inUrl?.password
  if (user !== undefined) settings.user = user
  if (password !== undefined) settings.pass = password
  if (options.token !== undefined) settings.token = options.token
  if (options.tls !== undefined) settings.tls = { ...options.tls }
  if (options.inboxPrefix !== undefined) settings.inboxPrefix = options.inboxPrefix
  if (options.credentials !== undefined) {
    settings.authenticator = credsAuthenticator(await readCredentials(options.credentials))
  }
  return settings
}

async function readCredentials(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new ConfigError(`the NATS credentials file ${path} cannot be read: ${reasonOf(error)}`)
  }
}

/** What the client throws at a connect, by what the user has to do. */
function connectError(error: unknown, servers: string, user: string): Error {
  const reason = reasonOf(error)
  const code = codeOf(error)
  const refused = /authorization|authentication|auth|creds|nkey|expired/i.test(`${code} ${reason}`)
  if (refused && !/timeout/i.test(reason)) {
    return new ConfigError(
      `NATS ${servers} refused ${user}: ${reason}; check user, password, token or credentials file`,
      { cause: error },
    )
  }
  if (/^(TLS|SERVER_OPT_NA|ERR_TLS.*|.*CERT.*|EPROTO)$/.test(code)) {
    return new ConfigError(
      `NATS ${servers}: no TLS connection: ${reason}; check the tls settings`,
      {
        cause: error,
      },
    )
  }
  return new UnavailableError(
    `NATS ${servers} does not answer: ${reason}; is nats-server running there?`,
    { cause: error },
  )
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  return String(error.code)
}

interface Denied {
  readonly operation: string
  readonly subject: string
}

/** What the server did not allow, when an error says so; the 3.x line wraps it, or has it in the text. */
export function deniedBy(error: unknown): Denied | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  if ('permissionContext' in error && isDenied(error.permissionContext)) {
    return error.permissionContext
  }
  const match = /permissions violation for (\w+) to "([^"\s]+)"/i.exec(reasonOf(error))
  const [, operation, subject] = match ?? []
  if (operation !== undefined && subject !== undefined) {
    return { operation: operation.toLowerCase(), subject }
  }
  return 'cause' in error ? deniedBy(error.cause) : undefined
}

function isDenied(context: unknown): context is Denied {
  return (
    typeof context === 'object' &&
    context !== null &&
    'operation' in context &&
    'subject' in context
  )
}

function userOf(options: JetStreamOptions): string {
  const inUrl = options.servers === undefined ? undefined : userInUrl([options.servers].flat())
  const user = options.user ?? inUrl?.user
  if (user !== undefined) return `user "${user}"`
  if (options.credentials !== undefined) return `the user of ${options.credentials}`
  if (options.token !== undefined) return 'the user of the token'
  return 'the user of this connection'
}

function userInUrl(
  servers: readonly string[],
): { user: string | undefined; password: string | undefined } | undefined {
  for (const server of servers) {
    const match = /^(?:[a-z]+:\/\/)?([^@/]+)@/.exec(server)
    if (match === null) continue
    const [user, ...password] = (match[1] ?? '').split(':')
    return {
      user: user === undefined ? undefined : decodeURIComponent(user),
      password: password.length === 0 ? undefined : decodeURIComponent(password.join(':')),
    }
  }
  return undefined
}

/** A server's address without user and password. */
function withoutUser(server: string): string {
  return server.replace(/^([a-z]+:\/\/)?[^@/]*@/, '$1')
}

/**
 * A name that nobody else has, as one token of a subject. Short, because names travel with every
 * message and the client looks at each of their bytes.
 */
export function shortName(): string {
  return randomBytes(6).toString('base64url')
}

/** Compares versions like 2.10.27 or 2.12.0-RC.1 by their three numbers. */
export function isVersionAtLeast(version: string, least: string): boolean {
  const have = numbersOf(version)
  const need = numbersOf(least)
  for (let index = 0; index < 3; index++) {
    const difference = (have[index] ?? 0) - (need[index] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}

function numbersOf(version: string): number[] {
  return (/^v?(\d+)\.(\d+)\.(\d+)/.exec(version) ?? ['', '0', '0', '0']).slice(1).map(Number)
}
