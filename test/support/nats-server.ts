/**
 * A real nats-server of a test's own: a free port on the loopback interface, a store of its own, and
 * ends when the test says so. It can be killed and started again on the same port and store.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

export interface NatsServerOptions {
  /** More lines of the server's configuration: users, limits. */
  readonly config?: string
  /** Default true. */
  readonly jetStream?: boolean
}

const HOW_TO_INSTALL =
  'nats-server was not found. Install it (Debian and Ubuntu: apt-get install nats-server; macOS: brew install nats-server), put it on PATH, or set NATS_SERVER to its path.'

let found: string | undefined

/** Servers of tests that end before they remove them end with the process. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** The path of nats-server; installs it on Debian as root when there is none. */
export function natsServerPath(): string {
  found ??= lookUp() ?? install()
  return found
}

function lookUp(): string | undefined {
  const asked = process.env['NATS_SERVER']
  if (asked !== undefined && asked !== '') {
    if (existsSync(asked)) return asked
    throw new Error(`NATS_SERVER is ${asked}, but there is no such file`)
  }
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, 'nats-server')).find((path) => existsSync(path))
}

function install(): string {
  const canInstall = existsSync('/etc/debian_version') && process.getuid?.() === 0
  if (!canInstall) throw new Error(HOW_TO_INSTALL)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  try {
    execFileSync('apt-get', ['update', '-q'], { env, stdio: 'pipe' })
    execFileSync('apt-get', ['install', '-y', '-q', 'nats-server'], { env, stdio: 'pipe' })
  } catch (error) {
    throw new Error(`${HOW_TO_INSTALL} Installing it by apt-get failed.`, { cause: error })
  }
  const path = lookUp()
  if (path === undefined) throw new Error(HOW_TO_INSTALL)
  return path
}

export class NatsServer {
  readonly port: number
  readonly #folder: string
  readonly #options: NatsServerOptions
  readonly #config: string
  #process: ChildProcess | undefined
  #output = ''

  private constructor(port: number, options: NatsServerOptions, folder: string) {
    this.port = port
    this.#folder = folder
    this.#options = options
    this.#config = join(folder, `server-${port}.conf`)
    const lines = [
      `listen: "127.0.0.1:${port}"`,
      options.jetStream === false ? '' : `jetstream: { store_dir: "${this.storeFolder}" }`,
      options.config ?? '',
    ]
    writeFileSync(this.#config, lines.join('\n'))
  }

  static async start(options: NatsServerOptions = {}): Promise<NatsServer> {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-nats-'))
    const server = new NatsServer(await freePort(), options, folder)
    await server.start()
    return server
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  get storeFolder(): string {
    return join(this.#folder, 'store')
  }

  /** Starts another server on the store of this stopped one, where its clients do not find it. */
  async startElsewhere(): Promise<NatsServer> {
    const server = new NatsServer(await freePort(), this.#options, this.#folder)
    await server.start()
    return server
  }

  /** Starts it, again after stop or kill on the same port and store; resolves when it answers. */
  async start(): Promise<void> {
    const child = spawn(natsServerPath(), ['--config', this.#config], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = child
    this.#output = ''
    running.add(child)
    child.once('exit', () => running.delete(child))
    await new Promise<void>((resolve, reject) => {
      const onOutput = (bytes: Buffer): void => {
        this.#output += bytes.toString()
        if (this.#output.includes('Server is ready')) resolve()
      }
      child.stdout.on('data', onOutput)
      child.stderr.on('data', onOutput)
      child.once('error', reject)
      child.once('exit', () => reject(new Error(`nats-server ended:\n${this.#output}`)))
    })
  }

  /** What the server wrote since it was started. */
  get output(): string {
    return this.#output
  }

  /** Ends it in order. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Ends it at once. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** Stops it for a while, so that it takes and answers nothing. */
  freeze(): void {
    this.#process?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#process?.kill('SIGCONT')
  }

  /** Copies the store of the stopped server. */
  saveStore(name: string): void {
    cpSync(this.storeFolder, join(this.#folder, name), { recursive: true })
  }

  /** Puts an older copy in the place of the stopped server's store. */
  restoreStore(name: string): void {
    rmSync(this.storeFolder, { recursive: true, force: true })
    cpSync(join(this.#folder, name), this.storeFolder, { recursive: true })
  }

  /** Ends it and removes its folder. */
  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
      child.kill(signal)
    })
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}
