/**
 * Takes the batches of one input into the chain: each value is decoded, valid, and has a usable time,
 * or goes to the dead letter; then it runs through the chain, and time moves on.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Push } from '../../operators/operator.ts'
import { TIME_MAX, type Timestamp } from '../../operators/time.ts'
import { ConfigError, reasonOf, UserCodeError } from '../errors.ts'
import { plainCheck } from './plain-schema.ts'
import { type SourceBatch, type SourceInput, Undecodable } from '../source/source.ts'
import {
  type Alignment,
  type EventTimeOptions,
  InputWatermark,
  timeReader,
} from '../time/event-time.ts'
import type { Horizon } from '../time/horizon.ts'
import type { LatenessRow } from '../time/lateness.ts'
import { type Refusal, StatusNotes } from './input-status.ts'
import type { InputRow } from './meta.ts'
import type { TaskInput } from './task-input.ts'

export interface IngestOptions {
  /** Name of the source. */
  readonly source: string
  readonly input: SourceInput
  readonly schema: StandardSchemaV1
  readonly eventTime: EventTimeOptions
  /** Of the inputs of the task together; without one each step of time is looked at. */
  readonly horizon?: Horizon
  /** Whether all of it is read before anything else is, if it ends; default no. */
  readonly first?: boolean
  /** Sets the current record aside. */
  readonly reject: (reason: string) => void
  /** Fires what a step of the watermark made due; false when there was more than its budget. */
  readonly onWatermark: () => boolean
  /** Called when the input may have something, or has failed. */
  readonly onReady: () => void
  /** Called when a batch was read and none of it was applied yet. */
  readonly onRead: () => void
}

export class Ingest implements TaskInput {
  readonly from = 'sources'
  readonly source: string
  readonly input: SourceInput
  readonly watermark: InputWatermark
  /** For people who ask why time stands where it stands. */
  readonly status = new StatusNotes()
  readonly #options: IngestOptions
  readonly #timeOf: ((value: unknown) => number) | undefined
  /** True for values that are valid as they are. */
  readonly #isPlain: (value: unknown) => boolean
  /** The fields of the last batch that is numbers only, and whether such values are valid as they are. */
  #numbers: readonly string[] | undefined
  #areNumbersValid = false
  #position: unknown
  #batch: SourceBatch | undefined
  #index = 0
  /** Records taken in by this run. */
  records = 0
  /** The input has said that it is over. */
  ended = false
  /** Records taken in by earlier runs. */
  #recordsBefore = 0
  /** Since when nothing has come, by the clock's monotonic time; see Inputs. */
  silentSince = 0
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
    this.watermark = new InputWatermark(eventTime, options.horizon)
    this.#isPlain = plainCheck(options.schema) ?? (() => false)
    this.#timeOf = eventTime.of === 'log' ? undefined : timeReader(eventTime.of)
  }

  /** Says where the values enter the chain. */
  connect(push: Push): void {
    this.#push = push
  }

  /** Takes up the time of the last commit; before `open`. */
  restoreTime(row: InputRow | undefined): void {
    if (row === undefined) return
    this.watermark.restore(row)
    if (row.status !== undefined) this.status.restore(row.status)
  }

  async open(row: InputRow | undefined): Promise<void> {
    this.#recordsBefore = row?.records ?? 0
    this.#position = await this.input.open(row?.position)
    this.isOpen = true
  }

  /** All of it is read before inputs for which this is not so. */
  get comesFirst(): boolean {
    return this.#options.first === true && this.input.isBounded === true
  }

  get isBounded(): boolean {
    return this.input.isBounded === true
  }

  get idleAfterMs(): number {
    return this.#options.eventTime.idleAfterMs
  }

  get whenIdle(): 'exclude' | 'advance' {
    return this.#options.eventTime.whenIdle ?? 'exclude'
  }

  get alignment(): Alignment | undefined {
    return this.#options.eventTime.alignment
  }

  /** The end of the input is in its watermark. */
  get isFinished(): boolean {
    return this.watermark.holder.value === TIME_MAX
  }

  /** How late its records have come since the state was created, and how many there were. */
  get lateness(): { readonly records: number; readonly row: LatenessRow | undefined } {
    return { records: this.#recordsBefore + this.records, row: this.watermark.lateness.row }
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
      records: this.#recordsBefore + this.records,
      ...this.watermark.row,
      status: this.status.row(this.watermark.holder.idle),
    }
  }

  /** Sources keep what was read for as long as they please. */
  onDurable(): void {}

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
      if (polled === 'end') this.ended = true
      // Asked at once: who waits for the others to be quiet would starve beside a busy one.
      if (polled === 'pending') this.wait()
      if (polled === 'end' || polled === 'pending') return 'nothing'
      this.#batch = polled
      this.#index = 0
      this.watermark.holder.setIdle(false)
      this.#options.onRead()
    }
    this.isRunning = true
    const isWhole = this.#run(this.#batch)
    this.isRunning = false
    return isWhole ? 'taken' : 'more'
  }

  #run(batch: SourceBatch): boolean {
    const { onWatermark, eventTime, schema } = this.#options
    const push = this.#push
    const { values, times } = batch
    const { maxAheadMs, minTime } = eventTime
    const validate = schema['~standard'].validate
    const timeOf = this.#timeOf
    const isPlain = this.#isPlain
    const areValid = this.#areValid(batch)
    const watermark = this.watermark
    const asks = watermark.asks
    let lastTime = this.status.lastTime
    for (let i = this.#index; i < values.length; i++) {
      this.#index = i
      let value = values[i]
      const logTime = typeof times === 'number' ? times : (times[i] as Timestamp)
      if (!areValid && value instanceof Undecodable) {
        this.#refuse('undecodable', value.reason)
        continue
      }
      if (!areValid && !isPlain(value)) {
        const result = validate(value)
        if (result instanceof Promise) throw asynchronousSchema(this.source)
        if (result.issues !== undefined) {
          this.#refuse('schema', `does not fit the schema: ${issuesText(result.issues)}`)
          continue
        }
        value = result.value
      }
      const time = timeOf === undefined ? logTime : timeOf(value)
      if (!(time >= minTime && time - logTime <= maxAheadMs)) {
        this.#refuse(refusalOf(time, eventTime), timeProblem(time, logTime, eventTime))
        continue
      }
      if (asks && !this.#isUsable(this.#ask(value, time), logTime)) continue
      this.records += 1
      lastTime = time
      push(value, time, undefined)
      if (watermark.see(time) && !onWatermark()) {
        this.#index = i + 1
        this.status.lastTime = lastTime
        return false
      }
    }
    this.status.lastTime = lastTime
    this.#position = batch.after
    this.#batch = undefined
    if (batch.watermark !== undefined) {
      this.watermark.holder.advance(batch.watermark)
      // What this makes due beyond the budget fires before the next batch is taken.
      onWatermark()
    }
    return true
  }

  /** Whether all values of a batch are known to be decoded and valid as they are. */
  #areValid({ numbers }: SourceBatch): boolean {
    if (numbers === undefined) return false
    if (numbers !== this.#numbers) {
      this.#numbers = numbers
      // The check looks at names, their order and types: what it says of one such value it says of all.
      this.#areNumbersValid = this.#isPlain(Object.fromEntries(numbers.map((name) => [name, 0])))
    }
    return this.#areNumbersValid
  }

  #refuse(kind: Refusal, reason: string): void {
    this.status.refuse(kind, reason, this.#recordsBefore + this.records)
    this.#options.reject(reason)
  }

  #ask(value: unknown, time: Timestamp): Timestamp | undefined {
    try {
      return this.watermark.ask(value, time)
    } catch (error) {
      throw this.#failed(error, this.#batch?.placeOf(this.#index))
    }
  }

  /** Whether what the source's own watermarks said is one, or nothing. A record with another is set aside. */
  #isUsable(said: Timestamp | undefined, logTime: Timestamp): boolean {
    if (said === undefined) return true
    const { maxAheadMs } = this.#options.eventTime
    const isTime = Number.isFinite(said)
    if (isTime && said - logTime <= maxAheadMs) return true
    this.#refuse(
      'watermark',
      isTime
        ? `no usable watermark: it is ${said - logTime} ms ahead of the message's time in the log; maxAhead is ${maxAheadMs} ms`
        : `no usable watermark: ${String(said)} is not a finite number of milliseconds`,
    )
    return false
  }

  /** Lets the source's own watermarks have their say from time to time. @throws UserCodeError */
  onPeriod(now: Timestamp): void {
    let said: Timestamp | undefined
    try {
      said = this.watermark.onPeriod(now)
    } catch (error) {
      throw this.#failed(error, undefined)
    }
    if (said !== undefined && !Number.isFinite(said)) {
      throw this.#failed(`onPeriod returned ${String(said)}, which is no time`, undefined)
    }
  }

  #failed(error: unknown, position: string | undefined): UserCodeError {
    const at = position === undefined ? '' : ` at ${position}`
    return new UserCodeError(
      `the watermarks of source '${this.source}' failed${at}: ${reasonOf(error)}`,
      { operator: this.source, key: undefined, position },
      { cause: error },
    )
  }
}

function refusalOf(time: Timestamp, { minTime }: EventTimeOptions): Refusal {
  if (!Number.isFinite(time)) return 'no time'
  return time < minTime ? 'before minTime' : 'beyond maxAhead'
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
