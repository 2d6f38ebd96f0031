/** Shows how far a job has come: one live line on a terminal, plain lines elsewhere. */
import type { JobProgress } from './running-job.ts'
import { counted, grouped, lasted, perSecond } from './figures.ts'
import type { CliIo } from './io.ts'

const LIVE_EVERY_MS = 100
const PLAIN_EVERY_MS = 1_000
const BAR_CELLS = 30

/** Writes progress until the returned function is called, which takes the live line away. */
export function showProgress(io: CliIo, job: string, progress: () => JobProgress): () => void {
  const everyMs = io.liveLine === undefined ? PLAIN_EVERY_MS : LIVE_EVERY_MS
  let last = { records: progress().recordsRead, atMs: io.clock.monotonic() }
  // Nothing is said of a rate before there is a second to take it over.
  let rate = ''
  const timeLeft = new TimeLeft()
  let written = ''
  let cancel = io.clock.after(everyMs, tick)

  function tick(): void {
    const now = progress()
    const atMs = io.clock.monotonic()
    if (atMs - last.atMs >= PLAIN_EVERY_MS) {
      rate = perSecond(now.recordsRead - last.records, atMs - last.atMs)
      last = { records: now.recordsRead, atMs }
    }
    const left = timeLeft.at(now.share, atMs)
    const line = progressLine(job, now, left === '' ? [rate] : [rate, left])
    if (io.liveLine !== undefined) io.liveLine.update(line)
    // A quiet job stays quiet: a line is written when something other than the rate changed.
    else if (progressLine(job, now) !== written) io.err(`${line}\n`)
    written = progressLine(job, now)
    cancel = io.clock.after(everyMs, tick)
  }

  return () => {
    cancel()
    io.liveLine?.clear()
  }
}

/** How long a bounded reading will still take, if it goes on as it went since it was first looked at. */
class TimeLeft {
  #first: { readonly share: number; readonly atMs: number } | undefined

  /** @returns '' while that cannot be told. */
  at(share: number | undefined, atMs: number): string {
    if (share === undefined || share === 1) this.#first = undefined
    else this.#first ??= { share, atMs }
    if (share === undefined || this.#first === undefined) return ''
    const [gained, tookMs] = [share - this.#first.share, atMs - this.#first.atMs]
    if (gained <= 0 || tookMs < PLAIN_EVERY_MS) return ''
    return `${lasted((tookMs * (1 - share)) / gained)} left`
  }
}

/** One line: the bar or the job's state, and the figures; `pace` are those that change with the clock alone. */
export function progressLine(
  job: string,
  progress: JobProgress,
  pace: readonly string[] = [],
): string {
  const { records, late, deadLettered } = progress
  const figures = [counted(records, 'record'), ...pace, `${grouped(late)} late`]
  figures.push(counted(deadLettered, 'dead letter'))
  return ` ${[job, ...howFar(progress), ...figures].filter((part) => part !== '').join('   ')}`
}

/** A bar with its percentage where the end is known; the state of the job where it is not running. */
function howFar({ share, state, restarts }: JobProgress): string[] {
  if (state === 'backingOff') return [`waiting before attempt ${restarts + 1}`]
  if (state === 'restoring' || state === 'draining' || state === 'failed') return [state]
  if (share === undefined) return state === 'running' ? [] : [state]
  const shown = state === 'finished' ? 1 : share
  return [barOf(shown), `${String(Math.floor(shown * 100)).padStart(3)} %`]
}

function barOf(share: number): string {
  const full = Math.round(share * BAR_CELLS)
  return '━'.repeat(full) + '─'.repeat(BAR_CELLS - full)
}
