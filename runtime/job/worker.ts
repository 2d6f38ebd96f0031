/**
 * The process of some of a job's tasks: started by the job's process, which holds the lock of the state
 * folder, and ended with it. It takes a lock in each of its tasks' folders, so that a process that is left
 * over and one that takes its place never write one store.
 */
import { reasonOf, StateError } from '../errors.ts'
import { type LinkName, type Links, linksOf, type Layout, placeOf } from '../task/layout.ts'
import { LocalLinks, type ReadingEnd, type SendingEnd } from '../task/exchange-link.ts'
import type { CommitTiming } from '../task/task-parts.ts'
import { systemClock } from '../time/clock.ts'
import { layoutOf } from './job-layout.ts'
import { loadJob } from './load-job.ts'
import { paceOf } from './phase.ts'
import { RemoteReadingEnd, RemoteSendingEnd, SenderStore } from './remote-links.ts'
import type { RunLog } from './run-context.ts'
import { holderOf, lockState, untilFree } from './state-lock.ts'
import { taskFolder, TaskRun } from './task-run.ts'
import { failureOf } from './worker-failure.ts'
import type { FromWorker, LogLevel, ToWorker } from './worker-messages.ts'

/** How often the job's process is told how the tasks stand. */
const FACTS_EVERY_MS = 100

type Start = Extract<ToWorker, { kind: 'start' }>

const say = (message: FromWorker): void => {
  if (process.connected) process.send?.(message)
}

const log: RunLog = {
  info: (fields, line) => sayLine('info', fields, line),
  warn: (fields, line) => sayLine('warn', fields, line),
  error: (fields, line) => sayLine('error', fields, line),
}

function sayLine(level: LogLevel, fields: object, line: string): void {
  say({ kind: 'log', level, fields, line })
}

class Worker {
  readonly #stop = new AbortController()
  readonly #local = new LocalLinks()
  readonly #sending = new Map<string, RemoteSendingEnd>()
  readonly #reading = new Map<string, RemoteReadingEnd>()
  readonly #stores = new Map<string, SenderStore>()
  readonly #tasks: readonly TaskRun[]
  readonly #stateDir: string
  /** Of commits that the job's process is still to be told of. */
  #timings: CommitTiming[] = []
  #stopTelling = (): void => undefined

  constructor(start: Start, layout: Layout, definition: Awaited<ReturnType<typeof loadJob>>) {
    const { manifest, stateDir, mode, overwrite } = start
    this.#stateDir = stateDir
    const pace = paceOf(manifest.speed, systemClock)
    const links = this.#linksFor(layout, new Set(start.tasks))
    for (const announcement of start.announced)
      this.#reading.get(nameOf(announcement.link))?.noteAnnounced(announcement)
    for (const { link, number } of start.passed) this.#sending.get(nameOf(link))?.notePassed(number)
    this.#tasks = layout.tasks
      .filter(({ task }) => start.tasks.includes(task))
      .map(
        (laid) =>
          new TaskRun({
            manifest,
            definition,
            stateDir,
            laid,
            place: placeOf(layout, laid, links),
            context: { mode, overwrite, log, clock: systemClock, stop: this.#stop.signal },
            pace,
            logged: (_, store) => store,
          }),
      )
    if (manifest.metrics === undefined) return
    for (const { commits } of this.#tasks) {
      commits.observer = (timing) => this.#timings.push(timing)
    }
  }

  #linksFor(layout: Layout, own: ReadonlySet<string>): Links {
    for (const link of linksOf(layout)) {
      const isFromHere = own.has(link.from)
      if (isFromHere === own.has(link.to)) continue
      if (isFromHere) {
        const end = new RemoteSendingEnd(link, (announcement) =>
          say({ kind: 'announced', announcement }),
        )
        this.#sending.set(nameOf(link), end)
      } else {
        const end = new RemoteReadingEnd(link, this.#storeOf(link.from), (passed) =>
          say({ kind: 'passed', passed }),
        )
        this.#reading.set(nameOf(link), end)
      }
    }
    return {
      sending: (link): SendingEnd => this.#sending.get(nameOf(link)) ?? this.#local.sending(link),
      reading: (link): ReadingEnd => this.#reading.get(nameOf(link)) ?? this.#local.reading(link),
    }
  }

  #storeOf(task: string): SenderStore {
    const store = this.#stores.get(task) ?? new SenderStore(taskFolder(this.#stateDir, task))
    this.#stores.set(task, store)
    return store
  }

  async run(): Promise<void> {
    this.#tellFromTimeToTime()
    try {
      await Promise.all(
        this.#tasks.map(async (task) => {
          const end = await task.run()
          say({ kind: 'ended', task: task.task, end })
        }),
      )
    } catch (error) {
      say({ kind: 'failed', failure: failureOf(error) })
      this.stop()
    } finally {
      this.#stopTelling()
      this.#tellFacts()
      for (const store of this.#stores.values()) await store.close()
    }
  }

  #tellFromTimeToTime(): void {
    this.#tellFacts()
    this.#stopTelling = systemClock.after(FACTS_EVERY_MS, () => this.#tellFromTimeToTime())
  }

  #tellFacts(): void {
    say({ kind: 'facts', facts: this.#tasks.map(({ facts }) => facts) })
    if (this.#timings.length === 0) return
    say({ kind: 'committed', timings: this.#timings })
    this.#timings = []
  }

  stop(): void {
    this.#stop.abort()
    for (const task of this.#tasks) task.stop()
  }

  hear(message: ToWorker): void {
    switch (message.kind) {
      case 'start':
        return
      case 'announced':
        this.#reading.get(nameOf(message.announcement.link))?.noteAnnounced(message.announcement)
        return
      case 'passed':
        this.#sending.get(nameOf(message.passed.link))?.notePassed(message.passed.number)
        return
      case 'pause':
        for (const task of this.#tasks) task.pauseSources()
        return
      case 'stop':
        this.stop()
        return
      case 'hold':
        this.#local.hold()
        say({ kind: 'answer', id: message.id })
        return
      case 'release':
        this.#local.release()
        say({ kind: 'answer', id: message.id })
        return
      case 'cut':
        void this.#cut(message)
    }
  }

  async #cut({ id, task: name, epoch }: Extract<ToWorker, { kind: 'cut' }>): Promise<void> {
    try {
      const task = this.#tasks.find((run) => run.task === name)
      for (;;) {
        const cut = await task?.cut()
        cut?.view.close()
        if (cut === undefined || cut.epoch >= epoch) break
      }
      say({ kind: 'answer', id })
    } catch (error) {
      say({ kind: 'answer', id, failure: failureOf(error) })
    }
  }
}

const nameOf = ({ exchange, from, to }: LinkName): string => `${exchange}/${from}/${to}`

async function begin(start: Start): Promise<Worker> {
  if (holderOf(start.stateDir) !== process.ppid) {
    throw new StateError(
      `${start.stateDir} is not held by the process that started this one; run the job with 'millrace run'`,
    )
  }
  for (const task of start.tasks) {
    const folder = taskFolder(start.stateDir, task)
    await untilFree(folder, systemClock)
    // Given back by the end of this process: the lock of one that is no more is nobody's.
    lockState(folder)
  }
  const definition = await loadJob(start.manifest.job)
  const layout = layoutOf(definition.graph, start.manifest)
  return new Worker(start, layout, definition)
}

// Who stops the job stops it as a whole: what a terminal sends to all of its processes is the job's to hear.
process.on('SIGINT', () => undefined)
// Without the job's process nobody may go on.
process.on('disconnect', () => process.exit(0))

const early: ToWorker[] = []
let worker: Worker | undefined
process.on('message', (message: ToWorker) => {
  if (message.kind !== 'start') {
    if (worker === undefined) early.push(message)
    else worker.hear(message)
    return
  }
  begin(message)
    .then(async (begun) => {
      worker = begun
      for (const missed of early) begun.hear(missed)
      await begun.run()
    })
    .catch((error: unknown) => {
      say({ kind: 'failed', failure: failureOf(error) })
    })
    // The job's process lets go of this one once it has heard everything.
    .finally(() => say({ kind: 'done' }))
    .catch((error: unknown) => sayLine('error', {}, reasonOf(error)))
})
