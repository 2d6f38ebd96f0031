/** Runs the command line inside the test: captured output, signals and services of the test's own. */
import { mkdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CliIo, LiveLine } from '../../runtime/cli/io.ts'
import type { Publisher } from '../../runtime/cli/publisher.ts'
import { runCli } from '../../runtime/cli/run-cli.ts'
import type {
  JobProgress,
  JobSummary,
  RunningJob,
  RunOptions,
} from '../../runtime/cli/running-job.ts'
import type { CliServices } from '../../runtime/cli/services.ts'
import { systemClock } from '../../runtime/time/clock.ts'
import type { Clock } from '../../runtime/time/clock.ts'

/** A folder of its own, with a job in `jobs/` that the test may change. */
export class Project {
  readonly folder: string
  private constructor(folder: string) {
    this.folder = folder
  }

  static async create(): Promise<Project> {
    const project = new Project(await mkdtemp(join(tmpdir(), 'millrace-cli-')))
    await project.put('jobs/job.ts', JOB)
    await project.put('jobs/job.yaml', MANIFEST)
    await project.put('jobs/in.csv', 'user,film,at\n1,2,1000000000\n')
    await project.put('jobs/package.json', '{"type":"module"}')
    return project
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  async put(name: string, text: string): Promise<void> {
    await mkdir(dirname(this.path(name)), { recursive: true })
    await writeFile(this.path(name), text)
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** In a test the package is its source; that its name is found is for tests with real processes. */
export const PUBLIC_INDEX = fileURLToPath(new URL('../../runtime/index.ts', import.meta.url))

export const JOB = `import { job, tumbling } from '${PUBLIC_INDEX}'

/** Any object: a schema by hand, so that the project needs no package. */
const Seen = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value: value as { user: number } }) } } as const

export default job('last-seen', ({ source, sink }) => {
  source('seen', Seen)
    .keyBy((seen) => seen.user)
    .window(tumbling('1s'))
    .reduce('last', (_, b) => b)
    .map(({ value }) => value)
    .to(sink('out'))
})
`

export const MANIFEST = `job: ./job.ts
sources:
  seen:
    file: { path: in.csv }
    eventTime: { field: at, unit: s }
sinks:
  out:
    file: { path: out.jsonl }
`

export const PROGRESS: JobProgress = {
  records: 0,
  recordsRead: 0,
  results: 0,
  late: 0,
  deadLettered: 0,
  windows: 0,
  epoch: 0,
  watermark: Number.NEGATIVE_INFINITY,
  share: undefined,
  state: 'running',
  restarts: 0,
}

/** A job whose life the test decides. */
export class FakeJob implements RunningJob {
  readonly options: RunOptions
  readonly done: Promise<JobSummary>
  readonly calls: string[] = []
  current = PROGRESS
  #resolve: (summary: JobSummary) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined

  constructor(options: RunOptions) {
    this.options = options
    // A job makes its state folder its own before it runs.
    mkdirSync(options.stateDir, { recursive: true })
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  progress(): JobProgress {
    return this.current
  }

  stop(): void {
    this.calls.push('stop')
  }

  kill(): void {
    this.calls.push('kill')
  }

  finish(summary: Partial<JobSummary> = {}): void {
    this.#resolve({
      ...this.current,
      state: 'finished',
      elapsedMs: 400,
      outputs: [],
      deadLetterWhere: undefined,
      stateDir: this.options.stateDir,
      finished: true,
      alreadyFinished: false,
      bounds: [],
      ...summary,
    })
  }

  fail(error: Error): void {
    this.#reject(error)
  }
}

/** A clock whose time passes when the test says so. */
export class ManualClock implements Clock {
  #nowMs = 0
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>()

  now(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  breathe(): Promise<void> {
    return Promise.resolve()
  }

  /** Lets time pass, timer by timer. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= untilMs)
      const [next] = due.toSorted((a, b) => a.atMs - b.atMs)
      if (next === undefined) break
      this.#nowMs = next.atMs
      this.#timers.delete(next)
      next.callback()
    }
    this.#nowMs = untilMs
  }
}

/** One command with everything around it. */
export class Cli {
  out = ''
  err = ''
  readonly told: unknown[] = []
  readonly jobs: FakeJob[] = []
  readonly published: unknown[] = []
  readonly #listeners = new Set<() => void>()
  readonly io: CliIo
  readonly services: CliServices

  constructor(
    workingDir: string,
    options: {
      readonly env?: Record<string, string>
      readonly liveLine?: LiveLine
      readonly clock?: Clock
      readonly services?: Partial<CliServices>
    } = {},
  ) {
    this.io = {
      env: options.env ?? {},
      workingDir,
      clock: options.clock ?? systemClock,
      out: (text) => void (this.out += text),
      err: (text) => void (this.err += text),
      liveLine: options.liveLine,
      isOutTerminal: false,
      onSignal: (listener) => {
        this.#listeners.add(listener)
        return () => void this.#listeners.delete(listener)
      },
      tell: (message) => void this.told.push(message),
    }
    this.services = {
      preload: async () => undefined,
      startJob: (run) => {
        const job = new FakeJob(run)
        this.jobs.push(job)
        return Promise.resolve(job)
      },
      openStateReader: () => Promise.reject(new Error('no reader in this test')),
      checkNats: () => Promise.resolve([]),
      openPublisher: () => Promise.resolve(this.#publisher()),
      ...options.services,
    }
  }

  run(...argv: readonly string[]): Promise<number> {
    return runCli(argv, this.io, this.services)
  }

  signal(): void {
    for (const listener of this.#listeners) listener()
  }

  /** How many commands listen to signals now. */
  get listeners(): number {
    return this.#listeners.size
  }

  #publisher(): Publisher {
    return {
      where: 'a stream',
      append: (messages) => {
        this.published.push(
          ...messages.map((data): unknown => JSON.parse(Buffer.from(data).toString())),
        )
        return Promise.resolve()
      },
      close: () => Promise.resolve(),
    }
  }
}

/** Waits until something holds, for at most ten seconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
