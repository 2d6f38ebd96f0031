/**
 * One life of a job, in a process of its own: it runs until the job ends, until it is told to stop,
 * or until it kills itself at a moment of the commit protocol. Started by life.ts from what the build
 * made of it: a life that dies young should also start fast.
 */
import demo from '../../jobs/demo.ts'
import latestRating from '../../jobs/latest-rating.ts'
import { loadManifest } from '../../config/load-manifest.ts'
import { exitCodeOf } from '../../runtime/cli/exit-codes.ts'
import { reasonOf } from '../../runtime/errors.ts'
import { startJob } from '../../runtime/job/run-job.ts'
import type { JobDefinition } from '../../runtime/pipeline/job.ts'
import type { Moment } from '../../runtime/task/task-parts.ts'
import { windowJob } from '../cases/case-job.ts'
import type { LifeArguments, LifeReport } from './life.ts'

const options = JSON.parse(process.argv[2] ?? '') as LifeArguments

function definitionOf({ job, windowCase }: LifeArguments): JobDefinition {
  if (job === 'demo') return demo
  if (job === 'latest-rating') return latestRating
  if (windowCase === undefined) throw new Error("a life of the job 'case' is given its windowCase")
  return windowJob(windowCase, 'aggregate')
}

function report(line: LifeReport): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** A moment that the life's end is bound to, and the first flush, from which on it counts as running. */
function watch(): (moment: Moment) => void {
  let occurrences = 0
  let flushes = 0
  return (moment) => {
    const { killAt } = options
    if (moment === killAt?.moment && ++occurrences === killAt.occurrence) {
      process.kill(process.pid, 'SIGKILL')
    }
    // The first two commits are the opening's.
    if (moment === 'flushed' && ++flushes === 2) report({ kind: 'open' })
  }
}

const tell = (_fields: unknown, message?: string): void =>
  report({ kind: 'log', message: message ?? '' })

try {
  const { manifest } = await loadManifest(options.manifest, { env: {}, set: options.set })
  const running = startJob({
    manifest,
    definition: definitionOf(options),
    stateDir: options.stateDir,
    mode: options.mode,
    overwrite: false,
    log: { info: tell, warn: tell, error: tell },
    onMoment: watch(),
  })
  process.once('SIGTERM', () => running.stop())
  const { records, results, deadLettered, late, finished } = await running.done
  report({ kind: 'end', records, results, deadLettered, late, finished })
  process.exit(0)
} catch (error) {
  report({
    kind: 'error',
    name: error instanceof Error ? error.name : '',
    message: reasonOf(error),
  })
  process.exit(exitCodeOf(error))
}
