/** Why a window has not fired: what a command prints, and `--json` gives. */
import type { Key } from '../../operators/operator.ts'
import type { Milliseconds, Timestamp } from '../../operators/time.ts'

/**
 * Where the window stands: it waits for time (or records); it is `due` and fires in a moment, or with
 * the next start; it has `fired`; it is `over` and takes no record any more; it is `empty`, nothing of
 * the key is in it; or it fires `never`.
 */
export type Verdict = 'waits' | 'due' | 'fired' | 'over' | 'empty' | 'never'

/** The one thing that would have to be different. */
export type Cause =
  // Nothing to fire:
  | 'no records'
  | 'records set aside'
  | 'between windows'
  // It has fired, or will not any more:
  | 'fired'
  | 'late'
  | 'time ahead of clock'
  | 'finished'
  | 'trigger over'
  // It does not wait for time:
  | 'never fires'
  | 'count'
  | 'trigger'
  // It waits for the clock, for the end, or for the job to run:
  | 'clock'
  | 'end of inputs'
  | 'commit'
  | 'start'
  // It waits for time, which is held back:
  | 'empty input'
  | 'silent input'
  | 'all idle'
  | 'bound'
  | 'own watermarks'
  | 'unordered'
  | 'alignment'
  | 'broadcast first'
  | 'hold-back'
  | 'upstream'
  | 'slow input'

export interface Finding {
  readonly verdict: Verdict
  readonly cause: Cause
  /** Which watermark (of windows of processing time, which clock) makes it fire. */
  readonly firesAt?: Timestamp
  /** The input that holds time back. */
  readonly holder?: string
  /** Why, as sentences. */
  readonly because: readonly string[]
  /** What can be done, as sentences. */
  readonly toDo: readonly string[]
}

export interface Explanation extends Finding {
  readonly job: string
  readonly operator: string
  readonly key: Key
  /** The time that was asked about. */
  readonly time: Timestamp
  readonly windows: string
  readonly window: ExplainedWindow | undefined
  /** How far time has come for the operator. */
  readonly watermark: Timestamp
  readonly epoch: number
  readonly committedAt: Timestamp
  readonly isRunning: boolean
  readonly inputs: readonly ExplainedInput[]
}

export interface ExplainedWindow {
  readonly start: Timestamp
  readonly end: Timestamp
  readonly records: number | undefined
  readonly contents: unknown
  readonly results: number | undefined
}

/** What an input has to do with it. */
export interface ExplainedInput {
  readonly input: string
  readonly position: string | undefined
  readonly state: 'read' | 'silent' | 'idle' | 'paused' | 'ended' | 'never read'
  readonly records: number
  readonly watermark: Timestamp
  readonly maxTime: Timestamp
  readonly lastTime: Timestamp | undefined
  /** When its newest batch came, by the clock. */
  readonly heardAt: Timestamp | undefined
  readonly silentMs: Milliseconds | undefined
  readonly idleAfterMs: Milliseconds
  readonly waitsFor: string | undefined
  readonly setAside: Readonly<Record<string, number>>
}
