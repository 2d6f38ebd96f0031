/** `millrace stop`: ends a running job, and takes a snapshot of what it leaves when it is asked to. */
import { StateError } from '../errors.ts'
import { askJob } from '../job/control-socket.ts'
import { holderOf } from '../job/state-lock.ts'
import { sleep } from '../time/clock.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import type { CliIo } from './io.ts'
import { refuseWithoutSnapshots, snapshotCreate } from './snapshot.ts'
import { stateDirOf, type TargetFlags } from './target.ts'

export interface StopFlags extends TargetFlags {
  readonly snapshot?: boolean
  readonly drain?: boolean
}

const LOOK_MS = 50

/** @throws StateError when no job runs there; ConfigError when there is no place for a snapshot: nothing is stopped then. */
export async function stop(io: CliIo, path: string, flags: StopFlags): Promise<ExitCode> {
  const stateDir = await stateDirOf(io, path, flags)
  if (holderOf(stateDir) === undefined) {
    throw new StateError(`no job runs on ${stateDir}; there is nothing to stop`)
  }
  const isKept = flags.snapshot === true || flags.drain === true
  if (isKept) await refuseWithoutSnapshots(io, path, flags)
  await askJob(stateDir, flags.drain === true ? 'drain' : 'stop')
  while (holderOf(stateDir) !== undefined) await sleep(io.clock, LOOK_MS)
  io.out('stopped\n')
  if (!isKept) return EXIT.ok
  try {
    return await snapshotCreate(io, path, flags)
  } catch (error) {
    io.err(
      'the job has stopped, and no snapshot was taken; try again with millrace snapshot create\n',
    )
    throw error
  }
}
