/** Reads a partition of a log in memory. */
import type { LogBatch, LogReader } from '../log/log.ts'
import {
  messagesDiscarded,
  streamEndLost,
  streamDeleted,
  streamRecreated,
  streamTruncated,
} from '../log/log-loss.ts'
import type { MemoryPartition } from './memory-log.ts'

export interface MemoryReaderOptions {
  readonly place: string
  readonly after: number
  /** What the partition had and will be read; 0: nothing in particular. */
  readonly until: number
  /** What is read. */
  readonly partition: MemoryPartition
  /** What the stream has in its place by now. */
  readonly now: () => MemoryPartition | undefined
  /** @throws UnavailableError while the log is away. */
  readonly checkThere: () => void
  readonly onChange: (listener: () => void) => () => void
}

const BATCH_MESSAGES_MAX = 4_096

export class MemoryReader implements LogReader {
  readonly #options: MemoryReaderOptions
  #sequence: number
  #isClosed = false
  #wake: (() => void) | undefined
  readonly #forget: () => void

  /** @throws DataLossError when messages behind `after` are no longer there. */
  constructor(options: MemoryReaderOptions) {
    this.#options = options
    this.#sequence = options.after
    const problem = this.#problem()
    if (problem !== undefined) throw problem
    this.#forget = options.onChange(() => this.#wake?.())
  }

  get hasBacklog(): boolean {
    return this.#sequence < this.#last()
  }

  poll(): LogBatch | undefined {
    if (this.#isClosed || this.#problem() !== undefined) return undefined
    const { first, messages } = this.#options.partition
    const from = this.#sequence + 1 - first
    const batch = messages.slice(from, from + BATCH_MESSAGES_MAX)
    this.#sequence += batch.length
    return batch.length === 0 ? undefined : { messages: batch }
  }

  async ready(): Promise<void> {
    while (!this.#isClosed) {
      this.#options.checkThere()
      const problem = this.#problem()
      if (problem !== undefined) throw problem
      if (this.hasBacklog) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#forget()
    this.#wake?.()
  }

  #last(): number {
    const { first, messages } = this.#options.partition
    return first + messages.length - 1
  }

  #problem(): Error | undefined {
    const { place, partition, now, until } = this.#options
    const current = now()
    if (current === undefined) return streamDeleted(place, this.#sequence)
    if (current !== partition) return streamRecreated(place, this.#sequence)
    if (this.#last() < this.#sequence) {
      return streamTruncated(place, this.#last(), this.#sequence)
    }
    if (this.#last() < until) return streamEndLost(place, this.#last(), until)
    if (partition.first > this.#sequence + 1) {
      return messagesDiscarded(place, this.#sequence + 1, partition.first - 1)
    }
    return undefined
  }
}
