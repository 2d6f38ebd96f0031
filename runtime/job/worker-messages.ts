/** What a job's process and the processes of its tasks say to each other. Structured clones: Maps and ±∞ arrive. */
import type { ResolvedManifest } from '../../config/manifest.ts'
import type { LinkName } from '../task/layout.ts'
import type { CommitTiming } from '../task/task-parts.ts'
import type { TaskEnd } from '../task/task.ts'
import type { TaskFacts } from './task-facts.ts'

/** How far the rows on a link are durable, and where they are. */
export interface Announcement {
  readonly link: LinkName
  /** Number of the last frame that may be read. */
  readonly number: number
  /** Number of the destination in the sender's store. */
  readonly destination: number
}

export type ToWorker =
  | {
      readonly kind: 'start'
      readonly manifest: ResolvedManifest
      readonly stateDir: string
      readonly mode: 'live' | 'batch'
      readonly overwrite: boolean
      /** The tasks that this process runs. */
      readonly tasks: readonly string[]
      /** What is known of links with tasks of other processes. */
      readonly announced: readonly Announcement[]
      readonly passed: readonly Passed[]
    }
  | { readonly kind: 'announced'; readonly announcement: Announcement }
  | { readonly kind: 'passed'; readonly passed: Passed }
  /** pause: reads sources no further; stop: finishes the epochs, and ends. */
  | { readonly kind: 'pause' | 'stop' }
  | { readonly kind: 'hold' | 'release'; readonly id: number }
  /** Ends the epoch; answered when one is durable that is at least this one. */
  | { readonly kind: 'cut'; readonly id: number; readonly task: string; readonly epoch: number }

/** How far the reader of a link has durably come. */
export interface Passed {
  readonly link: LinkName
  readonly number: number
}

export type LogLevel = 'info' | 'warn' | 'error'

export type FromWorker =
  | { readonly kind: 'announced'; readonly announcement: Announcement }
  | { readonly kind: 'passed'; readonly passed: Passed }
  | { readonly kind: 'facts'; readonly facts: readonly TaskFacts[] }
  /** The commits since the last such message, for a job with metrics. */
  | { readonly kind: 'committed'; readonly timings: readonly CommitTiming[] }
  | {
      readonly kind: 'log'
      readonly level: LogLevel
      readonly fields: object
      readonly line: string
    }
  | { readonly kind: 'answer'; readonly id: number; readonly failure?: WorkerFailure }
  | { readonly kind: 'ended'; readonly task: string; readonly end: TaskEnd }
  | { readonly kind: 'failed'; readonly failure: WorkerFailure }
  /** Nothing more comes: all its tasks have ended. */
  | { readonly kind: 'done' }

/** An error on its way between processes. */
export interface WorkerFailure {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly operator?: string
  readonly key?: string | undefined
  readonly position?: string | undefined
}
