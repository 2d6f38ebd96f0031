/**
 * Tasks that run in processes of their own, dealt out in turn, so that neighbours in a pipeline work at the
 * same time. This process holds the state folder's lock, passes on how far rows are durable and taken, and
 * starts a process that dies again, alone.
 */
import type { TaskCut } from '../snapshot/take-snapshot.ts'
import { LmdbStore } from '../state/lmdb-store.ts'
import { type LaidTask, type Layout, type LinkName } from '../task/layout.ts'
import { NO_COUNTERS, readEpochRow } from '../task/meta.ts'
import type { CommitTiming } from '../task/task-parts.ts'
import type { TaskEnd } from '../task/task.ts'
import { NO_TASK } from '../metrics/job-report.ts'
import { NO_COMMITS } from '../metrics/commit-times.ts'
import { invariant, UnavailableError } from '../errors.ts'
import { sleep } from '../time/clock.ts'
import { cutInOrder } from './cut-tasks.ts'
import type { JobTasks } from './job-tasks.ts'
import type { TaskFacts } from './task-facts.ts'
import { taskFolder, type TaskRunOptions } from './task-run.ts'
import type { Announcement, FromWorker, Passed } from './worker-messages.ts'
import { viewThatCloses } from './view-that-closes.ts'
import { WorkerProcess } from './worker-process.ts'

const LOOK_MS = 20

export class ProcessTasks implements JobTasks {
  readonly #layout: Layout
  readonly #options: Pick<TaskRunOptions, 'manifest' | 'stateDir' | 'context'>
  readonly #workers: readonly WorkerProcess[]
  readonly #facts = new Map<string, TaskFacts>()
  readonly #ends = new Map<string, TaskEnd>()
  /** By link: what was said of it last. */
  readonly #announced = new Map<string, Announcement>()
  readonly #passed = new Map<string, Passed>()
  /** Tasks that have said since they took anything that nothing of them is on its way. */
  readonly #quiet = new Set<string>()
  /** Passes that are not passed on while a cut is made. */
  #held: Passed[] | undefined
  #observer: ((timing: CommitTiming) => void) | undefined

  constructor(
    layout: Layout,
    options: Pick<TaskRunOptions, 'manifest' | 'stateDir' | 'context'>,
    processes: number,
  ) {
    const { manifest, stateDir, context } = options
    this.#layout = layout
    this.#options = options
    const dealt = deal(layout.tasks, processes)
    this.#workers = dealt.map(
      (tasks) =>
        new WorkerProcess({
          tasks,
          start: () => ({
            kind: 'start',
            manifest,
            stateDir,
            mode: context.mode,
            overwrite: context.overwrite,
            tasks,
            announced: this.#known(this.#announced, 'to', tasks),
            passed: this.#known(this.#passed, 'from', tasks),
          }),
          hear: (message) => this.#hear(message),
          restart: manifest.restart,
          clock: context.clock,
          stop: context.stop,
          onDeath: (how, delayMs, attempt) =>
            context.log.warn(
              { tasks, attempt, delayMs },
              `the process of tasks ${tasks.join(', ')} ${how}, and starts again from the last durable epochs`,
            ),
        }),
    )
  }

  #known<Said extends { readonly link: LinkName }>(
    said: ReadonlyMap<string, Said>,
    end: 'from' | 'to',
    tasks: readonly string[],
  ): Said[] {
    return [...said.values()].filter(({ link }) => tasks.includes(link[end]))
  }

  async run(): Promise<readonly TaskEnd[]> {
    const running = this.#workers.map((worker) => worker.run())
    try {
      await Promise.all(running)
    } catch (error) {
      this.stop()
      await Promise.allSettled(running)
      throw error
    }
    return this.#layout.tasks.map(({ task }) => this.#ends.get(task) ?? 'stopped')
  }

  stop(): void {
    for (const worker of this.#workers) worker.stop()
  }

  async drain(signal: AbortSignal): Promise<void> {
    for (const worker of this.#workers) worker.pauseSources()
    while (!signal.aborted && !this.#isQuiet) {
      await sleep(this.#options.context.clock, LOOK_MS, signal)
    }
  }

  get #isQuiet(): boolean {
    const isTaken = [...this.#announced].every(
      ([link, { number }]) => (this.#passed.get(link)?.number ?? 0) >= number,
    )
    return isTaken && this.#layout.tasks.every(({ task }) => this.#quiet.has(task))
  }

  get facts(): readonly TaskFacts[] {
    return this.#layout.tasks.map(({ task }) => this.#facts.get(task) ?? unknownTask(task))
  }

  observeCommits(observer: (timing: CommitTiming) => void): void {
    this.#observer = observer
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case 'announced': {
        const { announcement } = message
        this.#announced.set(nameOf(announcement.link), announcement)
        this.#workerOf(announcement.link.to).tell({ kind: 'announced', announcement })
        return
      }
      case 'passed':
        // What it has taken may make more: it was quiet before.
        this.#quiet.delete(message.passed.link.to)
        if (this.#held === undefined) this.#pass(message.passed)
        else this.#held.push(message.passed)
        return
      case 'facts':
        for (const facts of message.facts) {
          this.#facts.set(facts.task, facts)
          if (facts.isQuiet) this.#quiet.add(facts.task)
          else this.#quiet.delete(facts.task)
        }
        return
      case 'committed':
        for (const timing of message.timings) this.#observer?.(timing)
        return
      case 'log':
        this.#options.context.log[message.level](message.fields, message.line)
        return
      case 'ended':
        this.#ends.set(message.task, message.end)
        return
      case 'answer':
      case 'failed':
      case 'done':
    }
  }

  #pass(passed: Passed): void {
    this.#passed.set(nameOf(passed.link), passed)
    this.#workerOf(passed.link.from).tell({ kind: 'passed', passed })
  }

  #workerOf(task: string): WorkerProcess {
    const worker = this.#workers.find(({ tasks }) => tasks.includes(task))
    invariant(worker !== undefined, `task ${task} runs somewhere`)
    return worker
  }

  async cut(): Promise<readonly TaskCut[]> {
    this.#held ??= []
    try {
      await Promise.all(this.#workers.map((worker) => worker.ask({ kind: 'hold' })))
      const pids = this.#workers.map(({ pid }) => pid)
      const cuts = await cutInOrder(this.#layout, (task) => this.#cutTask(task))
      // One that died and is there again holds nothing: its tasks may have trimmed what others' views have still to read.
      if (this.#workers.every(({ pid }, i) => pid === undefined || pid === pids[i])) return cuts
      for (const { view } of cuts) view.close()
      throw new UnavailableError(
        'a process of tasks was started again while all were cut; try again',
      )
    } finally {
      for (const passed of this.#held) this.#pass(passed)
      this.#held = undefined
      // One that died meanwhile holds nothing.
      await Promise.allSettled(this.#workers.map((worker) => worker.ask({ kind: 'release' })))
    }
  }

  /**
   * The view is opened here, and shows the newest epoch that is committed then: it is good once that epoch
   * is durable, which its process is asked for.
   */
  async #cutTask(task: string): Promise<TaskCut> {
    if (this.#ends.get(task) === 'finished') return await this.#viewOf(task, undefined)
    const worker = this.#workerOf(task)
    await worker.ask({ kind: 'cut', task, epoch: 0 })
    return await this.#viewOf(task, worker)
  }

  async #viewOf(task: string, worker: WorkerProcess | undefined): Promise<TaskCut> {
    const store = new LmdbStore(taskFolder(this.#options.stateDir, task), { readOnly: true })
    const view = viewThatCloses(store)
    try {
      const epoch = readEpochRow(view)?.epoch
      if (epoch === undefined) throw new UnavailableError(`task ${task} has committed nothing yet`)
      await worker?.ask({ kind: 'cut', task, epoch })
      return { task, epoch, view }
    } catch (error) {
      view.close()
      throw error
    }
  }
}

/** Tasks in turn: neighbours in the order of records are in different processes. */
function deal(tasks: readonly LaidTask[], processes: number): string[][] {
  const dealt: string[][] = Array.from({ length: processes }, () => [])
  for (const [i, { task }] of tasks.entries()) dealt[i % processes]?.push(task)
  return dealt
}

const nameOf = ({ exchange, from, to }: LinkName): string => `${exchange}/${from}/${to}`

const unknownTask = (task: string): TaskFacts => ({
  task,
  state: 'restoring',
  restarts: 0,
  counters: NO_COUNTERS,
  recordsRead: 0,
  epoch: 0,
  watermarks: [],
  extents: [],
  phase: undefined,
  wasFinished: false,
  isQuiet: false,
  lateness: [],
  report: NO_TASK,
  commits: NO_COMMITS,
})
