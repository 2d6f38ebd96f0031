/** How appends and retention change an embedded log, inside a write transaction. */
import { type Append, type Appended, repeatsOf } from './appendable-log.ts'
import { producerKey, rowKey, rowRange } from './embedded-keys.ts'
import {
  type PartitionEntry,
  partitionOf,
  placeOf,
  producerNumberOf,
  putPartition,
  runOf,
  sequenceOfKey,
  type StreamEntry,
} from './embedded-tables.ts'
import type { EnvironmentRow, Rows, WritableRows } from './lmdb-environment.ts'
import { encodeRow, rowCuts, seal } from './log-row.ts'

/** Rows that one append removes at most, so that a transaction stays small. */
const REMOVED_ROWS_MAX = 1_000

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
