/**
 * What a task hands to the tasks of another stage: each record goes into a frame for the task that is to
 * have it, and a frame into the outbox to that task.
 *
 * X1 A frame is put into the outbox in the epoch that made its records, and never cut again (I4).
 * X2 Every epoch in which time moved says so to every task that reads, records or none.
 */
import type { Key, Push, Timestamp } from '../../operators/operator.ts'
import { TIME_MAX, TIME_MIN } from '../../operators/time.ts'
import { InvariantError } from '../errors.ts'
import type { Routing } from '../pipeline/stages.ts'
import type { Sink } from '../sink/sink.ts'
import { partitionOf } from '../state/key-codec.ts'
import type { WatermarkHolder } from '../time/watermark.ts'
import { FrameWriter, type SenderTime } from './frame.ts'
import type { Outbox } from './outbox.ts'

/** The sink of an outbox whose messages are frames: they are ready, and who reads them fetches them. */
export const frames: Sink = {
  encode: (out, frame) => out.raw(frame as Uint8Array),
  open: () => Promise.reject(new InvariantError('frames are fetched, not delivered')),
  deliver: () => Promise.reject(new InvariantError('frames are fetched, not delivered')),
  close: () => Promise.resolve(),
}

const PARTITIONS_KNOWN_MAX = 100_000

export interface ExchangeOutputOptions {
  readonly name: string
  readonly routing: Routing
  /** Number of the task that sends, among those of its stage. */
  readonly partition: number
  /** One for each task that reads, in their order. */
  readonly outboxes: readonly Outbox[]
  /** Whether all that is sent ends some day. */
  readonly isBounded: () => boolean
}

export class ExchangeOutput {
  readonly name: string
  readonly #options: ExchangeOutputOptions
  readonly #writers: readonly FrameWriter[]
  /** How far time is where the records leave; without it, it is told at the end alone. */
  #time: WatermarkHolder | undefined
  /** Where keys go that came before: to find it out takes longer than to look it up. */
  readonly #partitions = new Map<Key, number>()
  /** What the readers were told last. */
  #told: SenderTime | undefined

  constructor(options: ExchangeOutputOptions) {
    const { name, routing, outboxes } = options
    this.name = name
    this.#options = options
    // What goes to all of them is encoded once.
    this.#writers = (routing === 'all' ? outboxes.slice(0, 1) : outboxes).map(
      () => new FrameWriter(),
    )
  }

  /** Says whose time the readers are told. */
  follow(time: WatermarkHolder): void {
    this.#time = time
  }

  /** @throws TypeError for a value that cannot travel. */
  readonly push: Push = (value: unknown, time: Timestamp, key: Key | undefined): void => {
    const to = this.#to(key)
    const isFull = this.#writers[to]?.add(value, time, key, this.#time?.value ?? TIME_MIN)
    // Behind the frame time is where it is for its last record: more is told by the next.
    if (isFull === true) this.#cut(to, this.#now(false))
  }

  #to(key: Key | undefined): number {
    const { routing, outboxes, partition } = this.#options
    if (routing !== 'key') return 0
    if (key === undefined) return partition % outboxes.length
    const known = this.#partitions.get(key)
    if (known !== undefined) return known
    if (this.#partitions.size === PARTITIONS_KNOWN_MAX) this.#partitions.clear()
    const found = partitionOf(key, outboxes.length)
    this.#partitions.set(key, found)
    return found
  }

  /** Whether the readers have to be told of time though no record has come. */
  hasNews(ended: boolean): boolean {
    const [now, told] = [this.#now(ended), this.#told]
    return (
      told === undefined ||
      now.watermark !== told.watermark ||
      now.idle !== told.idle ||
      now.ended !== told.ended ||
      now.bounded !== told.bounded
    )
  }

  /** Cuts what is left of the epoch. Called right before its commit. */
  endEpoch(ended: boolean): void {
    const now = this.#now(ended)
    const hasNews = this.hasNews(ended)
    for (const [to, writer] of this.#writers.entries()) {
      if (hasNews || !writer.isEmpty) this.#cut(to, now)
    }
    this.#told = now
  }

  #cut(to: number, time: SenderTime): void {
    const frame = this.#writers[to]?.take(time)
    if (frame === undefined) return
    const { routing, outboxes } = this.#options
    for (const outbox of routing === 'all' ? outboxes : outboxes.slice(to, to + 1)) {
      outbox.push(frame, 0, undefined)
    }
  }

  #now(ended: boolean): SenderTime {
    const time = this.#time
    return {
      watermark: ended ? TIME_MAX : (time?.value ?? TIME_MIN),
      idle: !ended && time?.idle === true,
      ended,
      bounded: this.#options.isBounded(),
    }
  }
}
