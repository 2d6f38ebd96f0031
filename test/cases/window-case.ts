/** The cases of windows: their steps and what comes of them. */
import type { TestJob } from 'millrace/testing'
import type { WindowCase, WindowStep } from './case-file.ts'
import type { Item } from './case-job.ts'
import type { Outcome, SmallStep } from './play.ts'

/** A result as a sink has it. */
export interface WindowCaseResult {
  readonly key: string
  readonly value: number | string
  readonly window: { readonly start: number | null; readonly end: number | null }
  readonly pane: { readonly timing: string; readonly index: number; readonly isLast: boolean }
  readonly time: number
  readonly retract?: true
}

/** `key=value@time`; the value is 1 when none is given. */
export function itemOf(word: string): Item {
  const match = /^([^=@]+)(?:=(-?\d+))?@(-?\d+)$/.exec(word)
  if (match === null) throw new Error(`'${word}' is no record: write key=value@time`)
  return { key: match[1] as string, n: Number(match[2] ?? 1), timestamp: Number(match[3]) }
}

export const itemsOf = (words: string): Item[] => words.trim().split(/\s+/).map(itemOf)

/** The records of a case in their order, as a batch has them. */
export const allItems = ({ steps }: WindowCase): Item[] =>
  steps.flatMap((step) => ('records' in step ? itemsOf(step.records) : []))

/** A late record as cases say it. */
export const lateText = ({ key, n, timestamp }: Item): string => `${key}=${n}@${timestamp}`

/** What a job has given so far. */
export const readWindows = async (t: TestJob, isLong: boolean): Promise<Outcome> => ({
  gives: (await t.output<WindowCaseResult>('results')).map((result) => resultText(result, isLong)),
  late: (await t.output<Item>('late')).map(lateText),
})

/** A result as cases say it; with its pane, when that is to be told. */
export function resultText(
  { key, value, window, pane, time, retract }: WindowCaseResult,
  isLong: boolean,
): string {
  const { start, end } = window
  const isAll = start === null && end === null
  // Flink's rule: the time of a result is the last time inside its window.
  const timeText = isAll || end === null || time === end - 1 ? '' : ` at ${time}`
  const interval = isAll ? 'all' : `[${String(start)},${String(end)})`
  const short = `${key} ${value} ${interval}${retract === true ? ' retracted' : ''}${timeText}`
  return isLong ? `${short} ${pane.timing}#${pane.index}${pane.isLast ? ' last' : ''}` : short
}

/** The steps of a case one by one; the clock's steps are from one time to the next. */
export function smallSteps({ steps }: WindowCase): SmallStep[] {
  let clock = 0
  return steps.flatMap((step): SmallStep[] => {
    const expected: Outcome = { gives: step.gives ?? [], late: step.late ?? [] }
    if ('records' in step) return recordSteps(step.records, expected)
    const text = JSON.stringify(step)
    if (!('clock' in step)) return [{ text, expected, run: (t) => runOther(t, step) }]
    const by = step.clock - clock
    clock = step.clock
    return [{ text, expected, run: (t) => t.advanceClock(by) }]
  })
}

function recordSteps(records: string, expected: Outcome): SmallStep[] {
  const words = records.trim().split(/\s+/)
  return words.map((word, i) => ({
    text: word,
    expected: i === words.length - 1 ? expected : undefined,
    run: (t) => t.push('records', itemOf(word)),
  }))
}

function runOther(t: TestJob, step: WindowStep): void {
  if ('watermark' in step) t.advanceWatermark('records', step.watermark)
  else if ('end' in step) t.endInput('records')
  else t.crash()
}
