/**
 * `/metrics` and `/healthz` of a running job over HTTP. On loopback for whoever is on the machine; on
 * any other address for who has the token.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConfigError, reasonOf } from '../errors.ts'
import type { LifeState } from '../task/lifecycle.ts'
import type { PrometheusPage } from './prometheus.ts'

export interface MetricsServerOptions {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  readonly token?: string | undefined
  readonly page: PrometheusPage
  readonly state: () => LifeState
}

/** Who asks has to have asked within this time. */
const REQUEST_MS_MAX = 5_000
const HEADER_BYTES_MAX = 8_192
const CONNECTIONS_MAX = 64

/** States in which the job does its work, or is about to. */
const HEALTHY: ReadonlySet<LifeState> = new Set(['running', 'draining', 'finished', 'stopped'])

/** Names under which a browser on this machine finds a server on loopback. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/

export class MetricsServer {
  readonly #options: MetricsServerOptions
  readonly #server: Server

  private constructor(options: MetricsServerOptions) {
    this.#options = options
    this.#server = createServer(
      { requestTimeout: REQUEST_MS_MAX, maxHeaderSize: HEADER_BYTES_MAX },
      (request, response) => {
        void this.#answer(request, response).catch((error: unknown) => {
          send(response, 500, 'text/plain', `${reasonOf(error)}\n`)
        })
      },
    )
    this.#server.maxConnections = CONNECTIONS_MAX
    // A job that has nothing else to do may end.
    this.#server.unref()
  }

  /** @throws ConfigError when the address cannot be had. */
  static async open(options: MetricsServerOptions): Promise<MetricsServer> {
    const { host, port } = options
    const server = new MetricsServer(options)
    await new Promise<void>((done, failed) => {
      server.#server.once('error', (error) => {
        const why = `metrics cannot be served on ${host}:${port}: ${reasonOf(error)}. Name another metrics.port or metrics.host.`
        failed(new ConfigError(why, { cause: error }))
      })
      server.#server.listen(port, host, () => done())
    })
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { page, state } = this.#options
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, 405, 'text/plain', 'only GET\n', { allow: 'GET, HEAD' })
      return
    }
    if (!this.#isLocal(request)) {
      send(response, 403, 'text/plain', 'this is a server for this machine: ask localhost\n')
      return
    }
    if (!this.#hasToken(request)) {
      send(response, 401, 'text/plain', 'a token is needed\n', { 'www-authenticate': 'Bearer' })
      return
    }
    switch (request.url?.split('?')[0] ?? '') {
      case '/metrics':
        send(response, 200, page.contentType, await page.text())
        return
      case '/healthz': {
        const now = state()
        const status = HEALTHY.has(now) ? 200 : 503
        send(response, status, 'application/json', `${JSON.stringify({ state: now })}\n`)
        return
      }
      default:
        send(response, 404, 'text/plain', 'there are /metrics and /healthz\n')
    }
  }

  /** A page of another site that a browser here has open must not read what is meant for this machine. */
  #isLocal({ headers }: IncomingMessage): boolean {
    return this.#options.token !== undefined || LOOPBACK.test(headers.host ?? '')
  }

  #hasToken({ headers }: IncomingMessage): boolean {
    const { token } = this.#options
    if (token === undefined) return true
    return timingSafeEqual(digest(headers.authorization ?? ''), digest(`Bearer ${token}`))
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((done) => void this.#server.close(() => done()))
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

function send(
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', ...headers })
  response.end(response.req.method === 'HEAD' ? undefined : text)
}
