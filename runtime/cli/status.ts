/** `millrace status` and `millrace ls`: how jobs stand, running or not. */
import { resolve } from 'node:path'
import {
  isReportOfRun,
  type JobStatus,
  listJobs,
  statusOf,
  type StoppedReport,
} from '../job/job-status.ts'
import type { JobReport } from '../metrics/job-report.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { bytesText, counted, grouped, lasted, typedPath } from './figures.ts'
import type { CliIo } from './io.ts'
import { stateDirOf, type TargetFlags } from './target.ts'

export interface StatusFlags extends TargetFlags {
  readonly json?: boolean
}

/** Prints how a job stands. @throws StateError without a state. */
export async function status(io: CliIo, path: string, flags: StatusFlags): Promise<ExitCode> {
  const stateDir = await stateDirOf(io, path, flags)
  const found = await statusOf(stateDir)
  const text = flags.json === true ? JSON.stringify(found, undefined, 2) : textOf(found, io)
  io.out(`${text}\n`)
  return EXIT.ok
}

/** Lists the jobs whose states are in a folder. */
export async function ls(
  io: CliIo,
  folder: string,
  flags: { readonly json?: boolean },
): Promise<ExitCode> {
  const jobs = await listJobs(resolve(io.workingDir, folder))
  if (flags.json === true) {
    for (const job of jobs) io.out(`${JSON.stringify(job)}\n`)
    return EXIT.ok
  }
  if (jobs.length === 0) io.err(`there is no state of a job in ${folder}\n`)
  for (const { stateDir, status: found } of jobs) {
    const where = typedPath(stateDir, io.workingDir)
    io.out('problem' in found ? `${where}  ${found.problem}\n` : `${headOf(found)}  ${where}\n`)
  }
  return EXIT.ok
}

/** Name, state, epoch and counts on one line. */
function headOf(found: JobStatus): string {
  const { job, state, epoch, records, late, deadLettered } = found
  const mode = isReportOfRun(found) ? ` ${found.mode}` : ''
  return [
    `${job}  ${state}${mode}`,
    `epoch ${grouped(epoch)}`,
    counted(records, 'record'),
    `${grouped(late)} late`,
    counted(deadLettered, 'dead letter'),
  ].join('  ')
}

function textOf(found: JobStatus, io: CliIo): string {
  const now = io.clock.now()
  const lines = isReportOfRun(found) ? runningLines(found, now) : stoppedLines(found, now)
  return [headOf(found), ...lines].join('\n')
}

function runningLines(report: JobReport, now: number): string[] {
  const { commits, snapshots, restarts, watermark, windows } = report
  const { last, lastFailure, failures } = snapshots
  return [
    ` watermark ${timeText(watermark)}  ${counted(windows, 'window')}  ${counted(restarts, 'restart')}`,
    ...report.inputs.map(
      ({ input, records, watermark: own, watermarkLagMs, lagMessages, idle, waitsFor }) =>
        ` input ${input}  ${[
          counted(records, 'record'),
          `watermark ${timeText(own)}`,
          ...(watermarkLagMs === null ? [] : [`${lasted(watermarkLagMs)} behind the clock`]),
          ...(lagMessages === null ? [] : [`${counted(lagMessages, 'message')} to read`]),
          ...(idle ? ['idle'] : []),
          ...(waitsFor === undefined ? [] : [`waits for ${waitsFor}`]),
        ].join('  ')}`,
    ),
    ...report.operators.map(
      ({ operator, cachedKeys, fired, late }) =>
        ` operator ${operator}  ${counted(cachedKeys, 'key')} in memory  ${grouped(fired)} fired  ${grouped(late)} late`,
    ),
    ...report.outputs.map(
      ({ sink, results, waiting, waitingBytes }) =>
        ` sink ${sink}  ${counted(results, 'result')}  ${grouped(waiting)} waiting (${bytesText(waitingBytes)})`,
    ),
    ` commits ${grouped(commits.commits)}  last ${msText(commits.lastCommitMs)}  mean ${msText(commits.meanCommitMs)}  longest ${msText(commits.longestCommitMs)}  last epoch open ${msText(commits.lastEpochMs)}`,
    ...(last === undefined
      ? []
      : [
          ` snapshot ${last.id}  ${bytesText(last.bytes)}  ${lasted(Math.max(0, now - last.createdAt))} ago`,
        ]),
    ...(lastFailure === undefined
      ? []
      : [` the last ${counted(failures, 'snapshot')} failed: ${lastFailure}`]),
  ]
}

function stoppedLines({ committedAt, inputs, windows }: StoppedReport, now: number): string[] {
  return [
    ` last commit ${timeText(committedAt)} (${lasted(Math.max(0, now - committedAt))} ago)  ${counted(windows, 'window')}`,
    ...inputs.map(
      ({ input, records, watermark }) =>
        ` input ${input}  ${counted(records, 'record')}  watermark ${timeText(watermark)}`,
    ),
  ]
}

const msText = (ms: number): string => `${ms.toFixed(1)} ms`

function timeText(time: number | null): string {
  if (time === null) return 'none'
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? `${time} ms` : date.toISOString()
}
