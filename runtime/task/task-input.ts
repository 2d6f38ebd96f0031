/** What a task needs of whatever gives it records: an input of a source, or another task. */
import type { Timestamp } from '../../operators/time.ts'
import type { Push } from '../../operators/operator.ts'
import type { InputPosition } from '../source/source.ts'
import type { Alignment, InputWatermark } from '../time/event-time.ts'
import type { LatenessRow } from '../time/lateness.ts'
import type { StatusNotes } from './input-status.ts'
import type { InputRow } from './meta.ts'

/** A record as it came, for those who set it aside. */
export interface CurrentRecord {
  readonly batch: {
    /** Names the place of the record at an index for people. */
    placeOf(index: number): string
    bytesOf(index: number): Uint8Array
  }
  readonly index: number
}

export interface TaskInput {
  /** Name of the source, or of the exchange. */
  readonly source: string
  /** sources: from outside, counted as the job's records; tasks: from other tasks of the job. */
  readonly from: 'sources' | 'tasks'
  readonly input: {
    /** Its position is stored under it. */
    readonly id: string
    readonly hasBacklog?: boolean
    /** Messages that are there and were not read, as far as that is known. */
    readonly lag?: number | undefined
    /** Its end is where a live run takes over. */
    readonly goesOn?: boolean
    /** Refuses what asks for something else than was read to its end. */
    checkFinished?(position: InputPosition): void
    close(): Promise<void>
  }
  readonly watermark: InputWatermark
  /** For people who ask why time stands where it stands. */
  readonly status: StatusNotes
  /** All of it is read before inputs for which this is not so. */
  readonly comesFirst: boolean
  readonly idleAfterMs: number
  readonly whenIdle: 'exclude' | 'advance'
  readonly alignment: Alignment | undefined
  /** Since when nothing has come, by the clock's monotonic time; see Inputs. */
  silentSince: number
  readonly isOpen: boolean
  /** Whether a record of this input is being worked on right now. */
  readonly isRunning: boolean
  /** The record being worked on, if one is. */
  readonly current: CurrentRecord | undefined
  /** Whether a batch is half taken: there is no position for its middle, so nothing commits now. */
  readonly isMidBatch: boolean
  /** The input has said that it is over. */
  readonly ended: boolean
  /** … and its end is in its watermark. */
  readonly isFinished: boolean
  /** Whether it ends some day. */
  readonly isBounded: boolean
  /** Records taken in by this run. */
  readonly records: number
  /** How late its records have come since the state was created, and how many there were. */
  readonly lateness: { readonly records: number; readonly row: LatenessRow | undefined }
  /** What the next commit remembers: the place behind the last whole batch. */
  readonly row: InputRow

  /** Says where the values enter the chain. */
  connect(push: Push): void
  /** Takes up the time of the last commit; before `open`. */
  restoreTime(row: InputRow | undefined): void
  open(row: InputRow | undefined): Promise<void>
  /** Asks to be told when it has something; asks once until it has. */
  wait(): void
  /**
   * Takes one batch, or goes on with one. 'more': the rest of it waits for timers to fire.
   * @throws what is wrong with the input.
   */
  take(): 'taken' | 'more' | 'nothing'
  /** Lets the source's own watermarks have their say from time to time. */
  onPeriod(now: Timestamp): void
  /** Told that a position is durable: what lies before it is never asked for again. */
  onDurable(position: InputPosition): void
}
