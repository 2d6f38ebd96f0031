/**
 * How other processes speak with a running job: a socket in its state folder, a line of JSON for each
 * request and each answer. Only the user who runs the job may connect.
 */
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { reasonOf, UnavailableError } from '../errors.ts'

export const CONTROL_REQUESTS = ['status', 'stop', 'drain', 'snapshot'] as const
export type ControlRequest = (typeof CONTROL_REQUESTS)[number]

export type ControlAnswer =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: string }

/** What a request makes the job do; its result travels as JSON. */
export type ControlHandlers = Readonly<Record<ControlRequest, () => unknown>>

/** Longer paths cannot be bound on every system. */
const PATH_BYTES_MAX = 100
const REQUEST_BYTES_MAX = 4_096

/** Where the socket of a state folder is: in it, unless its path is too long for a socket. */
export function controlPath(stateDir: string): string {
  const path = join(resolve(stateDir), 'control.sock')
  if (Buffer.byteLength(path) <= PATH_BYTES_MAX) return path
  const name = createHash('sha256').update(path).digest('hex').slice(0, 24)
  return join(tmpdir(), `millrace-${name}.sock`)
}

export class ControlSocket {
  readonly #handlers: ControlHandlers
  readonly #path: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(path: string, handlers: ControlHandlers) {
    this.#path = path
    this.#handlers = handlers
    this.#server = createServer((socket) => this.#serve(socket))
  }

  /** The caller holds the folder's lock: a socket that is there is of a process that is no more. */
  static async open(stateDir: string, handlers: ControlHandlers): Promise<ControlSocket> {
    const path = controlPath(stateDir)
    const socket = new ControlSocket(path, handlers)
    rmSync(path, { force: true })
    await new Promise<void>((done, failed) => {
      socket.#server.once('error', failed)
      socket.#server.listen(path, () => done())
    })
    chmodSync(path, 0o600)
    // A job that has nothing else to do may end.
    socket.#server.unref()
    return socket
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.unref()
    socket.once('close', () => this.#sockets.delete(socket))
    // Who asked went away: nobody is there to be told.
    socket.on('error', () => socket.destroy())
    let received = 0
    socket.on('data', (bytes: Buffer) => {
      received += bytes.length
      if (received > REQUEST_BYTES_MAX) socket.destroy()
    })
    createInterface({ input: socket }).on('line', (line) => {
      received = 0
      void this.#answer(line).then((answer) => {
        if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`)
      })
    })
  }

  async #answer(line: string): Promise<ControlAnswer> {
    try {
      const request = requestOf(line)
      return { ok: true, value: (await this.#handlers[request]()) ?? null }
    } catch (error) {
      return { ok: false, error: reasonOf(error) }
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((done) => void this.#server.close(() => done()))
    rmSync(this.#path, { force: true })
  }
}

function requestOf(line: string): ControlRequest {
  const parsed: unknown = JSON.parse(line)
  const ask = typeof parsed === 'object' && parsed !== null && 'ask' in parsed ? parsed.ask : ''
  const request = CONTROL_REQUESTS.find((known) => known === ask)
  if (request === undefined) {
    throw new Error(`ask for one of ${CONTROL_REQUESTS.join(', ')}, as in {"ask":"status"}`)
  }
  return request
}

/**
 * Asks the job that runs on a state folder.
 * @throws UnavailableError when none answers, or it says why it cannot.
 */
export async function askJob(stateDir: string, request: ControlRequest): Promise<unknown> {
  const path = controlPath(stateDir)
  if (!existsSync(path)) throw nobody(stateDir)
  const line = await new Promise<string>((done, failed) => {
    const socket = connect(path)
    socket.once('error', (error) => failed(nobody(stateDir, error)))
    socket.once('close', () => failed(nobody(stateDir)))
    createInterface({ input: socket }).once('line', (answer) => {
      done(answer)
      socket.destroy()
    })
    socket.write(`${JSON.stringify({ ask: request })}\n`)
  })
  const answer = JSON.parse(line) as ControlAnswer
  if (answer.ok) return answer.value
  throw new UnavailableError(`the job cannot do that: ${answer.error}`)
}

const nobody = (stateDir: string, cause?: unknown): UnavailableError =>
  new UnavailableError(
    `the job in ${stateDir} does not answer${cause === undefined ? '' : `: ${reasonOf(cause)}`}. It may be starting or ending; try again.`,
    { cause },
  )
