import type { Logger } from 'pino'
import type { Clock } from '../time/clock.ts'

/** What a run is made with, beside its manifest and its job. */
export interface RunContext {
  readonly mode: 'live' | 'batch'
  readonly overwrite: boolean
  readonly clock: Clock
  /** Aborted when the job is to stop: nothing is waited for any more that is away. */
  readonly stop: AbortSignal
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
}
