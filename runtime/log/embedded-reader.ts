/**
 * Reads one partition of an embedded log by range reads. What this process appends wakes a waiting
 * reader at once; what others append is found by looking again, soon and then less often.
 */
import type { Clock } from '../time/clock.ts'
import { findStream, partitionOf, placeOf, runOf, type StreamEntry } from './embedded-tables.ts'
import { rowRange } from './embedded-keys.ts'
import type { LmdbEnvironment } from './lmdb-environment.ts'
import type { LogBatch, LogMessage, LogReader } from './log.ts'
import {
  messagesDiscarded,
  rowCorrupt,
  streamDeleted,
  streamRecreated,
  streamTruncated,
} from './log-loss.ts'
import { ROW_MESSAGES_MAX } from './log-row.ts'

export interface EmbeddedReaderOptions {
  readonly environment: LmdbEnvironment
  readonly clock: Clock
  readonly name: string
  readonly stream: StreamEntry
  readonly partition: number
  readonly after: number
  readonly onClose: () => void
}

const BATCH_MESSAGES_MAX = 4_096
const BATCH_BYTES_MAX = 4 * 1024 * 1024
const LOOK_AGAIN_MS_MIN = 1
const LOOK_AGAIN_MS_MAX = 20

export class EmbeddedReader implements LogReader {
  readonly #options: EmbeddedReaderOptions
  readonly #place: string
  /** Sequence of the last message handed out. */
  #sequence: number
  /** Newest sequence that was seen. */
  #newest = 0
  #failure: Error | undefined
  #closed = false
  #wake: (() => void) | undefined

  /** @throws DataLossError when messages behind `after` are no longer there. */
  constructor(options: EmbeddedReaderOptions) {
    this.#options = options
    this.#place = placeOf(options.name, options.partition)
    this.#sequence = options.after
    this.#look()
    if (this.#failure !== undefined) throw this.#failure
  }

  get hasBacklog(): boolean {
    return this.#newest > this.#sequence
  }

  get lag(): number {
    return Math.max(0, this.#newest - this.#sequence)
  }

  poll(): LogBatch | undefined {
    if (this.#closed || this.#failure !== undefined) return undefined
    this.#options.environment.refresh()
    try {
      const messages = this.#readSome()
      const last = messages.at(-1)
      if (last === undefined) return this.#explainNothing()
      this.#sequence = last.sequence
      if (this.#newest <= last.sequence) this.#look()
      return { messages }
    } catch (error) {
      this.#failure = error as Error
      return undefined
    }
  }

  #readSome(): LogMessage[] {
    const { environment, stream, partition } = this.#options
    const messages: LogMessage[] = []
    let bytes = 0
    let next = this.#sequence + 1
    for (const row of environment.range(rowRange(stream.number, partition, next))) {
      const run = runOf(this.#place, row)
      // What is missing is explained when it is what comes next.
      if (run.first > next) break
      for (let index = next - run.first; index < run.count; index++)
        messages.push(run.message(index))
      next = run.first + run.count
      bytes += row.value.length
      if (messages.length > BATCH_MESSAGES_MAX - ROW_MESSAGES_MAX || bytes >= BATCH_BYTES_MAX) break
    }
    return messages
  }

  /** Nothing followed: then the stream ends here, or something is wrong with it. */
  #explainNothing(): undefined {
    this.#look()
    if (this.#failure === undefined && this.hasBacklog) {
      this.#failure = rowCorrupt(this.#place, this.#sequence + 1, 'it is missing')
    }
  }

  /** Finds out where the stream ends by now, and whether it still is the one that was read. */
  #look(): undefined {
    const { environment, name, stream, partition } = this.#options
    const now = findStream(environment, name)
    if (now === undefined) this.#failure = streamDeleted(this.#place, this.#sequence)
    else if (now.created !== stream.created) {
      this.#failure = streamRecreated(this.#place, this.#sequence)
    } else {
      const { first, last } = partitionOf(environment, stream, partition)
      this.#newest = last
      if (last < this.#sequence) {
        this.#failure = streamTruncated(this.#place, last, this.#sequence)
      } else if (first > this.#sequence + 1) {
        this.#failure = messagesDiscarded(this.#place, this.#sequence + 1, first - 1)
      }
    }
  }

  async ready(): Promise<void> {
    let delayMs = LOOK_AGAIN_MS_MIN
    while (!this.#closed) {
      if (this.#failure === undefined) {
        this.#options.environment.refresh()
        this.#look()
      }
      if (this.#failure !== undefined) throw this.#failure
      if (this.hasBacklog) return
      await this.#pause(delayMs)
      delayMs = Math.min(delayMs * 2, LOOK_AGAIN_MS_MAX)
    }
  }

  /** Until this process appended something, the delay is over, or the reader is closed. */
  async #pause(delayMs: number): Promise<void> {
    const { environment, clock } = this.#options
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#wake = undefined
        cancel()
        forget()
        resolve()
      }
      const cancel = clock.after(delayMs, done)
      const forget = environment.onCommit(done)
      this.#wake = done
    })
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#wake?.()
    this.#options.onClose()
  }
}
