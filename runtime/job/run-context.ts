import type { Clock } from '../time/clock.ts'

/** Says a line, with fields for machines. */
export type Say = (fields: object, line: string) => void

/** Where a run says what people should know. */
export interface RunLog {
  readonly info: Say
  readonly warn: Say
  readonly error: Say
}

/** What a run is made with, beside its manifest and its job. */
export interface RunContext {
  readonly mode: 'live' | 'batch'
  readonly overwrite: boolean
  readonly clock: Clock
  /** Aborted when the job is to stop: nothing is waited for any more that is away. */
  readonly stop: AbortSignal
  readonly log: RunLog
}
