/** How long epochs were open, and how long their commits took until they were durable. */
import type { CommitTiming } from '../task/task-parts.ts'

/** Of the commits of a run. */
export interface CommitSummary {
  readonly commits: number
  readonly lastEpochMs: number
  readonly lastCommitMs: number
  readonly meanCommitMs: number
  readonly longestCommitMs: number
}

export const NO_COMMITS: CommitSummary = {
  commits: 0,
  lastEpochMs: 0,
  lastCommitMs: 0,
  meanCommitMs: 0,
  longestCommitMs: 0,
}

export class CommitTimes {
  #commits = 0
  #totalMs = 0
  #longestMs = 0
  #last: CommitTiming = { epochMs: 0, commitMs: 0 }
  /** Told of each commit, when somebody counts them. */
  observer: ((timing: CommitTiming) => void) | undefined

  note(timing: CommitTiming): void {
    this.#commits += 1
    this.#totalMs += timing.commitMs
    this.#longestMs = Math.max(this.#longestMs, timing.commitMs)
    this.#last = timing
    this.observer?.(timing)
  }

  get summary(): CommitSummary {
    return {
      commits: this.#commits,
      lastEpochMs: this.#last.epochMs,
      lastCommitMs: this.#last.commitMs,
      meanCommitMs: this.#commits === 0 ? 0 : this.#totalMs / this.#commits,
      longestCommitMs: this.#longestMs,
    }
  }
}
