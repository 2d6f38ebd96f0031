/** Which snapshot a run starts from, if from any; and the restore itself. */
import type { ResolvedManifest } from '../../config/manifest.ts'
import { ConfigError, reasonOf, StateError } from '../errors.ts'
import { readChain } from '../snapshot/chain.ts'
import { isExchange } from '../pipeline/stages.ts'
import { DamagedSnapshotError } from '../snapshot/damaged-snapshot.ts'
import { holdsState, restoreSnapshot } from '../snapshot/restore-snapshot.ts'
import { snapshotsOf } from '../snapshot/retention.ts'
import { readSnapshotId, type SnapshotManifest } from '../snapshot/snapshot.ts'
import type { SnapshotStore } from '../snapshot/snapshot-store.ts'
import { refuseOtherShape, type Shape } from '../task/shape.ts'
import { DEAD_LETTER_FILE, restoredSinks, type ResultsAfter } from './restored-sinks.ts'
import type { RunContext } from './run-context.ts'

export interface RestoreChoice {
  /**
   * latest, none, or a snapshot's id. Undefined: the state in the folder if there is one, else the newest
   * snapshot if there is one, else a fresh state.
   */
  readonly from?: string
  /** Lets this job go on from a snapshot of another; must be this job's name. */
  readonly as?: string
  /** Default resume. */
  readonly results?: ResultsAfter
}

export interface RestoreStateOptions {
  readonly choice: RestoreChoice
  readonly manifest: ResolvedManifest
  /** The name the job goes by. */
  readonly job: string
  readonly shape: Shape
  readonly store: SnapshotStore | undefined
  /** This process holds its lock. */
  readonly stateDir: string
  readonly context: RunContext
}

/**
 * Brings the state folder to where the run is to start.
 * @throws ConfigError, StateError when that cannot be done as asked; never starts empty instead.
 */
export async function restoreState(options: RestoreStateOptions): Promise<void> {
  const { choice, store, stateDir, job } = options
  if (store === undefined) {
    if (choice.from === undefined || choice.from === 'none') return
    throw new ConfigError(
      `--restore needs to know where snapshots are: add snapshots: {to: …} to the manifest`,
    )
  }
  if (choice.as !== undefined && choice.as !== job) {
    throw new ConfigError(`--as names ${choice.as}, and this job is ${job}; write --as ${job}`)
  }
  if (choice.from === 'none') return
  const isHere = await holdsState(stateDir)
  if (isHere && choice.from === undefined) return
  if (isHere) {
    throw new StateError(
      `${stateDir} holds a state already; a snapshot is restored into a folder without one. Nothing was changed. Leave out --restore to go on from it, or name another folder with --state.`,
    )
  }
  if (choice.from !== undefined && choice.from !== 'latest') {
    await restoreOne(store, choice.from, options)
  } else {
    await restoreNewest(store, options)
  }
}

/** The newest that is whole. What is damaged is passed over, and said; what does not fit is refused. */
async function restoreNewest(store: SnapshotStore, options: RestoreStateOptions): Promise<void> {
  const { choice, job, context } = options
  const ids = (await snapshotsOf(store, job)).toReversed()
  if (ids.length === 0) {
    if (choice.from === undefined) return
    throw new StateError(
      `there is no snapshot of ${job} in ${store.where}. Leave out --restore to start with a fresh state.`,
    )
  }
  for (const id of ids) {
    try {
      await restoreOne(store, id, options)
      return
    } catch (error) {
      if (!(error instanceof DamagedSnapshotError)) throw error
      context.log.error(
        { snapshot: id },
        `the newest snapshot cannot be used, the one before is tried: ${reasonOf(error)}`,
      )
    }
  }
  throw new StateError(
    `none of the ${ids.length} snapshots of ${job} in ${store.where} can be used. Bring one back, or start afresh with --restore none.`,
  )
}

async function restoreOne(
  store: SnapshotStore,
  id: string,
  options: RestoreStateOptions,
): Promise<void> {
  const { choice, job, shape, stateDir, manifest: settings, context } = options
  const chain = await readChain(store, id)
  const manifest = chain.at(-1) ?? chain[0]
  refuseOther(manifest, options)
  const generation = (await newestGeneration(store, job, manifest)) + 1
  await restoreSnapshot({
    store,
    chain,
    stateDir,
    generation,
    files: [DEAD_LETTER_FILE],
    clock: context.clock,
    signal: context.stop,
    adapt: async ({ job: row, last }) => ({
      job: { ...row, job: shape.job },
      last: {
        ...last,
        sinks: await restoredSinks(last.sinks, {
          manifest: settings,
          stateDir,
          results: choice.results ?? 'resume',
        }),
      },
    }),
  })
  const [task] = manifest.tasks
  context.log.warn(
    { snapshot: id, epoch: task?.epoch, generation },
    `the state was restored from snapshot ${id}`,
  )
}

/** @throws StateError for a snapshot of another job, or of another shape. */
function refuseOther(
  { id, job: of, shape: stored }: SnapshotManifest,
  options: RestoreStateOptions,
): void {
  const { choice, job, shape } = options
  if (choice.as === undefined && of !== job) {
    throw new StateError(
      `snapshot ${id} is of the job ${of}, not of ${job}. Nothing was changed. To go on from it under this name, add --as ${job}.`,
    )
  }
  // What goes from task to task is no shape of the job: each task looks at its own when it is opened.
  const outside = {
    ...stored,
    destinations: Object.fromEntries(
      Object.entries(stored.destinations).filter(([name]) => !isExchange(name)),
    ),
    sources: stored.sources.filter((name) => !isExchange(name)),
  }
  try {
    refuseOtherShape(choice.as === undefined ? outside : { ...outside, job: shape.job }, shape)
  } catch (error) {
    throw new StateError(`snapshot ${id} does not fit: ${reasonOf(error)}`, { cause: error })
  }
}

/** Of all histories that snapshots tell of: the next one sorts behind them. */
async function newestGeneration(
  store: SnapshotStore,
  job: string,
  { generation, stateCreatedAt }: SnapshotManifest,
): Promise<number> {
  const generations = (await snapshotsOf(store, job)).map((id) => readSnapshotId(id))
  return generations
    .filter((read) => read?.stateCreatedAt === stateCreatedAt)
    .reduce((newest, read) => Math.max(newest, read?.generation ?? 0), generation)
}
