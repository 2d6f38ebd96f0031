/** A snapshot of a job that does not run: its state is as its last run left it. */
import { join } from 'node:path'
import type { ResolvedManifest } from '../../config/manifest.ts'
import { StateError } from '../errors.ts'
import { holdsState, taskFolderName } from '../snapshot/restore-snapshot.ts'
import type { SnapshotManifest } from '../snapshot/snapshot.ts'
import type { TaskCut } from '../snapshot/take-snapshot.ts'
import { LmdbStore } from '../state/lmdb-store.ts'
import { tasksIn } from '../state/read-state.ts'
import { syncPath } from '../state/sync-path.ts'
import { readEpochRow } from '../task/meta.ts'
import { JobSnapshots } from './job-snapshots.ts'
import type { RunContext } from './run-context.ts'
import { lockState } from './state-lock.ts'

export interface StoppedSnapshotOptions {
  readonly manifest: ResolvedManifest
  readonly job: string
  readonly stateDir: string
  readonly context: Pick<RunContext, 'clock' | 'log'>
}

/** @throws StateError when a process holds the state, or there is none; UnavailableError. */
export async function snapshotStopped(
  options: StoppedSnapshotOptions,
): Promise<SnapshotManifest | 'unchanged'> {
  const { stateDir } = options
  const unlock = lockState(stateDir)
  try {
    if (!(await holdsState(stateDir))) {
      throw new StateError(`${stateDir} holds no state. Run the job first.`)
    }
    const stores = tasksIn(stateDir).map((task) => {
      const folder = join(stateDir, taskFolderName(task))
      return { task, folder, store: new LmdbStore(folder) }
    })
    try {
      // What a killed process has committed last may not be on the disk yet.
      for (const { folder } of stores) await syncPath(join(folder, 'data.mdb'))
      const snapshots = new JobSnapshots({
        ...options,
        cut: () => Promise.resolve(stores.map(cutOf)),
        isRunning: () => false,
      })
      await snapshots.open()
      try {
        const logged = stores.map(({ task, store }) => snapshots.logged(task, store))
        const taken = await snapshots.take()
        // The next one may stand on it.
        for (const store of logged) {
          await store.commit(() => undefined)
          await store.flushed()
        }
        return taken
      } finally {
        await snapshots.stop()
      }
    } finally {
      for (const { store } of stores) await store.close()
    }
  } finally {
    unlock()
  }
}

function cutOf({ task, store }: { readonly task: string; readonly store: LmdbStore }): TaskCut {
  const view = store.view()
  return { task, epoch: readEpochRow(view)?.epoch ?? 0, view }
}
