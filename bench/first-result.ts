/** How long a job takes from the start of its process until there is a (new) result in its file. */
import { statSync } from 'node:fs'
import { startChild } from './run-child.ts'
import type { RunningChild } from './run-child.ts'
import { waitUntil } from './wait-until.ts'

const TIMEOUT_MS = 60_000

export interface FirstResult {
  readonly seconds: number
  /** Still running: who asked ends it. */
  readonly job: RunningChild
}

export async function timeToFirstResult(
  args: readonly string[],
  output: string,
): Promise<FirstResult> {
  const sizeBefore = sizeOf(output)
  const startedMs = performance.now()
  const job = startChild(args)
  const isThere = (): boolean => {
    if (job.process.exitCode !== null && sizeOf(output) <= sizeBefore) {
      throw new Error(`the job ended without a result:\n${job.output()}`)
    }
    return sizeOf(output) > sizeBefore
  }
  try {
    await waitUntil('there was a result', isThere, { everyMs: 1, timeoutMs: TIMEOUT_MS })
  } catch (error) {
    await kill(job)
    throw error
  }
  return { seconds: (performance.now() - startedMs) / 1_000, job }
}

/** SIGKILL, and waits until the process is gone. */
export async function kill(job: RunningChild): Promise<void> {
  job.process.kill('SIGKILL')
  await job.ended
}

export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
