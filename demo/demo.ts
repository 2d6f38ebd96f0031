/**
 * The demo: a stream of ratings is made and published while a job reads it, in one process, on the
 * embedded log. What it leaves behind can be looked at with the command line.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import demoJob from '../jobs/demo.ts'
import type { ResolvedManifest } from '../config/manifest.ts'
import { type LoadedManifest, loadManifest } from '../config/load-manifest.ts'
import { EXIT, type ExitCode } from '../runtime/cli/exit-codes.ts'
import { counted, lasted, typedPath } from '../runtime/cli/figures.ts'
import type { CliIo } from '../runtime/cli/io.ts'
import { createLogger } from '../runtime/cli/logger.ts'
import { showProgress } from '../runtime/cli/progress.ts'
import { summaryText } from '../runtime/cli/summary.ts'
import { rememberRun } from '../runtime/cli/target.ts'
import { invariant, StateError } from '../runtime/errors.ts'
import { type JobProgress, type RunningJob, startJob } from '../runtime/job/run-job.ts'
import { holderOf } from '../runtime/job/state-lock.ts'
import { EmbeddedLog } from '../runtime/log/embedded-log.ts'
import { sleep } from '../runtime/time/clock.ts'
import { feedRatings } from './ratings-feed.ts'

export interface DemoOptions {
  /** The project's folder. */
  readonly root: string
  readonly ratings: number
  readonly ratingsPerSecond: number
}

const MANIFEST = 'jobs/demo.yaml'
const LOOK_EVERY_MS = 10

/** Runs the demo from nothing to its summary. @throws StateError while another demo runs. */
export async function runDemo(io: CliIo, options: DemoOptions): Promise<ExitCode> {
  const loaded = await loadManifest(join(options.root, MANIFEST), {
    env: io.env,
    workingDir: options.root,
  })
  const places = placesOf(loaded.manifest)
  clean(options.root, places.stateDir)
  const log = await EmbeddedLog.open(places.log)
  await log.createStream(places.stream, { partitions: 1 })
  io.err(
    ` ${counted(options.ratings, 'rating')} go into the embedded stream '${places.stream}'; the job ${MANIFEST} reads it live\n`,
  )
  const job = startJob({
    manifest: loaded.manifest,
    definition: demoJob,
    stateDir: places.stateDir,
    mode: 'live',
    overwrite: false,
    log: createLogger(io, 'warn'),
    clock: io.clock,
  })
  try {
    return await new Demo(io, options, { loaded, places, log, job }).run()
  } finally {
    await log.close()
  }
}

interface Places {
  readonly stateDir: string
  readonly output: string
  readonly log: string
  readonly stream: string
}

interface DemoParts {
  readonly loaded: LoadedManifest
  readonly places: Places
  readonly log: EmbeddedLog
  readonly job: RunningJob
}

class Demo {
  readonly #io: CliIo
  readonly #options: DemoOptions
  readonly #parts: DemoParts
  /** Aborted when the feed is to end early: on a signal, or when the job has failed. */
  readonly #over = new AbortController()
  #signals = 0

  constructor(io: CliIo, options: DemoOptions, parts: DemoParts) {
    this.#io = io
    this.#options = options
    this.#parts = parts
  }

  async run(): Promise<ExitCode> {
    const { job } = this.#parts
    const killed = new AbortController()
    const release = this.#io.onSignal(() => {
      this.#signals += 1
      this.#over.abort()
      job.stop()
      if (this.#signals > 1) killed.abort()
    })
    const hideProgress = showProgress(this.#io, demoJob.name, () => this.#progress())
    const ended = job.done.finally(() => this.#over.abort())
    const second = new Promise<'killed'>((resolve) => {
      killed.signal.addEventListener('abort', () => resolve('killed'), { once: true })
    })
    try {
      const [summary] = await Promise.all([
        Promise.race([ended, second]),
        this.#feed(),
        this.#tellFirstResult(),
      ])
      if (summary === 'killed') return EXIT.killed
      hideProgress()
      this.#io.out(`\n${summaryText(summary, this.#summaryContext())}`)
      return EXIT.ok
    } finally {
      hideProgress()
      release()
    }
  }

  /** Publishes everything, waits until the job has read it, and stops the job. */
  async #feed(): Promise<void> {
    const { io, job } = { io: this.#io, job: this.#parts.job }
    const { log, places, loaded } = this.#parts
    const published = await feedRatings({
      log,
      stream: places.stream,
      ratings: this.#options.ratings,
      ratingsPerSecond: this.#options.ratingsPerSecond,
      clock: io.clock,
      signal: this.#over.signal,
    })
    while (!this.#over.signal.aborted && readOf(job.progress()) < published) {
      await sleep(io.clock, LOOK_EVERY_MS, this.#over.signal)
    }
    // From here on the state folder answers for the manifest, as behind `millrace run`.
    if (existsSync(places.stateDir)) {
      await rememberRun(io, {
        loaded,
        definition: demoJob,
        job: demoJob.name,
        stateDir: places.stateDir,
        set: [],
      })
    }
    job.stop()
  }

  async #tellFirstResult(): Promise<void> {
    const { output } = this.#parts.places
    while (!this.#over.signal.aborted) {
      const line = firstLine(output)
      if (line !== undefined) {
        // The clock's zero is the start of the process.
        this.#say(
          ` first result ${lasted(this.#io.clock.monotonic())} after the start:\n   ${line}`,
        )
        return
      }
      await sleep(this.#io.clock, LOOK_EVERY_MS, this.#over.signal)
    }
  }

  /** The stream has no end that the job could know; the demo knows how many ratings there will be. */
  #progress() {
    const now = this.#parts.job.progress()
    return { ...now, share: Math.min(1, readOf(now) / this.#options.ratings) }
  }

  #summaryContext() {
    const { loaded, places } = this.#parts
    const { workingDir } = this.#io
    const typed = (path: string): string => typedPath(path, workingDir)
    const state = typed(places.stateDir)
    const manifest = typed(join(this.#options.root, MANIFEST))
    return {
      job: demoJob.name,
      manifest: loaded.manifest,
      workingDir,
      next: [
        `head -n 3 ${typed(places.output)}`,
        `npx millrace state get ${state} lastFilm 17`,
        `npx millrace state scan ${state} lastFilm --limit 5`,
        `npx millrace plan ${manifest}`,
        `npx millrace run ${manifest} --mode batch    # goes on from here, to the stream's end`,
      ],
    }
  }

  #say(text: string): void {
    if (this.#io.liveLine === undefined) this.#io.err(`${text}\n`)
    else this.#io.liveLine.above(text)
  }
}

/** What was read: broken ratings are counted as dead letters and not as records. */
const readOf = ({ records, deadLettered }: JobProgress): number => records + deadLettered

/** Where the manifest puts things. */
function placesOf({ state, sources, sinks }: ResolvedManifest): Places {
  const input = sources.get('ratings')?.input
  const sink = sinks.get('latestRatings')
  invariant(state !== undefined, 'the demo has a state folder')
  invariant(input?.kind === 'embedded', 'the demo reads an embedded stream')
  invariant(sink?.kind === 'file', 'the demo writes a file')
  return { stateDir: state, output: sink.path, log: input.log, stream: input.stream }
}

/** Removes what an earlier demo left. */
function clean(root: string, stateDir: string): void {
  const folder = join(root, '.millrace/demo')
  const holder = holderOf(stateDir)
  if (holder !== undefined) {
    throw new StateError(
      `process ${holder} runs the demo's job in ${relative(root, folder)}; stop it and start again`,
    )
  }
  rmSync(folder, { recursive: true, force: true })
}

function firstLine(path: string): string | undefined {
  if (!existsSync(path)) return undefined
  const text = readFileSync(path, 'utf8')
  const end = text.indexOf('\n')
  return end < 0 ? undefined : text.slice(0, end)
}
