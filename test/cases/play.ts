/**
 * Plays the steps of a case and compares what comes out of each: straight, and with a death between
 * any two steps.
 */
import { expect } from 'vitest'
import type { TestJob } from 'millrace/testing'

/** A step cut so small that nothing is between its parts: one record, one watermark. */
export interface SmallStep {
  readonly run: (t: TestJob) => void
  /** What has to have come out by now, since the step before that says something. */
  readonly expected: Outcome | undefined
  /** For messages. */
  readonly text: string
}

export interface Outcome {
  readonly gives: readonly string[]
  readonly late: readonly string[]
}

/** Reads what a job has given so far, as words. */
export type ReadOutcome = (t: TestJob, isLong: boolean) => Promise<Outcome>

/** What happens behind each step. */
export type Between = (t: TestJob) => void | Promise<void>

/** Steps behind which a death is tried alone, of so many: a few of them, the last among them. */
export function fewOf(steps: readonly SmallStep[], countMax = 4): number[] {
  const count = Math.min(countMax, steps.length)
  return Array.from({ length: count }, (_, i) => Math.ceil(((i + 1) * steps.length) / count) - 1)
}

export const sorted = (words: readonly string[]): string[] => words.toSorted()

/** Whether a case says of its results which pane they are. */
export const saysPanes = (words: readonly string[]): boolean =>
  words.some((word) => word.includes('#'))

/**
 * @param between what happens after each step.
 * @param arrange how the results of one step are put before they are compared: keys are in no order.
 */
export async function playSteps(
  t: TestJob,
  steps: readonly SmallStep[],
  read: ReadOutcome,
  between: Between = () => undefined,
  arrange: (words: readonly string[]) => readonly string[] = sorted,
): Promise<void> {
  const isLong = steps.some(({ expected }) => saysPanes(expected?.gives ?? []))
  let [given, late] = [0, 0]
  for (const step of steps) {
    step.run(t)
    await between(t)
    if (step.expected === undefined) continue
    const outcome = await read(t, isLong)
    const now = { gives: outcome.gives.slice(given), late: outcome.late.slice(late) }
    expect({ gives: arrange(now.gives), late: now.late }, `after ${step.text}`).toEqual({
      gives: arrange(step.expected.gives),
      late: step.expected.late,
    })
    given = outcome.gives.length
    late = outcome.late.length
  }
}

/**
 * All steps without looking, with a death behind one of them: whatever was not durable by then is
 * made once more, in batches of another size.
 */
export async function playThroughDeath(
  t: TestJob,
  steps: readonly SmallStep[],
  read: ReadOutcome,
  death: { readonly behind: number; readonly isDurable: boolean; readonly kind: 'crash' | 'kill' },
): Promise<void> {
  for (const [i, step] of steps.entries()) {
    step.run(t)
    if (i !== death.behind) continue
    if (death.isDurable) await t.settled()
    t[death.kind]()
  }
  const expected = steps.flatMap((step) => step.expected ?? [])
  const gives = expected.flatMap((outcome) => outcome.gives)
  const outcome = await read(t, saysPanes(gives))
  expect(
    { gives: sorted(outcome.gives), late: sorted(outcome.late) },
    `${death.kind} behind ${steps[death.behind]?.text ?? ''}`,
  ).toEqual({ gives: sorted(gives), late: sorted(expected.flatMap(({ late }) => late)) })
}

/** What a case says of a batch, where it says what comes out. */
export function batchOutcome(batch: readonly string[] | Outcome | undefined): Outcome {
  if (batch === undefined) return { gives: [], late: [] }
  return 'gives' in batch ? batch : { gives: batch, late: [] }
}

/** `key value [start,end)` → `key [start,end)`: which window a result is of. */
export const windowOf = (word: string): string => {
  const [key, , window] = word.split(' ')
  return `${key ?? ''} ${window ?? ''}`
}

/** The last result of each window. */
export function finals(words: readonly string[]): string[] {
  return sorted([...new Map(words.map((word) => [windowOf(word), word])).values()])
}
