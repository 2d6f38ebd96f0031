/**
 * The log of one machine: streams as rows of an LMDB environment, one environment a folder, for any
 * number of processes that write and read. An append is one transaction with its producer's number,
 * and resolves when it is durable; appends that come together share a transaction and its sync.
 */
import { randomUUID } from 'node:crypto'
import { ConfigError } from '../errors.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import {
  type Append,
  type AppendableLog,
  type Appended,
  checkAppend,
  checkStreamName,
  checkStreamOptions,
  type StreamOptions,
} from './appendable-log.ts'
import {
  counterKey,
  removedKey,
  removedOfKey,
  removedRange,
  streamKey,
  streamOfKey,
  streamRange,
  streamRanges,
} from './embedded-keys.ts'
import { planAppend, purgeRows, writeAppend } from './embedded-append.ts'
import { EmbeddedReader } from './embedded-reader.ts'
import {
  findStream,
  partitionOf,
  placeOf,
  producerNumberOf,
  putStream,
  runAt,
  type StreamEntry,
  streamOf,
} from './embedded-tables.ts'
import { LmdbEnvironment, type WritableRows } from './lmdb-environment.ts'
import type { LogMessage, LogProducer, LogStart, PartitionState } from './log.ts'
import { seal, unseal } from './log-row.ts'

export interface EmbeddedLogOptions {
  /** Gives messages their time, and paces readers that wait; default the machine's. */
  readonly clock?: Clock
}

/** Rows of a deleted stream that one transaction removes. */
const SWEEP_ROWS_MAX = 1_000

export class EmbeddedLog implements AppendableLog {
  readonly #environment: LmdbEnvironment
  readonly #clock: Clock
  readonly #readers = new Set<EmbeddedReader>()
  #closed = false

  private constructor(environment: LmdbEnvironment, clock: Clock) {
    this.#environment = environment
    this.#clock = clock
  }

  /** Opens a log folder, and makes it when it is not there. @throws StateError */
  static async open(
    folder: string,
    { clock = systemClock }: EmbeddedLogOptions = {},
  ): Promise<EmbeddedLog> {
    const log = new EmbeddedLog(LmdbEnvironment.open(folder), clock)
    await log.#sweep()
    return log
  }

  async createStream(stream: string, options: StreamOptions = {}): Promise<void> {
    checkStreamName(stream)
    checkStreamOptions(stream, options)
    const { partitions, retention } = options
    await this.#environment.write((rows) => {
      const known = findStream(rows, stream)
      if (known === undefined) {
        putStream(rows, stream, {
          number: nextStreamNumber(rows),
          created: randomUUID(),
          partitions: partitions ?? 1,
          ...(retention !== undefined && { retention }),
        })
        return
      }
      if (partitions !== undefined && known.partitions !== partitions) {
        throw new ConfigError(
          `stream '${stream}' in ${this.#environment.folder} has ${known.partitions} partitions, and cannot be given ${partitions}; use another name, or delete it`,
        )
      }
      if (retention !== undefined) putStream(rows, stream, { ...known, retention })
    })
  }

  async deleteStream(stream: string): Promise<void> {
    await this.#environment.write((rows) => {
      const known = findStream(rows, stream)
      if (known === undefined) return
      rows.remove(streamKey(stream))
      const key = removedKey(known.number)
      rows.put(key, seal(key, new Uint8Array(1)))
    })
    await this.#sweep()
  }

  /** Names of all streams, in the order of their bytes. */
  async streams(): Promise<string[]> {
    this.#environment.refresh()
    return Array.from(this.#environment.range(streamRange), ({ key }) => streamOfKey(key))
  }

  async append(
    stream: string,
    partition: number,
    messages: readonly Uint8Array[],
    producer?: LogProducer,
  ): Promise<Appended> {
    const append = { partition, messages, ...(producer !== undefined && { producer }) }
    const [appended] = await this.appendAll(stream, [append])
    return appended ?? { last: 0 }
  }

  async appendAll(stream: string, appends: readonly Append[]): Promise<Appended[]> {
    appends.forEach(checkAppend)
    const partitions = new Set(appends.map(({ partition }) => partition))
    if (partitions.size < appends.length) {
      throw new ConfigError(`stream '${stream}': one call appends to a partition once`)
    }
    return this.#environment.write((rows) => {
      const now = this.#clock.now()
      const plans = appends.map((append) => {
        const entry = streamOf(rows, this.#environment.folder, stream, append.partition)
        return { entry, plan: planAppend(rows, { name: stream, stream: entry }, append) }
      })
      return plans.map(({ entry, plan }) =>
        writeAppend(rows, { name: stream, stream: entry, now }, plan),
      )
    }, bytesOf(appends))
  }

  async producerNumber(stream: string, partition: number, producerId: string): Promise<number> {
    const entry = this.#stream(stream, partition)
    return producerNumberOf(this.#environment, entry, partition, producerId)
  }

  /** Removes the messages of a partition up to a sequence. */
  async purge(stream: string, partition: number, upTo: number): Promise<void> {
    await this.#environment.write((rows) => {
      const entry = streamOf(rows, this.#environment.folder, stream, partition)
      purgeRows(rows, { name: stream, stream: entry, partition }, upTo)
    })
  }

  async partitions(stream: string): Promise<number> {
    return this.#stream(stream, 0).partitions
  }

  async inspect(stream: string, partition: number): Promise<PartitionState> {
    const entry = this.#stream(stream, partition)
    const { first, last } = partitionOf(this.#environment, entry, partition)
    return { created: entry.created, first, last }
  }

  async fetch(
    stream: string,
    partition: number,
    sequence: number,
  ): Promise<LogMessage | undefined> {
    const entry = this.#stream(stream, partition)
    const { first, last } = partitionOf(this.#environment, entry, partition)
    if (sequence < first || sequence > last) return undefined
    const place = placeOf(stream, partition)
    const run = runAt(this.#environment, entry, partition, { place, sequence })
    return run?.message(sequence - run.first)
  }

  async resolveStart(stream: string, partition: number, start: LogStart): Promise<number> {
    const entry = this.#stream(stream, partition)
    const { first, last } = partitionOf(this.#environment, entry, partition)
    if (start === 'start') return first - 1
    if (start === 'now') return last
    if ('after' in start) return start.after
    let low = first
    let high = last + 1
    while (low < high) {
      const sequence = Math.floor((low + high) / 2)
      const place = placeOf(stream, partition)
      const run = runAt(this.#environment, entry, partition, { place, sequence })
      if (run === undefined || run.time >= start.time) high = Math.max(low, run?.first ?? sequence)
      else low = run.first + run.count
    }
    return low - 1
  }

  /** @throws DataLossError when messages behind `after` are no longer there. */
  async read(stream: string, partition: number, after: number): Promise<EmbeddedReader> {
    const entry = this.#stream(stream, partition)
    const reader = new EmbeddedReader({
      environment: this.#environment,
      clock: this.#clock,
      name: stream,
      stream: entry,
      partition,
      after,
      onClose: () => this.#readers.delete(reader),
    })
    this.#readers.add(reader)
    return reader
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.all([...this.#readers].map((reader) => reader.close()))
    await this.#environment.close()
  }

  #stream(stream: string, partition: number): StreamEntry {
    this.#environment.refresh()
    return streamOf(this.#environment, this.#environment.folder, stream, partition)
  }

  /** Removes the rows of deleted streams, also of those that a crash left. */
  async #sweep(): Promise<void> {
    this.#environment.refresh()
    const removed = Array.from(this.#environment.range(removedRange), ({ key }) =>
      removedOfKey(key),
    )
    for (const stream of removed) {
      while (await this.#environment.write((rows) => sweepSome(rows, stream)));
    }
  }
}

/** @returns whether there may be more. */
function sweepSome(rows: WritableRows, stream: number): boolean {
  for (const range of streamRanges(stream)) {
    const keys = Array.from(rows.range(range, SWEEP_ROWS_MAX), ({ key }) => key)
    for (const key of keys) rows.remove(key)
    if (keys.length > 0) return true
  }
  rows.remove(removedKey(stream))
  return false
}

function nextStreamNumber(rows: WritableRows): number {
  const value = rows.get(counterKey)
  const number = value === undefined ? 1 : unseal(counterKey, value).readUInt32LE(0)
  rows.put(counterKey, seal(counterKey, new Uint8Array(Uint32Array.of(number + 1).buffer)))
  return number
}

function bytesOf(appends: readonly Append[]): number {
  let bytes = 0
  for (const { messages } of appends) for (const message of messages) bytes += message.length
  return bytes
}
