/**
 * One cut through all tasks of a running job, while they go on.
 *
 * No task's view may hold a row that its producer's view does not, and what a view has still to read must
 * be in its producer's. So who reads is cut before who sends, and from the first cut to the last nobody
 * is told how far its readers have come, and trims nothing that a view has still to read.
 */
import type { TaskCut } from '../snapshot/take-snapshot.ts'
import type { LocalLinks } from '../task/exchange-link.ts'
import type { Layout } from '../task/layout.ts'
import type { TaskRun } from './task-run.ts'

/** @throws UnavailableError when a task does not run now. */
export async function cutAll(
  tasks: readonly TaskRun[],
  layout: Layout,
  links: LocalLinks,
): Promise<TaskCut[]> {
  const cuts: TaskCut[] = []
  links.hold()
  try {
    for (const { name } of layout.plan.stages.toReversed()) {
      const inStage = layout.tasks.filter(({ stage }) => stage.name === name)
      const cutting = tasks
        .filter(({ task }) => inStage.some((laid) => laid.task === task))
        .map(async (task) => cuts.push({ task: task.task, ...(await task.cut()) }))
      for (const cut of await Promise.allSettled(cutting)) {
        if (cut.status === 'rejected') throw cut.reason
      }
    }
    return cuts.toSorted((a, b) => Number(a.task) - Number(b.task))
  } catch (error) {
    for (const { view } of cuts) view.close()
    throw error
  } finally {
    links.release()
  }
}
