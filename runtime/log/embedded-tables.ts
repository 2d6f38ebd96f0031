/** What an embedded log keeps in its rows: streams, partitions, producers' numbers, runs of messages. */
import { ConfigError, DataLossError, invariant, reasonOf } from '../errors.ts'
import type { Retention } from './appendable-log.ts'
import {
  partitionKey,
  producerKey,
  rowRange,
  streamKey,
  streamOfKey,
  streamRange,
} from './embedded-keys.ts'
import type { EnvironmentRow, Rows, WritableRows } from './lmdb-environment.ts'
import { rowCorrupt } from './log-loss.ts'
import { decodeRow, type MessageRun, seal, unseal } from './log-row.ts'

/** A stream as its catalogue row says. */
export interface StreamEntry {
  /** Under which its rows are stored; never used again. */
  readonly number: number
  readonly created: string
  readonly partitions: number
  readonly retention?: Retention
}

/** What is kept of a partition besides its rows. */
export interface PartitionEntry {
  readonly first: number
  readonly last: number
  /** Size of its rows. */
  readonly bytes: number
  /** Time of its oldest row, and of its newest: times of a partition never go back. */
  readonly oldestTime: number
  readonly newestTime: number
}

const EMPTY: PartitionEntry = { first: 1, last: 0, bytes: 0, oldestTime: 0, newestTime: 0 }

export const placeOf = (stream: string, partition: number): string => `${stream}/${partition}`

export function findStream(rows: Rows, stream: string): StreamEntry | undefined {
  const key = streamKey(stream)
  const value = rows.get(key)
  if (value === undefined) return undefined
  return JSON.parse(checked(stream, key, value).toString('utf8')) as StreamEntry
}

export function putStream(rows: WritableRows, stream: string, entry: StreamEntry): void {
  const key = streamKey(stream)
  rows.put(key, seal(key, Buffer.from(JSON.stringify(entry))))
}

/** @throws ConfigError when there is no such stream or partition. */
export function streamOf(rows: Rows, folder: string, stream: string, partition = 0): StreamEntry {
  const entry = findStream(rows, stream)
  if (entry === undefined) {
    const names = Array.from(rows.range(streamRange, 20), ({ key }) => streamOfKey(key))
    const there = names.length === 0 ? 'no stream' : names.join(', ')
    throw new ConfigError(
      `there is no stream '${stream}' in the log folder ${folder}, which holds ${there}; create it, or correct the name`,
    )
  }
  if (!Number.isInteger(partition) || partition < 0 || partition >= entry.partitions) {
    throw new ConfigError(
      `stream '${stream}' has partitions 0 to ${entry.partitions - 1}, and no ${partition}`,
    )
  }
  return entry
}

export function partitionOf(rows: Rows, stream: StreamEntry, partition: number): PartitionEntry {
  const key = partitionKey(stream.number, partition)
  const value = rows.get(key)
  if (value === undefined) return EMPTY
  const bytes = checked(`partition ${partition}`, key, value)
  const [first = 0, last = 0, size = 0, oldestTime = 0, newestTime = 0] = [0, 8, 16, 24, 32].map(
    (at) => bytes.readDoubleLE(at),
  )
  return { first, last, bytes: size, oldestTime, newestTime }
}

export function putPartition(
  rows: WritableRows,
  stream: StreamEntry,
  partition: number,
  entry: PartitionEntry,
): void {
  const key = partitionKey(stream.number, partition)
  const { first, last, bytes, oldestTime, newestTime } = entry
  const value = Float64Array.of(first, last, bytes, oldestTime, newestTime)
  rows.put(key, seal(key, new Uint8Array(value.buffer)))
}

/** Number of the last message taken from a producer; 0 when none was. */
export function producerNumberOf(
  rows: Rows,
  stream: StreamEntry,
  partition: number,
  producerId: string,
): number {
  const key = producerKey(stream.number, partition, producerId)
  const value = rows.get(key)
  return value === undefined ? 0 : checked(`producer ${producerId}`, key, value).readDoubleLE(0)
}

/** The run in a stored row. @throws DataLossError when it is corrupt. */
export function runOf(place: string, { key, value }: EnvironmentRow): MessageRun {
  const lastSequence = sequenceOfKey(key)
  let run: MessageRun
  try {
    run = decodeRow(key, value)
  } catch (error) {
    throw rowCorrupt(place, lastSequence, reasonOf(error))
  }
  invariant(run.first + run.count - 1 === lastSequence, 'a row lies under its last sequence')
  return run
}

/** The run that holds a sequence, or undefined. */
export function runAt(
  rows: Rows,
  stream: StreamEntry,
  partition: number,
  { place, sequence }: { readonly place: string; readonly sequence: number },
): MessageRun | undefined {
  for (const row of rows.range(rowRange(stream.number, partition, sequence), 1)) {
    const run = runOf(place, row)
    return run.first <= sequence ? run : undefined
  }
  return undefined
}

/** The last sequence of the row that lies under a key. */
export function sequenceOfKey(key: Uint8Array): number {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength)
  return bytes.readUInt32BE(9) * 0x1_0000_0000 + bytes.readUInt32BE(13)
}

function checked(what: string, key: Uint8Array, value: Uint8Array): Buffer {
  try {
    return unseal(key, value)
  } catch (error) {
    throw new DataLossError(
      `the log's row of ${what} is corrupt: ${reasonOf(error)}. Check the disk, and restore the log from a copy.`,
    )
  }
}
