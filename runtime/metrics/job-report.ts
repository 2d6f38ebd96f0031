/**
 * What a running job says about itself: for `millrace status`, for `/metrics`, for who looks after it.
 * Plain data that survives JSON: a time or a lag that nobody knows is null.
 */
import type { Timestamp } from '../../operators/time.ts'
import type { SnapshotStatus } from '../snapshot/snapshot-schedule.ts'
import type { LifeState } from '../task/lifecycle.ts'
import type { Task } from '../task/task.ts'
import type { CommitSummary } from './commit-times.ts'

export interface InputReport {
  readonly input: string
  readonly source: string
  /** Records taken in since the state was created. */
  readonly records: number
  /** Records set aside before they entered the pipeline, by reason. */
  readonly refused: Readonly<Record<string, number>>
  readonly watermark: Timestamp | null
  /** How far its watermark is behind the clock. */
  readonly watermarkLagMs: number | null
  /** Messages that are there and were not read, as far as the input knows. */
  readonly lagMessages: number | null
  readonly idle: boolean
  /** It is not read, for another input is waited for. */
  readonly waitsFor?: string
}

export interface OutputReport {
  readonly sink: string
  /** Results made since the state was created. */
  readonly results: number
  /** Of them, those that are not durably taken yet; and their bytes. */
  readonly waiting: number
  readonly waitingBytes: number
}

export interface OperatorReport {
  readonly operator: string
  /** Keys in memory: key actors, or slots of open windows. */
  readonly cachedKeys: number
  /** Windows and timers fired by this run. */
  readonly fired: number
  /** Late records of this run. */
  readonly late: number
}

export interface JobReport {
  readonly job: string
  readonly mode: 'live' | 'batch'
  readonly state: LifeState
  /** The newest durable epoch. */
  readonly epoch: number
  readonly watermark: Timestamp | null
  /** Counts since the state was created. */
  readonly records: number
  readonly results: number
  readonly late: number
  readonly deadLettered: number
  readonly windows: number
  /** Of this run. */
  readonly restarts: number
  readonly commits: CommitSummary
  readonly inputs: readonly InputReport[]
  readonly outputs: readonly OutputReport[]
  readonly operators: readonly OperatorReport[]
  readonly snapshots: SnapshotStatus
}

/** What one task adds to it. */
export type TaskReport = Pick<JobReport, 'inputs' | 'outputs' | 'operators'>

export const NO_TASK: TaskReport = { inputs: [], outputs: [], operators: [] }

/** @param now the clock's time, from which lags are measured. */
export function reportOfTask(task: Task, now: Timestamp): TaskReport {
  return {
    inputs: task.sources.map(({ input, source, watermark: { holder }, status, lateness }) => {
      const watermark = knownTime(holder.value)
      const { refused = {}, waitsFor } = status.row(holder.idle)
      return {
        input: input.id,
        source,
        records: lateness.records,
        refused: Object.fromEntries(
          Object.entries(refused).map(([reason, { records }]) => [reason, records]),
        ),
        watermark,
        watermarkLagMs: watermark === null ? null : Math.max(0, now - watermark),
        lagMessages: input.lag ?? null,
        idle: holder.idle,
        ...(waitsFor !== undefined && { waitsFor: waitsFor.input }),
      }
    }),
    outputs: task.outboxes.map(({ name, count, takenNumber, bytes }) => ({
      sink: name,
      results: count,
      waiting: count - takenNumber,
      waitingBytes: bytes,
    })),
    operators: task.hosts.map(({ name, cachedKeys, fired, lateCount }) => ({
      operator: name,
      cachedKeys,
      fired,
      late: lateCount,
    })),
  }
}

/** Before the first record, and behind the last, time is no time. */
export const knownTime = (time: Timestamp): Timestamp | null =>
  Number.isFinite(time) ? time : null
