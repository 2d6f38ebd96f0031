/**
 * Messages that were read and not handed out yet, in batches. Where a number is missing, the batch
 * waits until it is known why.
 */
import type { LogMessage } from './log.ts'

/** Messages that are handed out together. */
interface Batch {
  readonly messages: LogMessage[]
  bytes: number
  /** First number that is missing before or within this batch and was not explained yet. */
  gapFrom: number | undefined
  /** Nothing is added any more: its gap is being looked at. */
  sealed: boolean
}

/** Numbers without a message. */
export interface Gap {
  readonly from: number
  readonly to: number
}

export class ReadBuffer {
  readonly #batchMessagesMax: number
  #batches: Batch[] = []
  #messages = 0
  #bytes = 0

  constructor(batchMessagesMax: number) {
    this.#batchMessagesMax = batchMessagesMax
  }

  get messages(): number {
    return this.#messages
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether shift() has something to give. */
  get hasBatch(): boolean {
    const [batch] = this.#batches
    return batch !== undefined && batch.gapFrom === undefined
  }

  get hasGap(): boolean {
    return this.#batches.some(({ gapFrom }) => gapFrom !== undefined)
  }

  /** Adds a message; `gapFrom` is the first number missing before it, if any is. */
  push(message: LogMessage, gapFrom: number | undefined): void {
    const batch = this.#openBatch()
    batch.gapFrom ??= gapFrom
    batch.messages.push(message)
    batch.bytes += message.data.length
    this.#messages++
    this.#bytes += message.data.length
  }

  /** Adds a batch without messages, which says only how far reading has come. */
  pushEmpty(): void {
    this.#batches.push({ messages: [], bytes: 0, gapFrom: undefined, sealed: true })
  }

  /** The next messages, unless a gap in or before them is not explained. */
  shift(): LogMessage[] | undefined {
    if (!this.hasBatch) return undefined
    const batch = this.#batches.shift()
    if (batch === undefined) return undefined
    this.#messages -= batch.messages.length
    this.#bytes -= batch.bytes
    return batch.messages
  }

  /**
   * The batches with gaps, to which nothing is added from now on: what is found out about the stream
   * afterwards holds for all of them.
   */
  sealGaps(): readonly Batch[] {
    const sealed = this.#batches.filter(({ gapFrom }) => gapFrom !== undefined)
    for (const batch of sealed) batch.sealed = true
    return sealed
  }

  clear(): void {
    this.#batches = []
    this.#messages = 0
    this.#bytes = 0
  }

  #openBatch(): Batch {
    const last = this.#batches.at(-1)
    const isOpen =
      last !== undefined && !last.sealed && last.messages.length < this.#batchMessagesMax
    if (isOpen) return last
    const batch: Batch = { messages: [], bytes: 0, gapFrom: undefined, sealed: false }
    this.#batches.push(batch)
    return batch
  }
}

/** Every gap of a batch, in order. */
export function* gapsOf(batch: {
  readonly messages: readonly LogMessage[]
  readonly gapFrom: number | undefined
}): Generator<Gap> {
  let expected = batch.gapFrom
  if (expected === undefined) return
  for (const { sequence } of batch.messages) {
    if (sequence < expected) continue
    if (sequence > expected) yield { from: expected, to: sequence - 1 }
    expected = sequence + 1
  }
}
