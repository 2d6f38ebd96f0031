/**
 * Replays at a multiple of event time: a record is handed out when the clock has gone on as far as its
 * time, divided by the speed, lies behind the first record. Sources of one job keep one pace.
 */
import { TIME_MAX, type Timestamp } from '../../operators/time.ts'
import { type Clock, sleep } from '../time/clock.ts'
import type { PollResult, Source, SourceBatch, SourceInput } from './source.ts'

export class Pace {
  readonly #speed: number
  readonly #clock: Clock
  #first: Timestamp = TIME_MAX
  #startedAt = 0

  /** @param speed how many times as fast as event time went. */
  constructor(speed: number, clock: Clock) {
    this.#speed = speed
    this.#clock = clock
  }

  /** Called with the first time of each input: the pace begins with the earliest of them. */
  begin(time: Timestamp): void {
    if (time >= this.#first) return
    this.#first = time
    this.#startedAt = this.#clock.monotonic()
  }

  /** How long a record of that time still has to wait; not positive when it is due. */
  delayMs(time: Timestamp): number {
    const passedMs = this.#clock.monotonic() - this.#startedAt
    return (time - this.#first) / this.#speed - passedMs
  }

  async wait(delayMs: number, signal: AbortSignal): Promise<void> {
    await sleep(this.#clock, Math.max(1, Math.ceil(delayMs)), signal)
  }
}

/** Gives a record's time; NaN for one that has no usable time, which goes its way at once. */
export type TimeOf = (value: unknown, logTime: Timestamp) => Timestamp

export function pacedSource(source: Source, pace: Pace, timeOf: TimeOf): Source {
  return {
    inputs: async () => (await source.inputs()).map((input) => new PacedInput(input, pace, timeOf)),
  }
}

class PacedInput implements SourceInput {
  readonly id: string
  readonly #input: SourceInput
  readonly #pace: Pace
  readonly #timeOf: TimeOf
  readonly #closing = new AbortController()
  /** Read, and from `#next` on not handed out yet. */
  #batch: SourceBatch | undefined
  #next = 0
  #hasBegun = false

  constructor(input: SourceInput, pace: Pace, timeOf: TimeOf) {
    this.id = input.id
    this.#input = input
    this.#pace = pace
    this.#timeOf = timeOf
  }

  get isBounded(): boolean {
    return this.#input.isBounded ?? false
  }

  get goesOn(): boolean {
    return this.#input.goesOn ?? false
  }

  /** What waits for its time is no backlog: the epoch may end meanwhile. */
  get hasBacklog(): boolean {
    return this.#batch === undefined && (this.#input.hasBacklog ?? false)
  }

  get lag(): SourceInput['lag'] {
    return this.#input.lag
  }

  get extent(): SourceInput['extent'] {
    return this.#input.extent
  }

  open(position: unknown): Promise<unknown> {
    return this.#input.open(position)
  }

  checkFinished(position: unknown): void {
    this.#input.checkFinished?.(position)
  }

  poll(): PollResult {
    if (this.#batch === undefined) {
      const polled = this.#input.poll()
      if (typeof polled === 'string') return polled
      this.#batch = polled
      this.#next = 0
    }
    return this.#handOut(this.#batch)
  }

  #handOut(batch: SourceBatch): SourceBatch | 'pending' {
    const [first, { length }] = [this.#next, batch.values]
    // A batch without places inside of it goes as one, when its first record is due.
    const mayPart = batch.positionAfter !== undefined
    let end = first
    while (end < length && this.#isDue(batch, end)) end = mayPart ? end + 1 : length
    if (end === first && length > 0) return 'pending'
    this.#next = end
    if (end === length) this.#batch = undefined
    return first === 0 && end === length ? batch : part(batch, first, end)
  }

  #isDue(batch: SourceBatch, index: number): boolean {
    const time = this.#timeAt(batch, index)
    if (Number.isNaN(time)) return true
    if (!this.#hasBegun) this.#pace.begin(time)
    this.#hasBegun = true
    return this.#pace.delayMs(time) <= 0
  }

  #timeAt({ values, times }: SourceBatch, index: number): Timestamp {
    return this.#timeOf(values[index], typeof times === 'number' ? times : (times[index] ?? 0))
  }

  async ready(): Promise<void> {
    const batch = this.#batch
    if (batch === undefined) return await this.#input.ready()
    await this.#pace.wait(this.#pace.delayMs(this.#timeAt(batch, this.#next)), this.#closing.signal)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#input.close()
  }
}

/** The records of a batch from one index up to another. */
function part(batch: SourceBatch, from: number, to: number): SourceBatch {
  const { values, times, after, watermark } = batch
  const isEnd = to === values.length
  return {
    values: values.slice(from, to),
    times: typeof times === 'number' ? times : times.subarray(from, to),
    after: isEnd ? after : batch.positionAfter?.(to - 1),
    ...(isEnd && watermark !== undefined && { watermark }),
    placeOf: (index) => batch.placeOf(from + index),
    bytesOf: (index) => batch.bytesOf(from + index),
  }
}
