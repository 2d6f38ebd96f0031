/** Tasks that run in this process. */
import type { TaskCut } from '../snapshot/take-snapshot.ts'
import { LocalLinks } from '../task/exchange-link.ts'
import { type Layout, placeOf } from '../task/layout.ts'
import type { CommitTiming } from '../task/task-parts.ts'
import type { TaskEnd } from '../task/task.ts'
import type { Clock } from '../time/clock.ts'
import { cutInOrder } from './cut-tasks.ts'
import { drainTasks } from './drain-tasks.ts'
import type { JobTasks } from './job-tasks.ts'
import type { TaskFacts } from './task-facts.ts'
import { TaskRun, type TaskRunOptions } from './task-run.ts'

export class LocalTasks implements JobTasks {
  readonly #layout: Layout
  readonly #links = new LocalLinks()
  readonly #clock: Clock
  readonly #tasks: readonly TaskRun[]

  constructor(layout: Layout, options: Omit<TaskRunOptions, 'laid' | 'place'>) {
    this.#layout = layout
    this.#clock = options.context.clock
    this.#tasks = layout.tasks.map(
      (laid) => new TaskRun({ ...options, laid, place: placeOf(layout, laid, this.#links) }),
    )
  }

  async run(): Promise<readonly TaskEnd[]> {
    const running = this.#tasks.map((task) => task.run())
    try {
      return await Promise.all(running)
    } catch (error) {
      this.stop()
      await Promise.allSettled(running)
      throw error
    }
  }

  stop(): void {
    for (const task of this.#tasks) task.stop()
  }

  async drain(signal: AbortSignal): Promise<void> {
    await drainTasks(this.#tasks, this.#clock, signal)
  }

  get facts(): readonly TaskFacts[] {
    return this.#tasks.map(({ facts }) => facts)
  }

  async cut(): Promise<readonly TaskCut[]> {
    const cutTask = async (name: string): Promise<TaskCut> => {
      const task = this.#tasks.find((run) => run.task === name) as TaskRun
      return { task: name, ...(await task.cut()) }
    }
    this.#links.hold()
    try {
      return await cutInOrder(this.#layout, cutTask)
    } finally {
      this.#links.release()
    }
  }

  observeCommits(observer: (timing: CommitTiming) => void): void {
    for (const { commits } of this.#tasks) commits.observer = observer
  }
}
