/** A moment of a task at which others may look at it: the end of a durable epoch, frozen. */
import { UnavailableError } from '../errors.ts'
import type { Store, StoreView } from '../state/store.ts'

export interface Cut {
  /** The newest epoch in the view; durable. */
  readonly epoch: number
  /** Closed by who asked for the cut. */
  readonly view: StoreView
}

interface Asker {
  readonly resolve: (cut: Cut) => void
  readonly reject: (error: Error) => void
}

/** Those who wait for a cut; the task answers them all at its next durable epoch. */
export class CutRequests {
  #askers: Asker[] = []
  #isOver = false

  get isWanted(): boolean {
    return this.#askers.length > 0
  }

  /** @throws UnavailableError when the task ends before. */
  async ask(): Promise<Cut> {
    if (this.#isOver) throw taskEnded()
    return await new Promise((resolve, reject) => {
      this.#askers.push({ resolve, reject })
    })
  }

  /** Called when an epoch is durable and no commit is in flight. */
  answer(epoch: number, store: Store): void {
    const askers = this.#askers
    this.#askers = []
    for (const { resolve, reject } of askers) {
      try {
        resolve({ epoch, view: store.view() })
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    }
  }

  /** The task ends: there will be no cut any more. */
  end(): void {
    this.#isOver = true
    const askers = this.#askers
    this.#askers = []
    for (const { reject } of askers) reject(taskEnded())
  }
}

const taskEnded = (): UnavailableError =>
  new UnavailableError('the task ended before its state could be looked at; try again')
