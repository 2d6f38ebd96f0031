/** What a task knows about itself, in its store: whose state this is, and where the last epoch ended. */
import { StateError } from '../errors.ts'
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
}

export interface OperatorRow {
  readonly number: number
  readonly version: number
  /** Cell names and kinds, in order: `windows:map`. */
  readonly cells: readonly string[]
}

export interface InputRow extends InputTimeRow {
  readonly position: InputPosition
  /** Records taken in since the state was created. */
  readonly records: number
  readonly status?: InputStatus
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
  readonly counters: Counters
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

/** What a job's graph asks of its state. */
export interface Shape {
  readonly job: string
  readonly operators: Readonly<Record<string, Omit<OperatorRow, 'number'>>>
  readonly destinations: readonly string[]
  readonly sources: readonly string[]
}

/**
 * The job row for a shape: the stored one with what is new, or a fresh one.
 * @throws StateError when the state is of another job, or of another shape; nothing was changed.
 */
export function reconcile(
  stored: JobRow | undefined,
  shape: Shape,
  fresh: { run: string; task: string; createdAt: number },
): JobRow {
  if (stored !== undefined) refuseOtherShape(stored, shape)
  const operators: Record<string, OperatorRow> = { ...stored?.operators }
  let operatorCount = Math.max(-1, ...Object.values(operators).map(({ number }) => number)) + 1
  for (const [name, row] of Object.entries(shape.operators)) {
    operators[name] ??= { ...row, number: operatorCount++ }
  }
  const destinations: Record<string, number> = { ...stored?.destinations }
  let destinationCount = Math.max(-1, ...Object.values(destinations)) + 1
  for (const name of shape.destinations) destinations[name] ??= destinationCount++
  return {
    job: shape.job,
    task: stored?.task ?? fresh.task,
    run: stored?.run ?? fresh.run,
    createdAt: stored?.createdAt ?? fresh.createdAt,
    operators,
    destinations,
    sources: shape.sources,
  }
}

/** @throws StateError with every difference when a state is of another job, or of another shape. */
export function refuseOtherShape(
  stored: Omit<JobRow, 'task' | 'run' | 'createdAt'>,
  shape: Shape,
): void {
  if (stored.job !== shape.job) {
    throw new StateError(
      `this state is of the job '${stored.job}', not of '${shape.job}'. Name another folder with --state.`,
    )
  }
  const differences: string[] = []
  for (const [name, row] of Object.entries(stored.operators)) {
    const now = shape.operators[name]
    if (now === undefined) differences.push(`operator '${name}' is in the state and not in the job`)
    else if (now.version !== row.version) {
      differences.push(
        `operator '${name}' has version ${row.version} in the state and ${now.version} in the job`,
      )
    } else if (now.cells.join() !== row.cells.join()) {
      differences.push(
        `operator '${name}' keeps [${row.cells.join(', ')}] in the state and [${now.cells.join(', ')}] in the job`,
      )
    }
  }
  for (const name of stored.sources) {
    if (!shape.sources.includes(name))
      differences.push(`source '${name}' is in the state and not in the job`)
  }
  for (const name of Object.keys(stored.destinations)) {
    if (!shape.destinations.includes(name))
      differences.push(`sink '${name}' is in the state and not in the job`)
  }
  if (differences.length > 0) {
    throw new StateError(
      `this state is of another shape of the job '${shape.job}': ${differences.join('; ')}. Nothing was changed. Run the job as it was, or start afresh with another --state.`,
    )
  }
}
