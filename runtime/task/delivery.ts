/**
 * Hands the durable rows of one outbox to its sink, in order, and reports how far they are taken. A
 * sink that is away is opened again with back-off: opening finds out what it has taken meanwhile.
 */
import { reasonOf, UnavailableError } from '../errors.ts'
import type { SinkOwner } from '../sink/sink.ts'
import { type Clock, sleep } from '../time/clock.ts'
import type { Outbox } from './outbox.ts'

/** What a fast job makes in an epoch of 100 ms goes in one: a file is synced once for it. */
const DELIVERY_BYTES_MAX = 16 * 1024 * 1024
const BACKOFF_MS_MIN = 50
const BACKOFF_MS_MAX = 5_000

/** The moments of a delivery, for those who watch or disturb it. */
export type DeliveryMoment = 'sent' | 'acknowledged'

/** Hands durable rows of an outbox to where they go. */
export interface Handover {
  readonly outbox: Outbox
  /** A sink outside, or another task of the job. */
  readonly to: 'sink' | 'task'
  /** What ended it for good. */
  readonly failure: Error | undefined
  /** Prepares the destination; what it says is committed before `start`. */
  openSink(): Promise<void>
  start(): void
  /** Says how far is durable: what lies within may leave (I3). */
  announce(durableEpoch: number): void
  /** Stops after what is in flight. */
  stop(): Promise<void>
}

export interface DeliveryOptions {
  readonly outbox: Outbox
  readonly owner: SinkOwner
  readonly clock: Clock
  /** Ends the waiting of the opening for a destination that is away. */
  readonly stop?: AbortSignal
  readonly onRetry: (message: string) => void
  readonly onMoment: (moment: DeliveryMoment) => void
  /** Called when rows were taken, or when delivery ended with a failure. */
  readonly onProgress: () => void
}

export class Delivery implements Handover {
  readonly to = 'sink'
  readonly #options: DeliveryOptions
  readonly #stopped = new AbortController()
  #durableEpoch = 0
  #wake: (() => void) | undefined
  #running: Promise<void> = Promise.resolve()
  /** What ended the delivery for good. */
  failure: Error | undefined

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  get outbox(): Outbox {
    return this.#options.outbox
  }

  /** With the last number made: what a destination has beyond it is not ours, or the state went back. */
  get #owner(): SinkOwner {
    const { owner, outbox } = this.#options
    return { ...owner, made: outbox.count }
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      this.failure = error instanceof Error ? error : new Error(String(error))
      this.#options.onProgress()
    })
  }

  /** Says how far is durable: what lies within may leave (I3). */
  announce(durableEpoch: number): void {
    this.#durableEpoch = durableEpoch
    this.#wake?.()
  }

  async #run(): Promise<void> {
    const { outbox, onProgress, onMoment } = this.#options
    const { signal } = this.#stopped
    while (!signal.aborted) {
      const rows = outbox.durableRows(
        outbox.takenNumber + 1,
        this.#durableEpoch,
        DELIVERY_BYTES_MAX,
      )
      if (rows.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
          if (signal.aborted) resolve()
        })
        continue
      }
      try {
        const delivering = outbox.sink.deliver(rows)
        onMoment('sent')
        outbox.acknowledge(await delivering)
        onMoment('acknowledged')
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error
        await this.#reopen(error, signal)
      }
      onProgress()
    }
  }

  /**
   * Prepares the destination; waits while it is away. What it says is committed before start().
   * @throws UnavailableError when it is away and the job is to stop.
   */
  async openSink(): Promise<void> {
    const { outbox, stop } = this.#options
    const stopped = this.#stopped.signal
    const signal = stop === undefined ? stopped : AbortSignal.any([stopped, stop])
    try {
      outbox.acknowledge(await outbox.sink.open(this.#owner, outbox.known))
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      if (!(await this.#reopen(error, signal))) throw error
    }
  }

  /** Tries until it is open; false when the signal aborted before. */
  async #reopen(cause: UnavailableError, signal: AbortSignal): Promise<boolean> {
    const { outbox, clock, onRetry } = this.#options
    let failure: unknown = cause
    for (
      let delayMs = BACKOFF_MS_MIN;
      !signal.aborted;
      delayMs = Math.min(delayMs * 2, BACKOFF_MS_MAX)
    ) {
      onRetry(`sink '${outbox.name}' is away, trying again in ${delayMs} ms: ${reasonOf(failure)}`)
      await sleep(clock, delayMs, signal)
      try {
        await outbox.sink.close()
        outbox.acknowledge(await outbox.sink.open(this.#owner, outbox.known))
        return true
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error
        failure = error
      }
    }
    return false
  }

  /** Stops after the delivery in flight. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#wake?.()
    await this.#running
  }
}
