/** A state folder that a job ran on, and whose store is gone: a fresh start would read everything again. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { StateError } from '../errors.ts'
import type { Store } from '../state/store.ts'
import { readEpochRow } from '../task/meta.ts'

/** In it a state folder remembers what it was run with, from its first commit on. */
export const RUN_FILE = 'run.json'

/** @throws StateError when a state was here and none of its stores is. */
export function refuseLostState(stateDir: string): void {
  if (!existsSync(join(stateDir, RUN_FILE))) return
  const isThere = readdirSync(stateDir).some((name) => {
    const file = join(stateDir, name, 'data.mdb')
    return name.startsWith('task-') && existsSync(file) && statSync(file).size > 0
  })
  if (!isThere) throw lost(stateDir)
}

/**
 * The same of a store that is there and has no commit: damage can make it look so. Of several tasks one may
 * not have begun when their job died, so this is for the only one. @throws StateError; the store is closed then.
 */
export async function refuseEmptyState(stateDir: string, store: Store): Promise<void> {
  if (!existsSync(join(stateDir, RUN_FILE)) || readEpochRow(store) !== undefined) return
  await store.close()
  throw lost(stateDir)
}

const lost = (stateDir: string): StateError =>
  new StateError(
    `${stateDir} is the state folder of a job that ran (it has a ${RUN_FILE}), and the state is gone from it. Nothing was changed. Bring it back, start from a snapshot with --restore latest, or remove the folder to start afresh.`,
  )
