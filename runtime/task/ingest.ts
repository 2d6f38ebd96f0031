/**
 * Takes the batches of one input into the chain: each value is decoded, valid, and has a usable time,
 * or goes to the dead letter; then it runs through the chain, and time moves on.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Push } from '../../operators/operator.ts'
import { TIME_MAX, type Timestamp } from '../../operators/time.ts'
import { ConfigError } from '../errors.ts'
import { type SourceBatch, type SourceInput, Undecodable } from '../source/source.ts'
import { type EventTimeOptions, InputWatermark, timeReader } from '../time/event-time.ts'
import type { InputRow } from './meta.ts'

export interface IngestOptions {
  /** Name of the source. */
  readonly source: string
  readonly input: SourceInput
  readonly schema: StandardSchemaV1
  readonly eventTime: EventTimeOptions
  /** Sets the current record aside. */
  readonly reject: (reason: string) => void
  /** Fires what a step of the watermark made due; false when there was more than its budget. */
  readonly onWatermark: () => boolean
  /** Called when the input may have something, or has failed. */
  readonly onReady: () => void
  /** Called when a batch was read and none of it was applied yet. */
  readonly onRead: () => void
}

export class Ingest {
  readonly source: string
  readonly input: SourceInput
  readonly watermark: InputWatermark
  readonly #options: IngestOptions
  readonly #timeOf: ((value: unknown) => number) | undefined
  #position: unknown
  #batch: SourceBatch | undefined
  #index = 0
  /** Records taken in by this run. */
  records = 0
  /** The input has said that it is over. */
  ended = false
  /** When the last record came, by the clock's monotonic time. */
  lastRecordAt = 0
  isOpen = false
  /** Whether a record of this input is being worked on right now. */
  isRunning = false
  #push: Push = () => undefined
  #isWaiting = false
  #failure: Error | undefined

  constructor(options: IngestOptions) {
    const { eventTime } = options
    this.#options = options
    this.source = options.source
    this.input = options.input
    this.watermark = new InputWatermark(eventTime)
    this.#timeOf = eventTime.of === 'log' ? undefined : timeReader(eventTime.of)
  }

  /** Says where the values enter the chain. */
  connect(push: Push): void {
    this.#push = push
  }

  async open(row: InputRow | undefined): Promise<void> {
    if (row !== undefined) this.watermark.restore(row.maxTime, row.watermark)
    this.#position = await this.input.open(row?.position)
    this.isOpen = true
  }

  get idleAfterMs(): number {
    return this.#options.eventTime.idleAfterMs
  }

  /** Asks the input to say when it has something; asks once until it has. */
  wait(): void {
    if (this.#isWaiting || this.ended) return
    this.#isWaiting = true
    const over = (): void => {
      this.#isWaiting = false
      this.#options.onReady()
    }
    this.input.ready().then(over, (error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(String(error))
      over()
    })
  }

  /** What the next commit remembers: the place behind the last whole batch. */
  get row(): InputRow {
    return {
      position: this.#position,
      maxTime: this.watermark.maxTime,
      watermark: this.watermark.holder.value,
    }
  }

  /** The batch and the index of the record being worked on, if one is. */
  get current(): { readonly batch: SourceBatch; readonly index: number } | undefined {
    return this.#batch === undefined ? undefined : { batch: this.#batch, index: this.#index }
  }

  /** Whether a batch is half taken: there is no position for its middle, so nothing commits now. */
  get isMidBatch(): boolean {
    return this.#batch !== undefined
  }

  /**
   * Takes one batch, or goes on with one. 'more': the rest of it waits for timers to fire.
   * @throws what is wrong with the input.
   */
  take(): 'taken' | 'more' | 'nothing' {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isWaiting) return 'nothing'
    if (this.#batch === undefined) {
      const polled = this.input.poll()
      if (polled === 'pending') return 'nothing'
      if (polled === 'end') {
        this.ended = true
        return 'nothing'
      }
      this.#batch = polled
      this.#index = 0
      this.#options.onRead()
    }
    this.isRunning = true
    const isWhole = this.#run(this.#batch)
    this.isRunning = false
    return isWhole ? 'taken' : 'more'
  }

  #run(batch: SourceBatch): boolean {
    const { reject, onWatermark, eventTime, schema } = this.#options
    const push = this.#push
    const { values, times } = batch
    const { maxAheadMs, minTime } = eventTime
    const validate = schema['~standard'].validate
    const timeOf = this.#timeOf
    const watermark = this.watermark
    for (let i = this.#index; i < values.length; i++) {
      this.#index = i
      let value = values[i]
      const logTime = typeof times === 'number' ? times : (times[i] as Timestamp)
      if (value instanceof Undecodable) {
        reject(value.reason)
        continue
      }
      const result = validate(value)
      if (result instanceof Promise) throw asynchronousSchema(this.source)
      if (result.issues !== undefined) {
        reject(`does not fit the schema: ${issuesText(result.issues)}`)
        continue
      }
      value = result.value
      const time = timeOf === undefined ? logTime : timeOf(value)
      if (!(time >= minTime && time - logTime <= maxAheadMs)) {
        reject(timeProblem(time, logTime, eventTime))
        continue
      }
      this.records += 1
      push(value, time, undefined)
      if (watermark.see(time) && !onWatermark()) {
        this.#index = i + 1
        return false
      }
    }
    this.#position = batch.after
    this.#batch = undefined
    if (batch.watermark !== undefined) {
      this.watermark.holder.advance(batch.watermark)
      // What this makes due beyond the budget fires before the next batch is taken.
      onWatermark()
    }
    return true
  }

  /** A bounded input's end: no earlier time can come any more. */
  finish(): void {
    this.watermark.holder.advance(TIME_MAX)
  }
}

function timeProblem(
  time: Timestamp,
  logTime: Timestamp,
  { of, minTime, maxAheadMs }: EventTimeOptions,
): string {
  const field = typeof of === 'object' ? `the field '${of.field}'` : 'its time'
  if (!Number.isFinite(time))
    return `no usable time: ${field} is not a finite number of the configured unit`
  if (time < minTime) {
    return `no usable time: ${dateText(time)} is before minTime ${dateText(minTime)} (are seconds taken for milliseconds?)`
  }
  return `no usable time: it is ${time - logTime} ms ahead of the message's time in the log; maxAhead is ${maxAheadMs} ms`
}

/** A time as a date; times further away than dates reach stay numbers. */
function dateText(time: Timestamp): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? `${time} ms` : date.toISOString()
}

function issuesText(issues: readonly StandardSchemaV1.Issue[]): string {
  const texts = issues.slice(0, 3).map(({ message, path }) => {
    const at = path?.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
    return at === undefined || at === '' ? message : `${at}: ${message}`
  })
  return texts.join('; ')
}

function asynchronousSchema(source: string): ConfigError {
  return new ConfigError(
    `the schema of source '${source}' is asynchronous; records are validated one by one, so use a synchronous schema`,
  )
}
