/** Starts and watches the lives of a job that dies and is started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Moment } from '../../runtime/task/task-parts.ts'
import type { WindowCase } from '../cases/case-file.ts'

export interface LifeOptions {
  /** Name of a manifest in jobs/; or 'case', the job of a case with known answers. */
  readonly job: 'latest-rating' | 'demo' | 'case'
  readonly windowCase?: WindowCase
  readonly mode: 'live' | 'batch'
  readonly stateDir: string
  /** Fields of the manifest: `commit.every=5ms`. */
  readonly set: readonly string[]
  /** The process kills itself when a moment comes for the n-th time, counted from 1. */
  readonly killAt?: { readonly moment: Moment; readonly occurrence: number }
}

/** What the process is given. */
export interface LifeArguments extends LifeOptions {
  /** Path of the job's manifest. */
  readonly manifest: string
}

/** What a life prints, a line each. */
export type LifeReport =
  | { readonly kind: 'open' }
  | { readonly kind: 'log'; readonly message: string }
  | ({ readonly kind: 'end' } & LifeEnd)
  | { readonly kind: 'error'; readonly name: string; readonly message: string }

export interface LifeEnd {
  readonly records: number
  readonly results: number
  readonly deadLettered: number
  readonly late: number
  readonly finished: boolean
}

const pathOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const CHILD = pathOf('dist/test/crash/crash-child.js')
/** A life that neither opens nor ends in this time hangs. */
const LIFE_MS_MAX = 60_000

/** Lives of tests that end before they are over end with the process. */
const living = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL')
})

export class Life {
  readonly #child: ChildProcess
  readonly #reports: LifeReport[] = []
  #errorOutput = ''
  /** Resolves when the job is open, or has ended before. */
  readonly opened: Promise<void>
  /** Resolves to the exit code, or to the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>

  constructor(options: LifeOptions) {
    if (!existsSync(CHILD)) throw new Error(`${CHILD} is not there: npm run build`)
    const folder = options.job === 'case' ? 'test/crash' : 'jobs'
    const manifest = pathOf(`${folder}/${options.job}.yaml`)
    const argument: LifeArguments = { ...options, manifest }
    const child = spawn(process.execPath, [CHILD, JSON.stringify(argument)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    living.add(child)
    const hangs = setTimeout(() => child.kill('SIGABRT'), LIFE_MS_MAX)
    child.stderr.on('data', (bytes: Buffer) => (this.#errorOutput += bytes.toString()))
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        clearTimeout(hangs)
        living.delete(child)
        resolve(signal ?? code ?? -1)
      })
    })
    this.opened = new Promise((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const report = JSON.parse(line) as LifeReport
        this.#reports.push(report)
        if (report.kind === 'open') resolve()
      })
      void this.ended.then(() => resolve())
    })
  }

  /** Ends it at once. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Asks it to finish its epoch. */
  stop(): void {
    this.#child.kill('SIGTERM')
  }

  /** What the job came to, of a life that ended by itself. */
  get end(): LifeEnd | undefined {
    return this.#reports.find((report) => report.kind === 'end')
  }

  get error(): { readonly name: string; readonly message: string } | undefined {
    return this.#reports.find((report) => report.kind === 'error')
  }

  /** What it warned of. */
  get warnings(): readonly string[] {
    return this.#reports.flatMap((report) => (report.kind === 'log' ? [report.message] : []))
  }

  /** Everything it said, for the message of a test that fails. */
  get story(): string {
    const { name, message } = this.error ?? { name: '', message: '' }
    return [...this.warnings.slice(-5), `${name} ${message}`, this.#errorOutput].join('\n')
  }
}
