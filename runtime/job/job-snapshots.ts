/** The snapshots of a running job: when they are taken, of what, and what is kept. */
import type { ResolvedManifest } from '../../config/manifest.ts'
import { ConfigError, reasonOf, UnavailableError } from '../errors.ts'
import type { FileMemo } from '../sink/file-sink.ts'
import { ChangeLogs } from '../snapshot/change-logs.ts'
import { collectTorn, keepNewest } from '../snapshot/retention.ts'
import { bytesOf, type SnapshotManifest } from '../snapshot/snapshot.ts'
import { SnapshotSchedule, type SnapshotStatus } from '../snapshot/snapshot-schedule.ts'
import type { SnapshotStore } from '../snapshot/snapshot-store.ts'
import {
  type GrowingFile,
  idOfCuts,
  type TakenSnapshot,
  type TaskCut,
  takeSnapshot,
} from '../snapshot/take-snapshot.ts'
import type { Store } from '../state/store.ts'
import { readEpochRow, readJobRow } from '../task/meta.ts'
import { DEAD_LETTER } from '../task/open-task.ts'
import { DEAD_LETTER_FILE, deadLetterPath } from './restored-sinks.ts'
import { openSnapshotStore } from './open-snapshot-store.ts'
import type { RunContext } from './run-context.ts'

export interface JobSnapshotsOptions {
  readonly manifest: ResolvedManifest
  readonly job: string
  readonly stateDir: string
  readonly context: Pick<RunContext, 'clock' | 'log'>
  /** Ends an epoch of all tasks and gives views of its end. @throws UnavailableError when they do not run. */
  readonly cut: () => Promise<readonly TaskCut[]>
  readonly isRunning: () => boolean
}

export class JobSnapshots {
  readonly #options: JobSnapshotsOptions
  #store: SnapshotStore | undefined
  readonly #schedule: SnapshotSchedule
  readonly #over = new AbortController()
  #running: Promise<void> = Promise.resolve()
  /** The newest one that this run has taken. */
  #newestId: string | undefined
  #hasCollected = false
  /** What each task has changed since the newest snapshot. */
  readonly #logs = new ChangeLogs()

  constructor(options: JobSnapshotsOptions) {
    const { manifest, context } = options
    this.#options = options
    this.#schedule = new SnapshotSchedule({
      everyMs: manifest.snapshots?.everyMs,
      clock: context.clock,
      isRunning: options.isRunning,
      take: () => this.#take(),
      onTaken: (taken, elapsedMs) =>
        context.log.info(
          { snapshot: taken.id, bytes: bytesOf(taken), elapsedMs: Math.round(elapsedMs) },
          'a snapshot was taken',
        ),
      onFailed: (reason, failures, nextMs) =>
        context.log.error(
          { failures, nextMs },
          `no snapshot could be taken, the job goes on without; trying again in ${Math.round(nextMs / 1000)} s: ${reason}`,
        ),
    })
  }

  /** Called first: gives where they are kept, undefined when the manifest does not say. */
  async open(): Promise<SnapshotStore | undefined> {
    const { manifest, context } = this.#options
    this.#store = await openSnapshotStore(manifest, context.clock)
    return this.#store
  }

  /** The store of a task; with snapshots, what its commits change is logged in it. */
  logged(task: string, store: Store): Store {
    return this.#store === undefined ? store : this.#logs.over(task, store)
  }

  get status(): SnapshotStatus {
    return this.#schedule.status
  }

  start(): void {
    this.#running = this.#schedule.run(this.#over.signal)
  }

  /** Gives up what is being taken, and lets go of where they are kept. */
  async stop(): Promise<void> {
    this.#over.abort()
    await this.#running
    await this.#store?.close()
  }

  /** Takes one now. @throws ConfigError without a place for it; UnavailableError. */
  async take(): Promise<SnapshotManifest | 'unchanged'> {
    return (await this.#schedule.take()) ?? 'unchanged'
  }

  async #take(): Promise<SnapshotManifest | undefined> {
    const store = this.#store
    if (store === undefined) {
      throw new ConfigError(
        `the manifest does not say where snapshots are kept: add snapshots: {to: …}, and start the job again`,
      )
    }
    this.#logs.begin()
    const cuts = await this.#options.cut()
    try {
      return await this.#takeOf(cuts, store)
    } finally {
      for (const { view } of cuts) view.close()
    }
  }

  async #takeOf(
    cuts: readonly TaskCut[],
    store: SnapshotStore,
  ): Promise<SnapshotManifest | undefined> {
    const { job, stateDir, context } = this.#options
    const id = idOfCuts(job, cuts)
    // Nothing has come since the newest one.
    if (id === this.#newestId || (await store.list()).includes(id)) return undefined
    const [first] = cuts
    await this.#collect(store, first === undefined ? undefined : readJobRow(first.view)?.createdAt)
    const base = await this.#logs.baseOf(cuts, store, (reason) =>
      context.log.warn(
        {},
        `a snapshot has to stand alone, for the one before is no base: ${reason}`,
      ),
    )
    const taken = await this.#finish(
      takeSnapshot({
        job,
        cuts,
        files: growingFiles(cuts, stateDir),
        ...(base !== undefined && { base }),
        store,
        clock: context.clock,
        signal: this.#over.signal,
      }),
    )
    this.#newestId = id
    this.#logs.standOn(taken)
    await this.#keep(store)
    return taken.manifest
  }

  /** What a snapshot that failed has left is collected before the next. */
  async #finish(taking: Promise<TakenSnapshot>): Promise<TakenSnapshot> {
    try {
      return await taking
    } catch (error) {
      this.#hasCollected = false
      throw error
    }
  }

  /** What a killed run, or one that failed, has begun: this process holds the state, so it is over. */
  async #collect(store: SnapshotStore, stateCreatedAt: number | undefined): Promise<void> {
    if (this.#hasCollected) return
    const { job, context } = this.#options
    const now = context.clock.now()
    const collected = await collectTorn(store, { job, stateCreatedAt, now })
    this.#hasCollected = true
    for (const id of collected) {
      context.log.info({ snapshot: id }, 'a snapshot that was never finished was removed')
    }
  }

  /** The snapshot is there: what is old is removed now or next time. */
  async #keep(store: SnapshotStore): Promise<void> {
    const { job, manifest, context } = this.#options
    try {
      await keepNewest(store, job, manifest.snapshots?.keep ?? 1)
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      context.log.warn({}, `old snapshots could not be removed: ${reasonOf(error)}`)
    }
  }
}

/** Files of the state folder that belong to the state, as far as they were written at the cut. */
export function growingFiles(cuts: readonly TaskCut[], stateDir: string): GrowingFile[] {
  const path = deadLetterPath(stateDir)
  const memos = cuts.map(({ view }) => readEpochRow(view)?.sinks[DEAD_LETTER]?.memo as FileMemo)
  return memos
    .filter((memo) => memo?.path === path)
    .map(({ length }) => ({ name: DEAD_LETTER_FILE, path, length }))
}
