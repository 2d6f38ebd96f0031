/** The tasks of a running job, wherever they run. */
import type { CommitTiming } from '../task/task-parts.ts'
import type { TaskEnd } from '../task/task.ts'
import type { TaskCut } from '../snapshot/take-snapshot.ts'
import type { TaskFacts } from './task-facts.ts'

export interface JobTasks {
  /** Runs all to their end. @throws what ended the first that failed, once the others have stopped. */
  run(): Promise<readonly TaskEnd[]>
  /** Each finishes its epoch, and ends. */
  stop(): void
  /**
   * Reads sources no further, and resolves once nothing is on its way, neither between tasks nor to sinks.
   * @param signal gives it up.
   */
  drain(signal: AbortSignal): Promise<void>
  /** What is known of each. */
  readonly facts: readonly TaskFacts[]
  /** One cut through all, while they go on. @throws UnavailableError when one does not run now. */
  cut(): Promise<readonly TaskCut[]>
  /** Tells of each commit, soon behind it. */
  observeCommits(observer: (timing: CommitTiming) => void): void
}
