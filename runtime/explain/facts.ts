/** What is known of a window and of the time it waits for, as a job's last commit has it. */
import type { Key, TimerClock } from '../../operators/operator.ts'
import type { Milliseconds, Timestamp } from '../../operators/time.ts'
import type { InputStatus } from '../task/input-status.ts'
import type { Alignment } from '../time/event-time.ts'

export interface Facts {
  readonly job: string
  readonly operator: string
  readonly key: Key
  /** The time that was asked about. */
  readonly time: Timestamp
  /** The clock. */
  readonly now: Timestamp
  readonly isRunning: boolean
  /** All inputs have ended, and every result was made. */
  readonly isFinished: boolean
  readonly epoch: number
  readonly committedAt: Timestamp
  readonly windows: WindowsFacts
  /** How far time has come for the operator. */
  readonly reached: TimeFacts
  /** All inputs of the job. */
  readonly inputs: readonly InputFacts[]
  /** Undefined where no window holds the time. */
  readonly window: WindowFacts | undefined
  /** How many windows hold the time; the one above is the first that time has not passed. */
  readonly windowCount: number
  readonly keyFacts: KeyFacts
  /** Labels of what records pass between the sources and the operator. */
  readonly steps: readonly string[]
  /** Records of the whole job that came too late. */
  readonly lateRecords: number
}

/** The windows of an operator. */
export interface WindowsFacts {
  readonly label: string
  readonly kind: 'tumbling' | 'sliding' | 'session' | 'global' | 'count' | 'calendar'
  readonly clock: TimerClock
  readonly latenessMs: Milliseconds
  /** What makes them fire: their end, a trigger of the job's, a number of records, or nothing at all. */
  readonly fires: 'at end' | 'by trigger' | 'by count' | 'never'
  /** The trigger's label. */
  readonly trigger: string | undefined
  /** Of count windows: after how many records. */
  readonly count: number | undefined
}

/** One window of the key. */
export interface WindowFacts {
  readonly start: Timestamp
  readonly end: Timestamp
  /** Whether the state has anything of it. */
  readonly isOpen: boolean
  /** How many records it holds, where they are counted. */
  readonly records: number | undefined
  /** Its accumulator, or its records; several, of a window that is put together of slices. */
  readonly contents: unknown
  /** How many results it has given, where they are counted. */
  readonly results: number | undefined
  /** Its trigger is over. */
  readonly isDone: boolean
  /** The times for which it waits. */
  readonly wakeTimes: readonly WakeTime[]
}

export interface WakeTime {
  readonly time: Timestamp
  readonly clock: TimerClock
}

/** What else the operator has. */
export interface KeyFacts {
  /** Whether the state has anything of the key. */
  readonly isKnown: boolean
  /** Whether the operator has any key. */
  readonly hasOthers: boolean
  /** Windows of the key that are open, the nearest first; at most a few. */
  readonly nearest: readonly { readonly start: Timestamp; readonly end: Timestamp }[]
}

/** How far time has come at a place of the graph, and what it follows from. */
export type TimeFacts = InputFacts | OperatorTimeFacts | MinimumFacts

interface Reached {
  readonly watermark: Timestamp
  /** Silent for so long that it holds nobody back. */
  readonly isIdle: boolean
}

export interface OperatorTimeFacts extends Reached {
  readonly kind: 'operator'
  readonly name: string
  readonly label: string
  readonly holdBackMs: Milliseconds
  readonly from: TimeFacts
}

export interface MinimumFacts extends Reached {
  readonly kind: 'minimum'
  readonly of: readonly TimeFacts[]
}

/** One input (partition) of a source. */
export interface InputFacts extends Reached {
  readonly kind: 'input'
  readonly id: string
  readonly source: string
  readonly maxTime: Timestamp
  readonly records: number
  readonly hasEnded: boolean
  readonly status: InputStatus
  /** How long nothing has come though it was listened to, by the clock; undefined where that is not known. */
  readonly silentMs: Milliseconds | undefined
  /** Where the next commit would go on reading, for people: `ratings.csv:17`. */
  readonly position: string | undefined
  readonly settings: InputSettings
  /** The bound that 99.9 % of its records would have kept. */
  readonly keeping999Ms: Milliseconds
}

export interface InputSettings {
  /** False: it tells no time before its end. */
  readonly progressive: boolean
  /** Its watermarks are the job's own. */
  readonly ownWatermarks: boolean
  readonly outOfOrderMs: Milliseconds
  readonly idleAfterMs: Milliseconds
  readonly whenIdle: 'exclude' | 'advance'
  readonly alignment: Alignment | undefined
}
