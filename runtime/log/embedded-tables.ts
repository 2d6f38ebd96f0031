/** What an embedded log keeps in its rows, and how an append changes it inside a write transaction. */
import { ConfigError, DataLossError, invariant, reasonOf } from '../errors.ts'
import { type Append, type Appended, repeatsOf, type Retention } from './appendable-log.ts'
import {
  partitionKey,
  producerKey,
  rowKey,
  rowRange,
  streamKey,
  streamOfKey,
  streamRange,
} from './embedded-keys.ts'
import type { EnvironmentRow, Rows, WritableRows } from './lmdb-environment.ts'
import { rowCorrupt } from './log-loss.ts'
import { decodeRow, encodeRow, type MessageRun, rowCuts, seal, unseal } from './log-row.ts'

/** A stream as its catalogue row says. */
export interface StreamEntry {
  /** Under which its rows are stored; never used again. */
  readonly number: number
  readonly created: string
  readonly partitions: number
  readonly retention?: Retention
}

/** What is kept of a partition besides its rows. */
interface PartitionEntry {
  readonly first: number
  readonly last: number
  /** Size of its rows. */
  readonly bytes: number
  /** Time of its oldest row, and of its newest: times of a partition never go back. */
  readonly oldestTime: number
  readonly newestTime: number
}

const EMPTY: PartitionEntry = { first: 1, last: 0, bytes: 0, oldestTime: 0, newestTime: 0 }

/** Rows that one append removes at most, so that a transaction stays small. */
const REMOVED_ROWS_MAX = 1_000

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

function putPartition(
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

/** What an append needs to be decided before anything is written (E2). */
export interface PlannedAppend {
  readonly append: Append
  /** Messages at the front that were taken before. */
  readonly repeats: number
}

/** @throws DataLossError when a producer's number leaves a hole. */
export function planAppend(
  rows: Rows,
  { name, stream }: { readonly name: string; readonly stream: StreamEntry },
  append: Append,
): PlannedAppend {
  const { partition, producer } = append
  const lastNumber =
    producer === undefined ? 0 : producerNumberOf(rows, stream, partition, producer.id)
  return { append, repeats: repeatsOf(placeOf(name, partition), append, lastNumber) }
}

/** Writes an append: its rows, the producer's number, and what retention removes. */
export function writeAppend(
  rows: WritableRows,
  {
    name,
    stream,
    now,
  }: { readonly name: string; readonly stream: StreamEntry; readonly now: number },
  { append, repeats }: PlannedAppend,
): Appended {
  const { partition, producer, messages } = append
  let entry = partitionOf(rows, stream, partition)
  if (repeats === messages.length) return { last: entry.last }
  const fresh = messages.slice(repeats)
  entry = appendRows(rows, { stream, partition, now }, fresh, entry)
  if (producer !== undefined) {
    const key = producerKey(stream.number, partition, producer.id)
    const number = Float64Array.of(producer.firstNumber + messages.length - 1)
    rows.put(key, seal(key, new Uint8Array(number.buffer)))
  }
  entry = removeOldest(rows, { name, stream, partition, now }, entry)
  putPartition(rows, stream, partition, entry)
  return { last: entry.last }
}

function appendRows(
  rows: WritableRows,
  at: { readonly stream: StreamEntry; readonly partition: number; readonly now: number },
  messages: readonly Uint8Array[],
  entry: PartitionEntry,
): PartitionEntry {
  const time = Math.max(at.now, entry.newestTime)
  const wasEmpty = entry.first > entry.last
  let { last, bytes } = entry
  for (const [begin, end] of rowCuts(messages)) {
    const key = rowKey(at.stream.number, at.partition, last + end - begin)
    const value = encodeRow(key, { first: last + 1, time }, messages.slice(begin, end))
    rows.put(key, value)
    last += end - begin
    bytes += value.length
  }
  const oldestTime = wasEmpty ? time : entry.oldestTime
  return { first: entry.first, last, bytes, oldestTime, newestTime: time }
}

/** Retention: the oldest rows go while they are too old or too much; the newest row stays. */
function removeOldest(
  rows: WritableRows,
  at: {
    readonly name: string
    readonly stream: StreamEntry
    readonly partition: number
    readonly now: number
  },
  entry: PartitionEntry,
): PartitionEntry {
  const { ageMs = Infinity, bytes: bytesMax = Infinity } = at.stream.retention ?? {}
  let { first, bytes, oldestTime } = entry
  const isDue = (): boolean => oldestTime < at.now - ageMs || bytes > bytesMax
  if (!isDue()) return entry
  const place = placeOf(at.name, at.partition)
  const range = rowRange(at.stream.number, at.partition, first)
  const keys: Uint8Array[] = []
  let previous: EnvironmentRow | undefined
  for (const row of rows.range(range, REMOVED_ROWS_MAX + 1)) {
    const run = runOf(place, row)
    if (previous !== undefined) {
      keys.push(previous.key)
      bytes -= previous.value.length
      first = run.first
      oldestTime = run.time
    }
    if (!isDue()) break
    previous = row
  }
  for (const key of keys) rows.remove(key)
  return { ...entry, first, bytes, oldestTime }
}

/**
 * Removes messages up to a sequence: rows that hold later ones too stay, and `first` alone says where
 * the partition begins.
 */
export function purgeRows(
  rows: WritableRows,
  {
    name,
    stream,
    partition,
  }: { readonly name: string; readonly stream: StreamEntry; readonly partition: number },
  upTo: number,
): void {
  const entry = partitionOf(rows, stream, partition)
  const first = Math.min(upTo, entry.last) + 1
  if (first <= entry.first) return
  const place = placeOf(name, partition)
  let { bytes } = entry
  let oldestTime = entry.newestTime
  const keys: Uint8Array[] = []
  for (const row of rows.range(rowRange(stream.number, partition, entry.first))) {
    if (sequenceOfKey(row.key) >= first) {
      oldestTime = runOf(place, row).time
      break
    }
    keys.push(row.key)
    bytes -= row.value.length
  }
  for (const key of keys) rows.remove(key)
  putPartition(rows, stream, partition, { ...entry, first, bytes, oldestTime })
}

function sequenceOfKey(key: Uint8Array): number {
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
