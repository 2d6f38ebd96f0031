/** A state folder that a job ran on, and whose store is gone: a fresh start would read everything again. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { StateError } from '../errors.ts'

/** In it a state folder remembers what it was run with, from its first commit on. */
export const RUN_FILE = 'run.json'

/** @throws StateError when a state was here and none of its stores is. */
export function refuseLostState(stateDir: string): void {
  if (!existsSync(join(stateDir, RUN_FILE))) return
  const isThere = readdirSync(stateDir).some((name) => {
    const file = join(stateDir, name, 'data.mdb')
    return name.startsWith('task-') && existsSync(file) && statSync(file).size > 0
  })
  if (isThere) return
  throw new StateError(
    `${stateDir} is the state folder of a job that ran (it has a ${RUN_FILE}), and the state is gone from it. Nothing was changed. Bring it back, start from a snapshot with --restore latest, or remove the folder to start afresh.`,
  )
}
