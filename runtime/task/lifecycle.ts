/**
 * The life of a job's task as a statechart: restoring → running → draining → stopped or finished; after
 * a failure that may pass, backing off → restoring again; and where a batch goes over to live, restoring
 * again at once.
 */
import { createRequire } from 'node:module'
import type * as XState from 'xstate'
import { isFinal, UnavailableError } from '../errors.ts'
import type { Clock } from '../time/clock.ts'
import { sleep } from '../time/clock.ts'
import type { Task, TaskEnd } from './task.ts'

/** By require, which loads it in half the time: every start waits for it. */
const { assign, createActor, fromPromise, setup } = createRequire(import.meta.url)(
  'xstate',
) as typeof XState

export interface RestartStrategy {
  readonly strategy: 'exponential' | 'fixed' | 'none'
  /** Failures in a row after which the job gives up. */
  readonly attemptsMax: number
  readonly delayMs: number
  readonly delayMaxMs: number
}

export const LIFE_STATES = [
  'restoring',
  'running',
  'draining',
  'backingOff',
  'stopped',
  'finished',
  'failed',
] as const
export type LifeState = (typeof LIFE_STATES)[number]

export interface LifecycleOptions {
  readonly open: () => Promise<Task>
  readonly restart: RestartStrategy
  readonly clock: Clock
  readonly onRestart: (error: unknown, delayMs: number, attempt: number) => void
  /** Told what kept the task from opening when it was asked to stop meanwhile. */
  readonly onStoppedWhileAway: (error: unknown) => void
}

/** A run of this length counts as recovered: failures before it no longer add up. */
const RECOVERED_AFTER_MS = 60_000

export function delayOf(restart: RestartStrategy, attempt: number): number {
  if (restart.strategy === 'fixed') return restart.delayMs
  return Math.min(restart.delayMaxMs, restart.delayMs * 2 ** (attempt - 1))
}

interface Context {
  readonly attempt: number
  readonly runningSince: number
  readonly error: unknown
}

export class Lifecycle {
  readonly #options: LifecycleOptions
  readonly #stopBackoff = new AbortController()
  #actor: ReturnType<Lifecycle['makeActor']> | undefined
  #task: Task | undefined
  #stopping = false
  restarts = 0

  constructor(options: LifecycleOptions) {
    this.#options = options
  }

  get state(): LifeState {
    const value: unknown = this.#actor?.getSnapshot().value ?? 'restoring'
    if (typeof value === 'string') return value as LifeState
    return (value as { running: string }).running === 'draining' ? 'draining' : 'running'
  }

  get task(): Task | undefined {
    return this.#task
  }

  /** Runs to an end. @throws the failure that was final, or the last one when attempts are used up. */
  async run(): Promise<TaskEnd> {
    const actor = this.makeActor()
    this.#actor = actor
    return await new Promise<TaskEnd>((resolve, reject) => {
      actor.subscribe({
        next: (snapshot) => {
          if (snapshot.status !== 'done') return
          if (snapshot.value === 'failed') reject(snapshot.context.error)
          else resolve(snapshot.value === 'finished' ? 'finished' : 'stopped')
        },
        error: reject,
      })
      actor.start()
    })
  }

  /** Finishes the epoch and ends. */
  stop(): void {
    this.#stopping = true
    this.#stopBackoff.abort()
    this.#task?.stop()
    this.#actor?.send({ type: 'stop' })
  }

  async #attempt(): Promise<TaskEnd> {
    const task = this.#task
    if (task === undefined) throw new Error('a task runs after it was opened')
    try {
      return await task.run()
    } finally {
      await task.close()
    }
  }

  async #open(): Promise<void> {
    this.#task = undefined
    this.#task = await this.#options.open()
    if (this.#stopping) this.#task.stop()
  }

  /** The machine. Not private, because its type is taken from it. */
  makeActor() {
    const { clock, restart, onRestart, onStoppedWhileAway } = this.#options
    const machine = setup({
      types: { context: {} as Context, events: {} as { readonly type: 'stop' } },
      actors: {
        open: fromPromise(() => this.#open()),
        run: fromPromise(() => this.#attempt()),
        backOff: fromPromise<void, { attempt: number; error: unknown }>(async ({ input }) => {
          const delayMs = delayOf(restart, input.attempt)
          this.restarts += 1
          onRestart(input.error, delayMs, input.attempt)
          await sleep(clock, delayMs, this.#stopBackoff.signal)
        }),
      },
      actions: {
        noteRunning: assign({ runningSince: () => clock.monotonic() }),
        noteFailure: assign(({ context, event }) => {
          const recovered = clock.monotonic() - context.runningSince > RECOVERED_AFTER_MS
          return {
            error: (event as unknown as { error: unknown }).error,
            attempt: recovered ? 1 : context.attempt + 1,
          }
        }),
      },
      guards: {
        mayPass: ({ context, event }) =>
          !this.#stopping &&
          restart.strategy !== 'none' &&
          context.attempt < restart.attemptsMax &&
          !isFinal((event as unknown as { error: unknown }).error),
        goesOnLive: ({ event }) => (event as unknown as { output: TaskEnd }).output === 'live',
        isFinished: ({ event }) => (event as unknown as { output: TaskEnd }).output === 'finished',
        /** Asked to stop while it waited for something outside: nothing has begun, nothing is lost. */
        isStoppedWhileAway: ({ event }) =>
          this.#stopping &&
          (event as unknown as { error: unknown }).error instanceof UnavailableError,
        isStopping: () => this.#stopping,
      },
    }).createMachine({
      id: 'task',
      initial: 'restoring',
      context: { attempt: 0, runningSince: Number.POSITIVE_INFINITY, error: undefined },
      states: {
        restoring: {
          invoke: {
            src: 'open',
            onDone: { target: 'running', actions: 'noteRunning' },
            onError: [
              {
                target: 'stopped',
                guard: 'isStoppedWhileAway',
                actions: ({ event }) => onStoppedWhileAway(event.error),
              },
              { target: 'backingOff', guard: 'mayPass', actions: 'noteFailure' },
              { target: 'failed', actions: 'noteFailure' },
            ],
          },
        },
        running: {
          on: { stop: '.draining' },
          initial: 'working',
          states: { working: {}, draining: {} },
          invoke: {
            src: 'run',
            onDone: [
              { target: 'finished', guard: 'isFinished' },
              { target: 'restoring', guard: 'goesOnLive' },
              { target: 'stopped' },
            ],
            onError: [
              { target: 'backingOff', guard: 'mayPass', actions: 'noteFailure' },
              { target: 'failed', actions: 'noteFailure' },
            ],
          },
        },
        backingOff: {
          invoke: {
            src: 'backOff',
            input: ({ context }) => ({ attempt: context.attempt, error: context.error }),
            onDone: [{ target: 'stopped', guard: 'isStopping' }, { target: 'restoring' }],
          },
        },
        stopped: { type: 'final' },
        finished: { type: 'final' },
        failed: { type: 'final' },
      },
    })
    return createActor(machine)
  }
}
