/** Takes snapshots by the clock, one at a time, those that are asked for among them. */
import { reasonOf, UnavailableError } from '../errors.ts'
import { type Clock, sleep } from '../time/clock.ts'
import { bytesOf, type SnapshotManifest } from './snapshot.ts'

/** However often it has failed, it is tried again after this long, or after its own time if that is longer. */
const BACKOFF_MS_MAX = 600_000

export interface ScheduleOptions {
  /** Time from the end of one to the next. Undefined: only those that are asked for. */
  readonly everyMs: number | undefined
  readonly clock: Clock
  /** While the job starts or ends there is nothing to take. */
  readonly isRunning: () => boolean
  /** Takes one; undefined when nothing has changed since the newest. */
  readonly take: () => Promise<SnapshotManifest | undefined>
  readonly onTaken: (manifest: SnapshotManifest, elapsedMs: number) => void
  /** Processing goes on whatever becomes of a snapshot. */
  readonly onFailed: (reason: string, failures: number, nextMs: number) => void
}

export interface SnapshotStatus {
  /** The newest that this run has taken. */
  readonly last?: {
    readonly id: string
    readonly epoch: number
    readonly createdAt: number
    readonly bytes: number
  }
  /** Failures in a row. */
  readonly failures: number
  readonly lastFailure?: string
}

export class SnapshotSchedule {
  readonly #options: ScheduleOptions
  #running: Promise<unknown> = Promise.resolve()
  #last: SnapshotStatus['last']
  #failures = 0
  #lastFailure: string | undefined

  constructor(options: ScheduleOptions) {
    this.#options = options
  }

  get status(): SnapshotStatus {
    return {
      failures: this.#failures,
      ...(this.#last !== undefined && { last: this.#last }),
      ...(this.#lastFailure !== undefined && { lastFailure: this.#lastFailure }),
    }
  }

  /** Runs until the signal aborts and what was begun is over. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { everyMs, clock, isRunning, onFailed } = this.#options
    while (everyMs !== undefined && !signal.aborted) {
      const delayMs = this.#delayMs(everyMs)
      await sleep(clock, delayMs, signal)
      if (signal.aborted || !isRunning()) continue
      try {
        await this.take()
      } catch (error) {
        if (!signal.aborted) onFailed(reasonOf(error), this.#failures, this.#delayMs(everyMs))
      }
    }
    await this.#running.catch(ignoreHere)
  }

  #delayMs(everyMs: number): number {
    return Math.min(everyMs * 2 ** this.#failures, Math.max(everyMs, BACKOFF_MS_MAX))
  }

  /** Takes one as soon as the one before is over. @throws what kept it from being taken. */
  async take(): Promise<SnapshotManifest | undefined> {
    const taking = this.#running.catch(ignoreHere).then(() => this.#takeNow())
    this.#running = taking
    return await taking
  }

  async #takeNow(): Promise<SnapshotManifest | undefined> {
    const { clock, take, onTaken } = this.#options
    const startedAt = clock.monotonic()
    try {
      const manifest = await take()
      this.#failures = 0
      this.#lastFailure = undefined
      if (manifest !== undefined) {
        const [task] = manifest.tasks
        const { id, createdAt } = manifest
        this.#last = { id, epoch: task?.epoch ?? 0, createdAt, bytes: bytesOf(manifest) }
        onTaken(manifest, clock.monotonic() - startedAt)
      }
      return manifest
    } catch (error) {
      this.#failures += 1
      this.#lastFailure = reasonOf(error)
      throw error instanceof Error ? error : new UnavailableError(reasonOf(error))
    }
  }
}

/** Whoever asked for it has been told. */
const ignoreHere = (): void => undefined
