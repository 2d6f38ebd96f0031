/**
 * A log in memory, for tests and simulations: keeps what the others keep, and can be made to lose,
 * discard and be away, so that the checks against it can be tested. Nothing but the clock, which
 * gives messages their time, comes from outside.
 */
import { ConfigError, UnavailableError } from '../errors.ts'
import {
  type Append,
  type AppendableLog,
  type Appended,
  checkAppend,
  checkStreamName,
  checkStreamOptions,
  repeatsOf,
  type Retention,
  type StreamOptions,
} from '../log/appendable-log.ts'
import type { LogMessage, LogProducer, LogStart, PartitionState } from '../log/log.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import { MemoryReader } from './memory-reader.ts'

/** A partition: message `first + i` is at index i. */
export interface MemoryPartition {
  first: number
  messages: LogMessage[]
  readonly producers: Map<string, number>
}

interface MemoryStream {
  readonly created: string
  readonly partitions: readonly MemoryPartition[]
  retention: Retention
}

export const lastSequence = ({ first, messages }: MemoryPartition): number =>
  first + messages.length - 1

const emptyPartition = (): MemoryPartition => ({ first: 1, messages: [], producers: new Map() })

export class MemoryLog implements AppendableLog {
  readonly #clock: Clock
  readonly #streams = new Map<string, MemoryStream>()
  readonly #listeners = new Set<() => void>()
  #incarnations = 0
  #isAway = false

  constructor({ clock = systemClock }: { readonly clock?: Clock } = {}) {
    this.#clock = clock
  }

  async createStream(stream: string, options: StreamOptions = {}): Promise<void> {
    this.#checkThere()
    checkStreamName(stream)
    checkStreamOptions(stream, options)
    const { partitions, retention } = options
    const known = this.#streams.get(stream)
    if (known === undefined) {
      const created = `memory-${++this.#incarnations}`
      const made = Array.from({ length: partitions ?? 1 }, emptyPartition)
      this.#streams.set(stream, { created, partitions: made, retention: retention ?? {} })
      return
    }
    if (partitions !== undefined && partitions !== known.partitions.length) {
      throw new ConfigError(
        `stream '${stream}' has ${known.partitions.length} partitions, and cannot be given ${partitions}; use another name, or delete it`,
      )
    }
    if (retention !== undefined) known.retention = retention
  }

  async deleteStream(stream: string): Promise<void> {
    this.#checkThere()
    this.#streams.delete(stream)
    this.#changed()
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
    this.#checkThere()
    appends.forEach(checkAppend)
    if (new Set(appends.map(({ partition }) => partition)).size < appends.length) {
      throw new ConfigError(`stream '${stream}': one call appends to a partition once`)
    }
    const plans = appends.map((append) => {
      const into = this.#partition(stream, append.partition)
      const known = into.producers.get(append.producer?.id ?? '') ?? 0
      return { into, append, repeats: repeatsOf(`${stream}/${append.partition}`, append, known) }
    })
    for (const { into, append, repeats } of plans) {
      this.#put(into, append.messages.slice(repeats))
      const { producer, messages } = append
      if (producer !== undefined && repeats < messages.length) {
        into.producers.set(producer.id, producer.firstNumber + messages.length - 1)
      }
      this.#retain(into, this.#stream(stream).retention)
    }
    this.#changed()
    return plans.map(({ into }) => ({ last: lastSequence(into) }))
  }

  #put(into: MemoryPartition, messages: readonly Uint8Array[]): void {
    const time = Math.max(this.#clock.now(), into.messages.at(-1)?.time ?? -Infinity)
    for (const data of messages) {
      into.messages.push({ sequence: lastSequence(into) + 1, time, data: data.slice() })
    }
  }

  /** Message by message, where other logs drop runs; the newest stays. */
  #retain(into: MemoryPartition, { ageMs = Infinity, bytes = Infinity }: Retention): void {
    const oldestTime = this.#clock.now() - ageMs
    let size = into.messages.reduce((sum, { data }) => sum + data.length, 0)
    let count = 0
    for (const { time, data } of into.messages.slice(0, -1)) {
      if (time >= oldestTime && size <= bytes) break
      size -= data.length
      count++
    }
    into.messages.splice(0, count)
    into.first += count
  }

  async producerNumber(stream: string, partition: number, producerId: string): Promise<number> {
    this.#checkThere()
    return this.#partition(stream, partition).producers.get(producerId) ?? 0
  }

  async partitions(stream: string): Promise<number> {
    this.#checkThere()
    return this.#stream(stream).partitions.length
  }

  async inspect(stream: string, partition: number): Promise<PartitionState> {
    this.#checkThere()
    const of = this.#partition(stream, partition)
    return { created: this.#stream(stream).created, first: of.first, last: lastSequence(of) }
  }

  async fetch(
    stream: string,
    partition: number,
    sequence: number,
  ): Promise<LogMessage | undefined> {
    this.#checkThere()
    const { first, messages } = this.#partition(stream, partition)
    return messages[sequence - first]
  }

  async resolveStart(stream: string, partition: number, start: LogStart): Promise<number> {
    this.#checkThere()
    const of = this.#partition(stream, partition)
    if (start === 'start') return of.first - 1
    if (start === 'now') return lastSequence(of)
    if ('after' in start) return start.after
    const found = of.messages.find(({ time }) => time >= start.time)
    return found === undefined ? lastSequence(of) : found.sequence - 1
  }

  async read(stream: string, partition: number, after: number, until = 0): Promise<MemoryReader> {
    this.#checkThere()
    const found = this.#partition(stream, partition)
    return new MemoryReader({
      place: `${stream}/${partition}`,
      after,
      until,
      partition: found,
      now: () => this.#streams.get(stream)?.partitions[partition],
      checkThere: () => this.#checkThere(),
      onChange: (listener) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
    })
  }

  async close(): Promise<void> {
    this.#changed()
  }

  /** Loses everything behind a sequence, as a log does that acknowledged before it was durable. */
  loseTail(stream: string, partition: number, last: number): void {
    const of = this.#partition(stream, partition)
    of.messages.splice(Math.max(0, last - of.first + 1))
    this.#changed()
  }

  /** Forgets a producer's last number, or sets it back. */
  setProducerNumber(stream: string, partition: number, id: string, number: number): void {
    this.#partition(stream, partition).producers.set(id, number)
  }

  /** Discards everything up to a sequence. */
  purge(stream: string, partition: number, upTo: number): void {
    const of = this.#partition(stream, partition)
    const count = Math.max(0, Math.min(upTo, lastSequence(of)) - of.first + 1)
    of.messages.splice(0, count)
    of.first += count
    this.#changed()
  }

  /** Deletes a stream and makes it again, empty. */
  async recreate(stream: string): Promise<void> {
    const partitions = this.#stream(stream).partitions.length
    await this.deleteStream(stream)
    await this.createStream(stream, { partitions })
  }

  /** From now on, until comeBack, everything is refused with UnavailableError. */
  goAway(): void {
    this.#isAway = true
    this.#changed()
  }

  comeBack(): void {
    this.#isAway = false
    this.#changed()
  }

  #checkThere(): void {
    if (this.#isAway) throw new UnavailableError('the log in memory is away; it was told to be')
  }

  #stream(stream: string): MemoryStream {
    const found = this.#streams.get(stream)
    if (found === undefined) {
      throw new ConfigError(`there is no stream '${stream}' in this log; create it`)
    }
    return found
  }

  #partition(stream: string, partition: number): MemoryPartition {
    const found = this.#stream(stream).partitions[partition]
    if (found === undefined)
      throw new ConfigError(`stream '${stream}' has no partition ${partition}`)
    return found
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}
