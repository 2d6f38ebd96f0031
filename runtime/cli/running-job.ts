/** STUB until runtime/job/run-job.ts is there. */
import type { Logger } from 'pino'
import type { ResolvedManifest } from '../../config/manifest.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import type { Clock } from '../time/clock.ts'

export interface RunOptions {
  readonly manifest: ResolvedManifest
  readonly definition: JobDefinition
  readonly stateDir: string
  readonly mode: 'live' | 'batch'
  readonly overwrite: boolean
  readonly log: Logger
  readonly clock?: Clock
}
export interface JobProgress {
  records: number
  results: number
  late: number
  deadLettered: number
  windows: number
  epoch: number
  watermark: number
  bytesRead: number
  bytesTotal: number | undefined
  state: 'restoring' | 'running' | 'draining' | 'backingOff' | 'stopped' | 'finished' | 'failed'
  restarts: number
}
export interface JobSummary extends JobProgress {
  elapsedMs: number
  outputs: { sink: string; where: string; records: number }[]
  deadLetterWhere: string | undefined
  stateDir: string
  finished: boolean
  alreadyFinished: boolean
}
export interface RunningJob {
  readonly done: Promise<JobSummary>
  progress(): JobProgress
  stop(): void
  kill(): void
}
