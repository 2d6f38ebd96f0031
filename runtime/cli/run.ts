/** `millrace run`: runs a job until its input ends or somebody stops it. */
import type { ResolvedManifest } from '../../config/manifest.ts'
import { ConfigError, reasonOf } from '../errors.ts'
import type { RestoreChoice } from '../job/restore-state.ts'
import type { ResultsAfter } from '../job/restored-sinks.ts'
import type { RunLog } from '../job/run-context.ts'
import { sleep } from '../time/clock.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import type { CliIo } from './io.ts'
import type { LogLevel } from './log-level.ts'
import { createLogger } from './logger.ts'
import { showProgress } from './progress.ts'
import { type ReplayFlags, replaySettings } from './replay-flags.ts'
import type { JobSummary, RunningJob } from './running-job.ts'
import type { CliServices } from './services.ts'
import { summaryText } from './summary.ts'
import { loadTarget, rememberRun } from './target.ts'
import type { Target, TargetFlags } from './target.ts'

export interface RunFlags extends TargetFlags, ReplayFlags {
  readonly mode?: 'live' | 'batch'
  readonly overwrite?: boolean
  readonly quiet?: boolean
  readonly restore?: string
  readonly as?: string
  readonly results?: ResultsAfter
  readonly dropState?: readonly string[]
  readonly logLevel: LogLevel
  /** Tells the parent process which modules the job is made of. */
  readonly reportImports?: boolean
}

/** Loads, checks and runs a job; resolves when it has ended. */
export async function run(
  fullIo: CliIo,
  services: CliServices,
  path: string,
  flags: RunFlags,
): Promise<ExitCode> {
  // Meanwhile the manifest is read, and not yet the job's module: what is loaded behind that has its
  // source maps read, which takes longer.
  const ready = services.preload()
  const report = flags.reportImports === true && {
    onImport: (url: string): void => fullIo.tell({ imported: url }),
  }
  const set = [...(flags.set ?? []), ...(await replaySettings(fullIo, path, flags))]
  const [target] = await Promise.all([
    loadTarget(fullIo, path, { ...flags, set }, { ready, ...report }),
    ready,
  ])
  const { manifest } = target.loaded
  const io = sharingTerminal(fullIo, manifest)
  const log = createLogger(io, flags.logLevel)
  const mode = flags.mode ?? manifest.mode
  if (mode === 'live') refuseForLive(flags)
  const job = await services.startJob({
    manifest,
    definition: target.definition,
    stateDir: target.stateDir,
    mode,
    overwrite: flags.overwrite === true,
    restore: restoreChoice(flags),
    ...(flags.dropState !== undefined &&
      flags.dropState.length > 0 && { dropState: flags.dropState }),
    log,
    clock: io.clock,
  })
  const stopRemembering = rememberOnceOpen(io, job, target, { mode, log })
  const hideProgress =
    flags.quiet === true ? undefined : showProgress(io, target.job, () => job.progress())
  const signals = obeySignals(io, job, { quiet: flags.quiet === true })
  let ended: JobSummary | 'killed'
  try {
    ended = await Promise.race([job.done, signals.killed])
  } finally {
    signals.release()
    hideProgress?.()
    await stopRemembering()
  }
  if (ended === 'killed') return EXIT.killed
  if (flags.quiet !== true) {
    io.out(summaryText(ended, { job: target.job, manifest, workingDir: io.workingDir }))
  }
  return EXIT.ok
}

function refuseForLive({ to = [], then, speed }: RunFlags): void {
  const flags = { '--to': to[0], '--then': then, '--speed': speed }
  for (const [flag, value] of Object.entries(flags)) {
    if (value === undefined) continue
    throw new ConfigError(`${flag} is for batches; add --mode batch, or leave it out`)
  }
}

function restoreChoice({ restore, as, results }: RunFlags): RestoreChoice {
  return {
    ...(restore !== undefined && { from: restore }),
    ...(as !== undefined && { as }),
    ...(results !== undefined && { results }),
  }
}

/** Results that are printed to the same terminal would be overwritten by a live line. */
function sharingTerminal(io: CliIo, manifest: ResolvedManifest): CliIo {
  const prints = [...manifest.sinks.values()].some(({ kind }) => kind === 'console')
  return prints && io.isOutTerminal ? { ...io, liveLine: undefined } : io
}

/** The first signal finishes the epoch and stops; the second ends it at once. */
function obeySignals(
  io: CliIo,
  job: RunningJob,
  { quiet }: { readonly quiet: boolean },
): { readonly killed: Promise<'killed'>; readonly release: () => void } {
  let release: () => void = ignore
  const killed = new Promise<'killed'>((resolve) => {
    let count = 0
    release = io.onSignal(() => {
      count += 1
      if (count === 1) {
        if (!quiet) say(io, 'finishing the epoch; once more to stop at once')
        job.stop()
        return
      }
      job.kill()
      resolve('killed')
    })
  })
  return { killed, release }
}

const ignore = (): void => undefined

/**
 * Remembers the manifest in the state folder as soon as the job has made the folder its own: before,
 * it may be another job's. The returned function ends the waiting.
 */
function rememberOnceOpen(
  io: CliIo,
  job: RunningJob,
  target: Target,
  { mode, log }: { readonly mode: 'live' | 'batch'; readonly log: RunLog },
): () => Promise<void> {
  const over = new AbortController()
  const waiting = (async () => {
    while (!over.signal.aborted && !isOpen(job)) await sleep(io.clock, OPEN_POLL_MS, over.signal)
    if (!isOpen(job)) return
    await rememberRun(io, target, mode).catch((error: unknown) => {
      log.warn({ stateDir: target.stateDir }, `cannot write run.json: ${reasonOf(error)}`)
    })
  })()
  return async () => {
    over.abort()
    await waiting
  }
}

const OPEN_POLL_MS = 20
const OPEN_STATES: ReadonlySet<string> = new Set(['running', 'draining', 'stopped', 'finished'])
const isOpen = (job: RunningJob): boolean => OPEN_STATES.has(job.progress().state)

function say(io: CliIo, text: string): void {
  if (io.liveLine === undefined) io.err(`${text}\n`)
  else io.liveLine.above(text)
}
