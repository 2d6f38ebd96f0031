/**
 * A source that a test fills. What is pushed is logged, and the position is the number of entries
 * taken: after a crash, whatever was not committed is read again, watermarks included.
 */
import { inspect } from 'node:util'
import type { Timestamp } from '../../operators/time.ts'
import { DataLossError } from '../errors.ts'
import {
  type InputPosition,
  type PollResult,
  type Source,
  type SourceBatch,
  type SourceInput,
  Undecodable,
} from '../source/source.ts'

type Entry =
  { readonly value: unknown; readonly loggedAt: Timestamp } | { readonly watermark: Timestamp }

export interface MemorySourceOptions {
  /** Name of the source in the job. */
  readonly name: string
  /** At most this many values are taken at a time; default 2,048. */
  readonly batchRecordsMax?: number
  /** Whether it is known to end; default no. */
  readonly isBounded?: boolean
}

const BATCH_RECORDS_MAX = 2_048

export class MemorySource implements Source {
  readonly #name: string
  readonly #entries: Entry[] = []
  readonly #listeners = new Set<() => void>()
  readonly isBounded: boolean
  batchRecordsMax: number
  #ended = false

  constructor({
    name,
    batchRecordsMax = BATCH_RECORDS_MAX,
    isBounded = false,
  }: MemorySourceOptions) {
    this.#name = name
    this.isBounded = isBounded
    this.batchRecordsMax = batchRecordsMax
  }

  get name(): string {
    return this.#name
  }

  get entries(): readonly Entry[] {
    return this.#entries
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Appends values. They are copied, so that a job that changes one does not change the log. */
  push(values: readonly unknown[], loggedAt: Timestamp): void {
    this.#refuseEnded()
    for (const value of values.map(copyOf)) this.#entries.push({ value, loggedAt })
    this.#changed()
  }

  /** Appends the news that event time has come this far. */
  pushWatermark(watermark: Timestamp): void {
    this.#refuseEnded()
    this.#entries.push({ watermark })
    this.#changed()
  }

  /** Says that nothing comes any more. */
  end(): void {
    this.#refuseEnded()
    this.#ended = true
    this.#changed()
  }

  async inputs(): Promise<readonly SourceInput[]> {
    return [new MemoryInput(this)]
  }

  /** Calls back when something was appended; the returned function ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }

  #refuseEnded(): void {
    if (this.#ended) {
      throw new RangeError(
        `source '${this.#name}' has ended; push before endInput('${this.#name}')`,
      )
    }
  }
}

class MemoryInput implements SourceInput {
  readonly id: string
  readonly #source: MemorySource
  #taken = 0
  #forget = (): void => undefined

  constructor(source: MemorySource) {
    this.id = `${source.name}/0`
    this.#source = source
  }

  async open(position: InputPosition | undefined): Promise<InputPosition> {
    const taken = (position ?? 0) as number
    const { length } = this.#source.entries
    if (taken > length) {
      throw new DataLossError(
        `source '${this.#source.name}' was read up to entry ${taken} and has only ${length}: it was cut. Push what it had, or start with a fresh state.`,
      )
    }
    this.#taken = taken
    return taken
  }

  get isBounded(): boolean {
    return this.#source.isBounded
  }

  get hasBacklog(): boolean {
    return this.#taken < this.#source.entries.length
  }

  poll(): PollResult {
    const { entries, batchRecordsMax, ended } = this.#source
    if (this.#taken >= entries.length) return ended ? 'end' : 'pending'
    const values: unknown[] = []
    const times: number[] = []
    let watermark: Timestamp | undefined
    const first = this.#taken
    while (watermark === undefined && values.length < batchRecordsMax) {
      const entry = entries[this.#taken]
      if (entry === undefined) break
      this.#taken += 1
      if ('watermark' in entry) watermark = entry.watermark
      else {
        values.push(copyOf(entry.value))
        times.push(entry.loggedAt)
      }
    }
    return this.#batch(values, times, first, watermark)
  }

  #batch(
    values: readonly unknown[],
    times: readonly number[],
    first: number,
    watermark: Timestamp | undefined,
  ): SourceBatch {
    return {
      values,
      times: Float64Array.from(times),
      after: this.#taken,
      ...(watermark !== undefined && { watermark }),
      placeOf: (index) => `${this.#source.name}#${first + index + 1}`,
      bytesOf: (index) => bytesOf(values[index]),
    }
  }

  async ready(): Promise<void> {
    if (this.hasBacklog || this.#source.ended) return
    await new Promise<void>((resolve) => {
      this.#forget = this.#source.onChange(() => {
        this.#forget()
        resolve()
      })
    })
  }

  async close(): Promise<void> {
    this.#forget()
  }
}

/** A copy of a value that can be pushed. */
export const copyOf = (value: unknown): unknown =>
  value instanceof Undecodable ? value : structuredClone(value)

/** The value as people read it: JSON where it has any. */
function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Undecodable) return new Uint8Array()
  try {
    return Buffer.from(JSON.stringify(value) ?? String(value))
  } catch {
    // Big integers and cycles.
    return Buffer.from(inspect(value))
  }
}
