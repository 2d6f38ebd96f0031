/**
 * Takes the frames of one other task into the chain: values, times, keys and time itself are those of
 * the task that sent them, record by record. What was valid and timed there is so here.
 */
import type { Push, Timestamp } from '../../operators/operator.ts'
import { TIME_MAX, TIME_MIN } from '../../operators/time.ts'
import type { InputPosition } from '../source/source.ts'
import { InputWatermark } from '../time/event-time.ts'
import type { Horizon } from '../time/horizon.ts'
import type { ReadingEnd } from './exchange-link.ts'
import { type Frame, FrameReader } from './frame.ts'
import { StatusNotes } from './input-status.ts'
import type { InputRow } from './meta.ts'
import { messagesOf } from './outbox-row.ts'
import type { CurrentRecord, TaskInput } from './task-input.ts'

export interface FrameIngestOptions {
  /** Name of the exchange. */
  readonly source: string
  /** Name of the task that sends. */
  readonly from: string
  readonly link: ReadingEnd
  /** Of the inputs of the task together. */
  readonly horizon: Horizon
  /** Whether all of it is read before anything else is, if it ends. */
  readonly first: boolean
  /** Fires what a step of the watermark made due; false when there was more than its budget. */
  readonly onWatermark: () => boolean
  /** Called when there may be something to take. */
  readonly onReady: () => void
  /** Called when a frame was read and none of it was applied yet. */
  readonly onRead: () => void
}

/** So much is fetched at a time. */
const FETCH_BYTES = 1024 * 1024

/** Time is the sender's: it is told, and follows from nothing here. */
export const TOLD = {
  of: 'log',
  progressive: true,
  outOfOrderMs: 0,
  idleAfterMs: Number.POSITIVE_INFINITY,
  maxAheadMs: Number.POSITIVE_INFINITY,
  minTime: TIME_MIN,
} as const

export class FrameIngest implements TaskInput {
  readonly source: string
  readonly from = 'tasks'
  readonly input
  readonly watermark: InputWatermark
  readonly status = new StatusNotes()
  readonly idleAfterMs = Number.POSITIVE_INFINITY
  readonly whenIdle = 'exclude'
  readonly alignment = undefined
  readonly #options: FrameIngestOptions
  readonly #reader = new FrameReader()
  #push: Push = () => undefined
  /** Frames that were fetched, and the index of the next one. */
  #fetched: Uint8Array[] = []
  #next = 0
  /** Number of the last frame that was taken in whole. */
  #position = 0
  #frame: Frame | undefined
  #index = 0
  #isBounded = true
  records = 0
  #recordsBefore = 0
  ended = false
  silentSince = 0
  isOpen = false
  isRunning = false

  constructor(options: FrameIngestOptions) {
    this.#options = options
    this.source = options.source
    this.watermark = new InputWatermark(TOLD, options.horizon)
    const hasBacklog = (): boolean => options.link.has(this.#position + 1)
    this.input = {
      id: `${options.source}/${options.from}`,
      get hasBacklog() {
        return hasBacklog()
      },
      close: async () => {
        options.link.onNews = () => undefined
      },
    }
  }

  connect(push: Push): void {
    this.#push = push
  }

  restoreTime(row: InputRow | undefined): void {
    if (row === undefined) return
    this.watermark.restore(row)
    this.watermark.holder.setIdle(row.idle === true)
    this.#isBounded = row.unbounded !== true
    if (row.status !== undefined) this.status.restore(row.status)
  }

  async open(row: InputRow | undefined): Promise<void> {
    this.#recordsBefore = row?.records ?? 0
    this.#position = (row?.position as number | undefined) ?? 0
    this.ended = row?.ended === true
    this.#options.link.onNews = this.#options.onReady
    this.isOpen = true
  }

  /** Until the sender has said so, it is not known that it goes on for ever. */
  get comesFirst(): boolean {
    const { first } = this.#options
    return first && this.#isBounded && this.watermark.holder.value !== TIME_MAX
  }

  get isBounded(): boolean {
    return this.#isBounded
  }

  get isFinished(): boolean {
    return this.ended
  }

  get lateness() {
    return { records: 0, row: undefined }
  }

  get row(): InputRow {
    const { maxTime, watermark } = this.watermark.row
    const { idle } = this.watermark.holder
    return {
      position: this.#position,
      records: this.#recordsBefore + this.records,
      maxTime,
      watermark,
      ...(this.ended && { ended: true }),
      ...(!this.#isBounded && { unbounded: true }),
      ...(idle && { idle }),
      status: this.status.row(idle),
    }
  }

  get current(): CurrentRecord | undefined {
    const frame = this.#frame
    if (frame === undefined) return undefined
    const at = `frame ${this.#position + 1} of ${this.input.id}`
    return {
      batch: {
        placeOf: (index) => `${at}, record ${index + 1}`,
        bytesOf: (index) => textOf(frame.values[index]),
      },
      index: this.#index,
    }
  }

  get isMidBatch(): boolean {
    return this.#frame !== undefined
  }

  /** Nothing to ask for: the link tells. */
  wait(): void {}

  onPeriod(): void {}

  onDurable(position: InputPosition): void {
    this.#options.link.pass(position as number)
  }

  take(): 'taken' | 'more' | 'nothing' {
    if (this.#frame === undefined) {
      const bytes = this.#nextBytes()
      if (bytes === undefined) return 'nothing'
      this.#frame = this.#reader.read(bytes)
      this.#index = 0
      this.watermark.holder.setIdle(false)
      this.#options.onRead()
    }
    this.isRunning = true
    const isWhole = this.#run(this.#frame)
    this.isRunning = false
    return isWhole ? 'taken' : 'more'
  }

  #nextBytes(): Uint8Array | undefined {
    if (this.#next === this.#fetched.length) {
      const number = this.#position + 1
      const rows = this.#options.link.read(number, FETCH_BYTES)
      this.#fetched = rows.flatMap(messagesOf)
      this.#next = number - (rows[0]?.first ?? number)
    }
    const bytes = this.#fetched[this.#next]
    if (bytes !== undefined) this.#next += 1
    return bytes
  }

  #run(frame: Frame): boolean {
    const { values, times, watermarks, keyOf } = frame
    const { onWatermark } = this.#options
    const { holder } = this.watermark
    const push = this.#push
    for (let i = this.#index; i < values.length; i++) {
      this.#index = i
      // As with the sender: what time made due before a record fires before it.
      const time = watermarks?.[i] ?? TIME_MIN
      if (time > holder.value && holder.step(time) && !onWatermark()) return false
      this.records += 1
      push(values[i], times[i] as Timestamp, keyOf(i))
    }
    this.#end(frame)
    return true
  }

  #end({ watermark, idle, ended, bounded, times }: Frame): void {
    const { holder } = this.watermark
    this.#frame = undefined
    this.#position += 1
    this.#isBounded = bounded
    if (times.length > 0) this.status.lastTime = times.at(-1)
    holder.advance(watermark)
    holder.setIdle(idle)
    if (ended) this.ended = true
    // What this makes due beyond the budget fires before the next frame is taken.
    this.#options.onWatermark()
  }
}

/** A value as people read it. */
function textOf(value: unknown): Uint8Array {
  try {
    return Buffer.from(JSON.stringify(value) ?? String(value))
  } catch {
    // Big integers have no JSON.
    return Buffer.from(String(value))
  }
}
