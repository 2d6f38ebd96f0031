/** What of a batch that live follows is to be done now. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../time/clock.ts'
import { Pace } from '../source/paced-source.ts'
import { LmdbStore } from '../state/lmdb-store.ts'
import { phaseOf, readEpochRow, type RunMode } from '../task/meta.ts'

/**
 * Whether it is still to be read: the newest commit says so. For the owner of the state folder.
 * @param folder of the task's store.
 */
export async function phaseNow(folder: string, run: RunMode): Promise<'live' | 'batch'> {
  const mayBeOver = run.mode === 'batch' && run.followedBy === 'live'
  if (!mayBeOver || !existsSync(join(folder, 'data.mdb'))) return run.mode
  const store = new LmdbStore(folder)
  try {
    return phaseOf(readEpochRow(store), run)
  } finally {
    await store.close()
  }
}

/** How fast a batch reads; undefined: as fast as it goes. */
export function paceOf(speed: number | undefined, clock: Clock): Pace | undefined {
  return speed === undefined || !Number.isFinite(speed) ? undefined : new Pace(speed, clock)
}
