/**
 * One process of tasks, as the job's process sees it: started, told and heard, and started again when it
 * dies. What it had committed is in its tasks' stores; what it was told last is told again.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { InvariantError, UnavailableError } from '../errors.ts'
import { ownFile } from '../package-files.ts'
import { delayOf, type RestartStrategy } from '../task/lifecycle.ts'
import { type Clock, sleep } from '../time/clock.ts'
import { errorOf } from './worker-failure.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

export interface WorkerProcessOptions {
  readonly tasks: readonly string[]
  /** What a new process is told first. */
  readonly start: () => Extract<ToWorker, { kind: 'start' }>
  readonly hear: (message: FromWorker) => void
  readonly restart: RestartStrategy
  readonly clock: Clock
  /** Ends the waiting before another attempt. */
  readonly stop: AbortSignal
  readonly onDeath: (how: string, delayMs: number, attempt: number) => void
}

/** A process that has run for so long counts as recovered: deaths before no longer add up. */
const RECOVERED_AFTER_MS = 60_000

export class WorkerProcess {
  readonly #options: WorkerProcessOptions
  #child: ChildProcess | undefined
  readonly #asked = new Map<number, { resolve: () => void; reject: (error: Error) => void }>()
  #nextId = 1
  #isPaused = false
  #stopped = false

  constructor(options: WorkerProcessOptions) {
    this.#options = options
  }

  get tasks(): readonly string[] {
    return this.#options.tasks
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Until all its tasks have ended. @throws what ended one of them, or the last death when attempts are used up. */
  async run(): Promise<void> {
    const { clock, restart, stop, onDeath } = this.#options
    for (let attempt = 0; ;) {
      const startedAt = clock.monotonic()
      const death = await this.#live()
      if (death === undefined || this.#stopped) return
      if (clock.monotonic() - startedAt > RECOVERED_AFTER_MS) attempt = 0
      attempt += 1
      if (restart.strategy === 'none' || attempt > restart.attemptsMax) {
        throw new UnavailableError(`${this.#who} ${death}, and was not started again`)
      }
      const delayMs = delayOf(restart, attempt)
      onDeath(death, delayMs, attempt)
      await sleep(clock, delayMs, stop)
      if (stop.aborted) return
    }
  }

  get #who(): string {
    return `the process of tasks ${this.tasks.join(', ')}`
  }

  /** One life: undefined when it came to its end, else how it died. @throws what it said has failed. */
  async #live(): Promise<string | undefined> {
    const child = fork(ownFile('runtime/job/worker'), {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child = child
    let failure: Error | undefined
    let isDone = false
    child.on('message', (message: FromWorker) => {
      if (message.kind === 'failed') failure ??= errorOf(message.failure)
      else if (message.kind === 'answer') this.#answer(message)
      else this.#options.hear(message)
      if (message.kind !== 'done') return
      isDone = true
      child.disconnect()
    })
    const death = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`could not be started: ${error.message}`))
      child.once('exit', (code, signal) =>
        resolve(signal === null ? `ended with code ${code}` : `was ended by ${signal}`),
      )
    })
    this.tell(this.#options.start())
    if (this.#isPaused) this.tell({ kind: 'pause' })
    if (this.#stopped) this.tell({ kind: 'stop' })
    const how = await death
    this.#child = undefined
    for (const { reject } of this.#asked.values())
      reject(new UnavailableError(`${this.#who} ${how}`))
    this.#asked.clear()
    if (failure !== undefined) throw failure
    return isDone ? undefined : how
  }

  tell(message: ToWorker): void {
    // A process that is gone is told everything when it is there again.
    if (this.#child?.connected === true) this.#child.send(message, () => undefined)
  }

  /** @throws UnavailableError when it is not there, or dies meanwhile. */
  async ask(
    message:
      | { readonly kind: 'hold' | 'release' }
      | { readonly kind: 'cut'; readonly task: string; readonly epoch: number },
  ): Promise<void> {
    if (this.#child?.connected !== true) throw new UnavailableError(`${this.#who} is being started`)
    const id = this.#nextId++
    await new Promise<void>((resolve, reject) => {
      this.#asked.set(id, { resolve, reject })
      this.tell({ ...message, id })
    })
  }

  #answer({ id, failure }: Extract<FromWorker, { kind: 'answer' }>): void {
    const asker = this.#asked.get(id)
    this.#asked.delete(id)
    if (asker === undefined) throw new InvariantError(`answer ${id} is to a question`)
    if (failure === undefined) asker.resolve()
    else asker.reject(errorOf(failure))
  }

  pauseSources(): void {
    this.#isPaused = true
    this.tell({ kind: 'pause' })
  }

  stop(): void {
    this.#stopped = true
    this.tell({ kind: 'stop' })
  }
}
