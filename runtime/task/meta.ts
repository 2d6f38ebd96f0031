/** What a task knows about itself, in its store: whose state this is, and where the last epoch ended. */
import type { InputPosition } from '../source/source.ts'
import type { Taken } from '../sink/sink.ts'
import { decodeRow, encodeRow } from '../state/row-codec.ts'
import type { StoreReader, StoreWriter } from '../state/store.ts'
import type { InputTimeRow } from '../time/event-time.ts'
import type { InputStatus } from './input-status.ts'
import type { Timestamp } from '../../operators/time.ts'

/** Written when the state is created and when operators are added. */
export interface JobRow {
  readonly job: string
  readonly task: string
  /** Drawn when the state is created: results of another life of the job are never taken for ours. */
  readonly run: string
  readonly createdAt: number
  /** Number of each operator in row keys. */
  readonly operators: Readonly<Record<string, OperatorRow>>
  /** Number of each destination in outbox keys. */
  readonly destinations: Readonly<Record<string, number>>
  /** Names of the sources. */
  readonly sources: readonly string[]
  /** Numbers of operators and destinations that are no longer wanted, and whose rows are being removed. */
  readonly dropped?: DroppedNumbers
  /** Where several tasks run the job: which of them this is. */
  readonly place?: PlaceRow
}

export interface PlaceRow {
  readonly parallelism: number
  readonly stage: string
  /** Its number among the tasks of its stage, and how many those are. */
  readonly partition: number
  readonly tasks: number
}

export interface DroppedNumbers {
  readonly operators: readonly number[]
  readonly destinations: readonly number[]
}

export interface OperatorRow {
  readonly number: number
  readonly version: number
  /** Cell names and kinds, in order: `windows:map`. */
  readonly cells: readonly string[]
  /** What else its rows are made for: windows and aggregates of a kind. */
  readonly layout?: string
  /** Shapes that rows of earlier epochs still have, the oldest first. */
  readonly earlier?: readonly EarlierShape[]
}

export interface EarlierShape {
  readonly version: number
  readonly cells: readonly string[]
  /** The last epoch that wrote rows of this shape. */
  readonly until: number
}

/** The shape that a row of an epoch has; undefined: today's. */
export const earlierShapeAt = (
  { earlier = [] }: Pick<OperatorRow, 'earlier'>,
  epoch: number,
): EarlierShape | undefined => earlier.find(({ until }) => epoch <= until)

export interface InputRow extends InputTimeRow {
  readonly position: InputPosition
  /** Records taken in since the state was created. */
  readonly records: number
  readonly status?: InputStatus
  /** Nothing comes behind the position any more, as the task that sends has said. */
  readonly ended?: true
  /** It never ends, as the task that sends has said. */
  readonly unbounded?: true
  /** It has no news of time, as the task that sends has said, and does not say again. */
  readonly idle?: true
}

export interface Counters {
  readonly records: number
  readonly late: number
  readonly deadLettered: number
  readonly windows: number
}

/** The end of an epoch: everything that must be known to go on behind it. */
export interface EpochRow {
  readonly epoch: number
  /** How often this state was opened; an opening is committed before anything leaves. */
  readonly openings: number
  readonly inputs: Readonly<Record<string, InputRow>>
  readonly sinks: Readonly<Record<string, Taken>>
  /** How far time had come where the inputs alone do not say it; see TimePlaces (I5). */
  readonly times?: Readonly<Record<string, Timestamp>>
  /** Processing time of the epoch's end. */
  readonly clock: Timestamp
  /** A bounded input's end was reached and every result was made. */
  readonly finished: boolean
  /** A batch was read to its end and is followed live: whatever opens this state next reads on live. */
  readonly live?: true
  readonly counters: Counters
}

/** What a run of a job is asked to do. */
export interface RunMode {
  readonly mode: 'live' | 'batch'
  /** What follows a batch; default: nothing. */
  readonly followedBy?: 'live' | undefined
}

/** How a state is to be read now: a batch that live follows is over once the state says so. */
export function phaseOf(
  last: EpochRow | undefined,
  { mode, followedBy }: RunMode,
): 'live' | 'batch' {
  return mode === 'batch' && followedBy === 'live' && last?.live === true ? 'live' : mode
}

const JOB_KEY = Buffer.from('job')
const EPOCH_KEY = Buffer.from('epoch')

export const NO_COUNTERS: Counters = { records: 0, late: 0, deadLettered: 0, windows: 0 }

export function readJobRow(store: StoreReader): JobRow | undefined {
  const bytes = store.get('meta', JOB_KEY)
  return bytes === undefined ? undefined : (decodeRow(bytes, 'the job row').value as JobRow)
}

export function writeJobRow(writer: StoreWriter, row: JobRow, epoch: number): void {
  writer.put('meta', JOB_KEY, encodeRow(row, epoch))
}

export function readEpochRow(store: StoreReader): EpochRow | undefined {
  const bytes = store.get('meta', EPOCH_KEY)
  return bytes === undefined ? undefined : (decodeRow(bytes, 'the epoch row').value as EpochRow)
}

/** Epoch rows are kept for this many epochs, so that history can be offered. */
const EPOCHS_KEPT = 1_000

export function writeEpochRow(writer: StoreWriter, row: EpochRow): void {
  const bytes = encodeRow(row, row.epoch)
  writer.put('meta', EPOCH_KEY, bytes)
  writer.put('epochs', epochKey(row.epoch), bytes)
  if (row.epoch > EPOCHS_KEPT) writer.remove('epochs', epochKey(row.epoch - EPOCHS_KEPT))
}

function epochKey(epoch: number): Uint8Array {
  const key = Buffer.allocUnsafe(6)
  key.writeUIntBE(epoch, 0, 6)
  return key
}
