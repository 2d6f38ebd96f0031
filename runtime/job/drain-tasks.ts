/** Brings a running job to where nothing of it is on its way: neither between its tasks nor to its sinks. */
import { type Clock, sleep } from '../time/clock.ts'
import type { TaskRun } from './task-run.ts'

const LOOK_MS = 20

/**
 * Sources are read no further, all else goes on until it is delivered, however long a sink takes. What
 * windows and timers hold stays in the state.
 * @param signal gives it up.
 */
export async function drainTasks(
  tasks: readonly TaskRun[],
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (const task of tasks) task.pauseSources()
  // All at one look: what one has delivered, another may just have taken.
  while (!signal.aborted && !tasks.every((task) => task.isQuiet)) {
    await sleep(clock, LOOK_MS, signal)
  }
}
