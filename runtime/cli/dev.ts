/**
 * `millrace dev`: runs a job and starts it again when its code changes; its state is kept. The job runs
 * in a process of its own, so that changed modules are loaded afresh and broken ones do no harm.
 */
import type { ChildProcess } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { codeRoot } from '../package-files.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { FileWatch } from './file-watch.ts'
import type { CliIo } from './io.ts'

export interface DevFlags {
  /** Starts `millrace run` with these arguments, with a channel for messages. */
  start(args: readonly string[]): ChildProcess
  /** The flags of `run` as they were written. */
  readonly runArguments: readonly string[]
}

/** Files that are saved together count as one change. */
const SETTLE_MS = 100

/** Runs until a signal. */
export function dev(io: CliIo, manifest: string, flags: DevFlags): Promise<ExitCode> {
  const session = new DevSession(io, manifest, flags)
  return session.run()
}

class DevSession {
  readonly #io: CliIo
  readonly #manifest: string
  readonly #flags: DevFlags
  readonly #watch: FileWatch
  #child: ChildProcess | undefined
  #signals = 0
  #changed: string | undefined
  #wake: () => void = () => undefined

  constructor(io: CliIo, manifest: string, flags: DevFlags) {
    this.#io = io
    this.#manifest = manifest
    this.#flags = flags
    this.#watch = new FileWatch((file) => this.#onChange(file))
  }

  async run(): Promise<ExitCode> {
    const release = this.#io.onSignal(() => this.#onSignal())
    this.#watch.add(resolve(this.#io.workingDir, this.#manifest))
    try {
      while (this.#signals === 0) {
        await this.#runOnce()
        if (this.#signals > 0) break
        if (this.#changed === undefined) {
          this.#say('waiting for a change')
          await this.#nextEvent()
        }
        if (this.#changed !== undefined) this.#say(`${this.#changed} changed; starting again`)
        this.#changed = undefined
      }
    } finally {
      release()
      this.#watch.close()
    }
    return this.#signals > 1 ? EXIT.killed : EXIT.ok
  }

  /** One life of the job: until it ends by itself, or a change or a signal has stopped it. */
  async #runOnce(): Promise<void> {
    const child = this.#flags.start([
      'run',
      this.#manifest,
      '--mode',
      'live',
      '--report-imports',
      ...this.#flags.runArguments,
    ])
    this.#child = child
    child.on('message', (message) => this.#onMessage(message))
    await new Promise<void>((done, fail) => {
      child.once('exit', () => done())
      child.once('error', fail)
    })
    this.#child = undefined
  }

  #onChange(file: string): void {
    const isFirst = this.#changed === undefined
    this.#changed = file
    if (!isFirst) return
    this.#io.clock.after(SETTLE_MS, () => {
      this.#child?.kill('SIGTERM')
      this.#wake()
    })
  }

  /** The first signal lets the job finish its epoch, the second ends it at once. */
  #onSignal(): void {
    this.#signals += 1
    this.#child?.kill('SIGTERM')
    this.#wake()
  }

  #onMessage(message: unknown): void {
    if (typeof message !== 'object' || message === null || !('imported' in message)) return
    const { imported } = message
    if (typeof imported === 'string' && isUsersFile(imported)) {
      this.#watch.add(fileURLToPath(imported))
    }
  }

  #nextEvent(): Promise<void> {
    return new Promise((done) => {
      this.#wake = done
    })
  }

  #say(text: string): void {
    this.#io.err(`dev: ${text}\n`)
  }
}

const ownRoot = `${pathToFileURL(codeRoot).href}/`

/** Packages, this one included, do not change under a running job. */
function isUsersFile(url: string): boolean {
  const isOwn = ['runtime', 'operators', 'chunks'].some((name) =>
    url.startsWith(`${ownRoot}${name}/`),
  )
  return url.startsWith('file:') && !url.includes('/node_modules/') && !isOwn
}
