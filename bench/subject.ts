/** What a benchmark is: one subject a file in subjects/, listed in run.ts. */

/** `small` shows that everything works and agrees; its figures mean nothing. */
export type Size = 'full' | 'small'

export interface RunOptions {
  readonly size: Size
  /** How often each side of a comparison runs, in turns. */
  readonly rounds: number
  /** Tells a person what is going on. */
  readonly progress: (text: string) => void
}

/** One line of the table. */
export interface Row {
  readonly what: string
  readonly ours: string
  /** Empty where there is none. */
  readonly baseline: string
  /** Ours in relation to the baseline, and how far the rounds were apart. */
  readonly ratio: string
  readonly goal: string
  readonly met: boolean
}

export interface Subject {
  /** For --only. */
  readonly name: string
  measure(options: RunOptions): Promise<readonly Row[]>
}
