/**
 * One cut through all tasks of a running job, while they go on.
 *
 * No task's view may hold a row that its sender's view does not, and what a view has still to read must be
 * in its sender's. So who reads is cut before who sends, and from the first cut to the last nobody is told
 * how far its readers have come, and trims nothing that a view has still to read: the caller sees to that.
 */
import type { TaskCut } from '../snapshot/take-snapshot.ts'
import type { Layout } from '../task/layout.ts'

/** @throws what the first cut that failed threw; no view is left open then. */
export async function cutInOrder(
  { plan, tasks }: Layout,
  cutTask: (task: string) => Promise<TaskCut>,
): Promise<TaskCut[]> {
  const cuts: TaskCut[] = []
  try {
    for (const { name } of plan.stages.toReversed()) {
      const cutting = tasks
        .filter(({ stage }) => stage.name === name)
        .map(async ({ task }) => cuts.push(await cutTask(task)))
      for (const cut of await Promise.allSettled(cutting)) {
        if (cut.status === 'rejected') throw cut.reason
      }
    }
    return cuts.toSorted((a, b) => Number(a.task) - Number(b.task))
  } catch (error) {
    for (const { view } of cuts) view.close()
    throw error
  }
}
