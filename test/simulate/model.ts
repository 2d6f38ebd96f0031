/**
 * What a run has to give, computed in one pass over the input by plain functions that know nothing of
 * the runtime: no state that is kept, no epochs, no restarts. Slow and obvious.
 */
import {
  type Branch,
  CHAINED_MS,
  GAP_MS,
  type JobPlan,
  lateSinkOf,
  SIZE_MS,
  SLIDE_MS,
  TIMER_MS,
  WITHIN,
} from './job.ts'
import type { Flaw, Item, Message } from './records.ts'

export interface ModelTime {
  /** How far records may be behind the newest; undefined: time goes on at the end of the input only. */
  readonly outOfOrderMs: number | undefined
  /** Whether the input ends. */
  readonly ends: boolean
}

/** One result of a sink: its key, and what else is known of it beforehand. */
export interface Row {
  readonly k: string
  readonly text: string
}

export interface Expected {
  /** By sink; each key's in their order, but those of joins. */
  readonly sinks: ReadonlyMap<string, readonly Row[]>
  /** Place and reason of what is set aside. */
  readonly deadLetters: readonly string[]
  /** Newest number by key. */
  readonly newest: ReadonlyMap<string, number>
  readonly records: number
  readonly late: number
}

/** Messages by the number under which the log has them. */
export type Input = readonly { readonly sequence: number; readonly message: Message }[]

interface Inputs {
  readonly items: Input
  readonly others: Input
}

export const deadLetterOf = (source: string, sequence: number, reason: Flaw | 'late'): string =>
  `${source} @ ${sequence}: ${reason}`

const rowOf = (k: string, rest: Readonly<Record<string, unknown>>): Row => ({
  k,
  text: JSON.stringify(rest),
})

/** One record after the other, with how far time has come before it and behind it. */
interface Step {
  readonly item: Item
  readonly sequence: number
  readonly before: number
  readonly behind: number
}

function stepsOf(input: Input, { outOfOrderMs }: ModelTime): Step[] {
  let watermark = Number.NEGATIVE_INFINITY
  return input.flatMap(({ sequence, message: { item } }) => {
    if (item === undefined) return []
    const before = watermark
    if (outOfOrderMs !== undefined) watermark = Math.max(watermark, item.t - outOfOrderMs - 1)
    return [{ item, sequence, before, behind: watermark }]
  })
}

const startsOf = (time: number, sizeMs: number, slideMs: number): number[] => {
  const starts: number[] = []
  const last = Math.floor(time / slideMs) * slideMs
  for (let start = last; start > time - sizeMs; start -= slideMs) starts.push(start)
  return starts.toReversed()
}

interface Outcome {
  readonly rows: Row[]
  readonly late: Step[]
}

interface Timed {
  readonly k: string
  readonly t: number
  readonly n: number
}

/** Sums in windows of one size; each is given when time has come to its end. */
function windowsOf(
  steps: readonly (Omit<Step, 'item'> & { readonly item: Timed })[],
  until: number,
  { sizeMs, slideMs }: { sizeMs: number; slideMs: number },
): { k: string; start: number; n: number; sum: number }[] {
  const windows = new Map<string, { k: string; start: number; n: number; sum: number }>()
  for (const { item, before } of steps) {
    for (const start of startsOf(item.t, sizeMs, slideMs)) {
      if (start + sizeMs - 1 <= before) continue
      const name = JSON.stringify([item.k, start])
      const window = windows.get(name) ?? { k: item.k, start, n: 0, sum: 0 }
      windows.set(name, { ...window, n: window.n + 1, sum: window.sum + item.n })
    }
  }
  return [...windows.values()]
    .filter(({ start }) => start + sizeMs - 1 <= until)
    .toSorted((a, b) => a.start - b.start)
}

function slidingOutcome(steps: readonly Step[], until: number, slideMs: number): Outcome {
  const windows = windowsOf(steps, until, { sizeMs: SIZE_MS, slideMs })
  return {
    rows: windows.map(({ k, ...rest }) => rowOf(k, rest)),
    late: steps.filter(({ item, before }) =>
      startsOf(item.t, SIZE_MS, slideMs).every((start) => start + SIZE_MS - 1 <= before),
    ),
  }
}

function chainedRows(steps: readonly Step[], until: number): Row[] {
  const inner = windowsOf(steps, until, { sizeMs: SIZE_MS, slideMs: SIZE_MS })
  const results = inner.map(({ k, start, sum }) => ({
    item: { k, t: start + SIZE_MS - 1, n: sum },
    sequence: 0,
    before: Number.NEGATIVE_INFINITY,
    behind: Number.NEGATIVE_INFINITY,
  }))
  return windowsOf(results, until, { sizeMs: CHAINED_MS, slideMs: CHAINED_MS }).map(
    ({ k, ...rest }) => rowOf(k, rest),
  )
}

function sessionsOutcome(steps: readonly Step[], until: number): Outcome {
  interface Session {
    readonly k: string
    readonly start: number
    readonly end: number
    readonly n: number
    readonly sum: number
  }
  let open: Session[] = []
  const rows: Row[] = []
  const late: Step[] = []
  const fire = (watermark: number): void => {
    const over = open.filter(({ end }) => end - 1 <= watermark).toSorted((a, b) => a.end - b.end)
    open = open.filter(({ end }) => end - 1 > watermark)
    for (const { k, start, n, sum } of over) rows.push(rowOf(k, { start, n, sum }))
  }
  for (const step of steps) {
    const { item, before, behind } = step
    const met = open.filter(
      ({ k, start, end }) => k === item.k && start <= item.t + GAP_MS && item.t <= end,
    )
    const merged = {
      k: item.k,
      start: Math.min(item.t, ...met.map(({ start }) => start)),
      end: Math.max(item.t + GAP_MS, ...met.map(({ end }) => end)),
      n: met.reduce((sum, { n }) => sum + n, 1),
      sum: met.reduce((sum, of) => sum + of.sum, item.n),
    }
    if (merged.end - 1 <= before) late.push(step)
    else open = [...open.filter((of) => !met.includes(of)), merged]
    fire(behind)
  }
  fire(until)
  return { rows, late }
}

/** Each record, and each key's timer when time has come to it; a later record puts it off. */
function stepRows(steps: readonly Step[], until: number): Row[] {
  const rows: Row[] = []
  const timers = new Map<string, number>()
  const fire = (watermark: number): void => {
    for (const [k, at] of timers) {
      if (at > watermark) continue
      timers.delete(k)
      rows.push({ k, text: '0' })
    }
  }
  for (const { item, behind } of steps) {
    rows.push({ k: item.k, text: String(item.n) })
    timers.set(item.k, item.t + TIMER_MS)
    fire(behind)
  }
  fire(until)
  return rows
}

function joinRows(items: readonly Step[], others: readonly Step[]): Row[] {
  const [lower, upper] = WITHIN
  return items.flatMap(({ item }) =>
    others.flatMap(({ item: other }) => {
      const distance = other.t - item.t
      const meets = item.k === other.k && distance >= lower && distance <= upper
      return meets ? [rowOf(item.k, { l: item.n, r: other.n })] : []
    }),
  )
}

export function expectedOf(plan: JobPlan, { items, others }: Inputs, time: ModelTime): Expected {
  const steps = stepsOf(items, time)
  const otherSteps = stepsOf(others, time)
  const until = time.ends
    ? Number.POSITIVE_INFINITY
    : (steps.at(-1)?.behind ?? Number.NEGATIVE_INFINITY)
  const sinks = new Map<string, Row[]>()
  const deadLetters: string[] = []
  let late = 0
  const outcome = (branch: Branch, of: Outcome): void => {
    sinks.set(branch, of.rows)
    late += of.late.length
    const sink = lateSinkOf(branch, plan)
    if (sink !== undefined) {
      sinks.set(
        sink,
        of.late.map(({ item: { k, n } }) => rowOf(k, { n })),
      )
    } else
      deadLetters.push(...of.late.map(({ sequence }) => deadLetterOf('ITEMS', sequence, 'late')))
  }
  for (const branch of plan.branches) {
    switch (branch) {
      case 'steps':
        sinks.set(branch, stepRows(steps, until))
        break
      case 'tumbling':
        outcome(branch, slidingOutcome(steps, until, SIZE_MS))
        break
      case 'sliding':
        outcome(branch, slidingOutcome(steps, until, SLIDE_MS))
        break
      case 'sessions':
        outcome(branch, sessionsOutcome(steps, until))
        break
      case 'chained': {
        sinks.set(branch, chainedRows(steps, until))
        const { late: tooLate } = slidingOutcome(steps, until, SIZE_MS)
        late += tooLate.length
        deadLetters.push(...tooLate.map(({ sequence }) => deadLetterOf('ITEMS', sequence, 'late')))
        break
      }
      case 'join':
        sinks.set(branch, joinRows(steps, otherSteps))
        break
      case 'newest':
    }
  }
  for (const [name, input] of [
    ['ITEMS', items],
    ['OTHERS', others],
  ] as const) {
    for (const { sequence, message } of input) {
      if (message.flaw !== undefined) deadLetters.push(deadLetterOf(name, sequence, message.flaw))
    }
  }
  return {
    sinks,
    deadLetters,
    // By time; of equal times the later one.
    newest: new Map(
      steps.toSorted((a, b) => a.item.t - b.item.t).map(({ item }) => [item.k, item.n]),
    ),
    records: steps.length + otherSteps.length,
    late,
  }
}
