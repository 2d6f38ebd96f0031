/**
 * Whether the stores in a state folder are tasks of a layout. A job that dies while it is started first leaves
 * the stores of some tasks only; the others begin with the next start. One that had begun and is gone is told
 * by the tasks beside it: they have taken what it sent, or let go of what it had taken.
 */
import { StateError } from '../errors.ts'
import { LmdbStore } from '../state/lmdb-store.ts'
import { tasksIn } from '../state/read-state.ts'
import { type Layout, linksOf, placeRowOf } from '../task/layout.ts'
import { type EpochRow, type JobRow, readEpochRow, readJobRow } from '../task/meta.ts'
import { outboxName } from '../task/open-task.ts'
import { OTHER_STAGES } from '../task/shape.ts'
import { taskFolder } from './task-run.ts'

export interface BegunTask {
  readonly task: string
  readonly job: JobRow
  readonly last: EpochRow
}

/** The tasks in a state folder that have committed something. */
export async function begunTasks(stateDir: string): Promise<BegunTask[]> {
  const begun: BegunTask[] = []
  for (const task of tasksIn(stateDir)) {
    const store = new LmdbStore(taskFolder(stateDir, task))
    const [job, last] = [readJobRow(store), readEpochRow(store)]
    await store.close()
    if (job !== undefined && last !== undefined) begun.push({ task, job, last })
  }
  return begun
}

/** @throws StateError when a task has another place in the layout, or one that had begun is gone. */
export function refuseOtherTasks(
  stateDir: string,
  begun: readonly BegunTask[],
  layout: Layout,
): void {
  const { parallelism, tasks } = layout
  for (const { task, job } of begun) {
    const laid = tasks.find((each) => each.task === task)
    const { place } = job
    const now = laid === undefined || tasks.length === 1 ? undefined : placeRowOf(layout, laid)
    const isSame =
      laid !== undefined &&
      place?.stage === now?.stage &&
      place?.partition === now?.partition &&
      place?.tasks === now?.tasks
    if (isSame) continue
    throw new StateError(
      `the state in ${stateDir} is of ${begun.length} tasks, and the job as it is now has ${tasks.length} with parallelism ${parallelism}: its stages are others now. ${OTHER_STAGES}`,
    )
  }
  const lastOf = (task: string): EpochRow | undefined =>
    begun.find((each) => each.task === task)?.last
  for (const { exchange, from, to } of linksOf(layout)) {
    const [sent, taken] = [
      lastOf(from)?.sinks[outboxName(exchange, to)]?.number ?? 0,
      Number(lastOf(to)?.inputs[`${exchange}/${from}`]?.position ?? 0),
    ]
    const gone = [
      ...(taken > 0 && lastOf(from) === undefined ? [from] : []),
      ...(sent > 0 && lastOf(to) === undefined ? [to] : []),
    ]
    if (gone.length === 0) continue
    throw new StateError(
      `${taskFolder(stateDir, gone[0] ?? '')} is gone: other tasks have exchanged records with it. Nothing was changed. Bring it back, or start from a snapshot in another folder.`,
    )
  }
}
