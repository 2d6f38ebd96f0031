/** Finds the window of a key that holds a time among what is stored of an operator's windows. */
import type { Key } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import { assignerOf } from '../../operators/window/assigner.ts'
import { CountWindows } from '../../operators/window/count.ts'
import { triggerOf } from '../../operators/window/default-trigger.ts'
import { slicedWindowsOf } from '../../operators/window/make-window-operator.ts'
import {
  CONTENTS,
  COUNT,
  endOf,
  FIRED,
  MORE,
  type OpenWindow,
  START,
  WAKE_AT,
} from '../../operators/window/open-window.ts'
import type { SlicedWindows } from '../../operators/window/window-numbers.ts'
import type { WindowSpec } from '../../operators/window/window-spec.ts'
import type { Window } from '../../operators/window/window.ts'
import { readState } from '../state/state-entry.ts'
import type { Store } from '../state/store.ts'
import type { JobRow } from '../task/meta.ts'
import type { KeyFacts, WakeTime, WindowFacts, WindowsFacts } from './facts.ts'

export interface WindowQuestion {
  readonly store: Store
  readonly job: JobRow
  readonly operator: string
  readonly windows: WindowSpec<never>
  readonly key: Key
  readonly time: Timestamp
  /** How far the windows' own clock has come. */
  readonly watermark: Timestamp
}

export interface FoundWindow {
  readonly window: WindowFacts | undefined
  readonly windowCount: number
  readonly isKnown: boolean
  readonly nearest: KeyFacts['nearest']
}

export function windowsFacts(spec: WindowSpec<never>): WindowsFacts {
  const { trigger } = triggerOf(spec)
  const { label, kind, clock, options } = spec
  const isNever =
    trigger?.label === 'never()' || (kind === 'global' && trigger?.firesEndless === 'never')
  const isCount = spec instanceof CountWindows
  return {
    label,
    kind,
    clock,
    latenessMs: clock === 'event' ? options.latenessMs : 0,
    fires:
      trigger === undefined ? 'at end' : isNever ? 'never' : isCount ? 'by count' : 'by trigger',
    trigger: trigger?.label,
    count: isCount ? (spec.every ?? spec.count) : undefined,
  }
}

/** @throws StateError when a row is damaged. */
export function findWindow(question: WindowQuestion): FoundWindow {
  const cells = question.job.operators[question.operator]?.cells ?? []
  const sliced = slicedWindowsOf(question.windows)
  if (cells[0] === 'slices:slices') return ofSlices(question)
  if (cells[0] === 'sessions:value') return ofSessions(question)
  return cells[0] === 'slices:runs' && sliced !== undefined
    ? ofManySlices(question, sliced)
    : ofOpenWindows(question)
}

/** A cell of the key as stored; no entries when there is nothing of the key. */
function entriesOf(
  { store, job, key }: WindowQuestion,
  operator: string,
  cell: string,
): readonly (readonly [unknown, unknown])[] | undefined {
  const row = job.operators[operator]
  if (row === undefined) return undefined
  const content = readState(store, operator, row, key)?.cells.find(({ name }) => name === cell)
  return content?.content as readonly (readonly [unknown, unknown])[] | undefined
}

// ── windows that are one slice each ──────────────────────────────────────────────────────────────

function ofSlices(question: WindowQuestion): FoundWindow {
  const assigner = assignerOf(question.windows)
  const [number] = assigner.windowsOf(question.time)
  const slices = entriesOf(question, question.operator, 'slices')
  const windowOf = (start: Timestamp): Window => {
    const [of] = assigner.windowsOf(start)
    return { start, end: assigner.endOf(of as number) }
  }
  const open = (slices ?? []).map(([start]) => windowOf(start as number))
  const start = assigner.startOf(number as number)
  const slice = slices?.find(([from]) => from === start)
  const { clock } = question.windows
  return {
    window: {
      ...windowOf(start),
      isOpen: slice !== undefined,
      records: undefined,
      contents: slice?.[1],
      results: slice === undefined ? undefined : 0,
      isDone: false,
      wakeTimes: [{ time: assigner.endOf(number as number) - 1, clock }],
    },
    windowCount: 1,
    isKnown: slices !== undefined,
    nearest: nearestTo(question.time, open),
  }
}

// ── sessions that are kept in a row of their key ─────────────────────────────────────────────────

type StoredSession = readonly [start: Timestamp, end: Timestamp, accumulator: unknown]

function ofSessions(question: WindowQuestion): FoundWindow {
  const { store, job, operator, key, time } = question
  const row = job.operators[operator]
  const state = row && readState(store, operator, row, key)
  const sessions = (state?.cells[0]?.content ?? []) as readonly StoredSession[]
  const found = sessions.find(([start, end]) => time >= start && time < end)
  const bounds = sessions.map(([start, end]) => ({ start, end }))
  const common = { isKnown: state !== undefined, nearest: nearestTo(time, bounds) }
  if (found === undefined) return { ...common, window: undefined, windowCount: 0 }
  const [start, end, contents] = found
  const window: WindowFacts = {
    start,
    end,
    isOpen: true,
    records: undefined,
    contents,
    results: 0,
    isDone: false,
    wakeTimes: [{ time: end - 1, clock: 'event' }],
  }
  return { ...common, window, windowCount: 1 }
}

// ── windows that are put together of slices ──────────────────────────────────────────────────────

function ofManySlices(question: WindowQuestion, windows: SlicedWindows): FoundWindow {
  const { operator, time, watermark } = question
  const { number, start, end, windowCount } = firstNotPassed(question, watermark)
  const { sliceMs, offsetMs } = windows
  const closed = entriesOf(question, operator, 'slices')
  const open = entriesOf(question, `${operator}.slices`, 'slices')
  const parts = [
    ...(closed ?? []).map(([slice, part]) => ({ at: offsetMs + Number(slice) * sliceMs, part })),
    ...(open ?? []).map(([at, part]) => ({ at: Number(at), part })),
  ]
  const inside = parts.filter(({ at }) => at >= start && at < end)
  const panes = entriesOf(question, operator, 'panes')
  const around = parts.map(({ at }) => {
    const last = offsetMs + Math.floor((at - offsetMs) / windows.slideMs) * windows.slideMs
    return { start: last, end: last + windows.sizeMs }
  })
  return {
    window: {
      start,
      end,
      isOpen: inside.length > 0,
      records: undefined,
      contents: inside.length === 0 ? undefined : inside.map(({ part }) => part),
      results:
        panes === undefined ? undefined : Number(panes.find(([of]) => of === number)?.[1] ?? 0),
      isDone: false,
      wakeTimes: [{ time: end - 1, clock: 'event' }],
    },
    windowCount,
    isKnown: closed !== undefined || open !== undefined,
    nearest: nearestTo(time, around),
  }
}

/** Of the windows that hold the time, the first that fires behind what has passed, or else the last. */
function firstNotPassed(
  { windows, time }: WindowQuestion,
  passed: Timestamp,
): Window & { readonly number: number; readonly windowCount: number } {
  const assigner = assignerOf(windows)
  const numbers = assigner.windowsOf(time)
  const number = numbers.find((of) => assigner.endOf(of) - 1 > passed) ?? numbers.at(-1)
  const of = number ?? Number.NaN
  const windowCount = numbers.length
  return { number: of, start: assigner.startOf(of), end: assigner.endOf(of), windowCount }
}

// ── windows kept one by one ──────────────────────────────────────────────────────────────────────

function ofOpenWindows(question: WindowQuestion): FoundWindow {
  const { windows, operator, time, watermark } = question
  const entries = entriesOf(question, operator, 'windows')
  const open = new Map((entries ?? []) as readonly (readonly [number, OpenWindow])[])
  const bounds = [...open.values()].map((of) => ({ start: of[START], end: endOf(of) }))
  const common = { isKnown: entries !== undefined, nearest: nearestTo(time, bounds) }
  const timers = (number: number, window: OpenWindow | undefined): readonly WakeTime[] =>
    wakeTimesOf(question, number, window)
  if (windows.kind === 'session') {
    const found = [...open].find(([, of]) => time >= of[START] && time < endOf(of))
    if (found === undefined) return { ...common, window: undefined, windowCount: 0 }
    const [number, window] = found
    return { ...common, window: openFacts(window, timers(number, window)), windowCount: 1 }
  }
  const { number, start, end, windowCount } = firstNotPassed(question, watermark)
  if (windowCount === 0) return { ...common, window: undefined, windowCount }
  const window = open.get(number)
  const facts =
    window === undefined ? { ...NOT_OPEN, start, end } : openFacts(window, timers(number, window))
  return { ...common, window: facts, windowCount }
}

const NOT_OPEN = {
  isOpen: false,
  records: 0,
  contents: undefined,
  results: undefined,
  isDone: false,
  wakeTimes: [],
} as const

function openFacts(window: OpenWindow, wakeTimes: readonly WakeTime[]): WindowFacts {
  return {
    start: window[START],
    end: endOf(window),
    isOpen: true,
    records: window[COUNT],
    contents: window[COUNT] === 0 ? undefined : window[CONTENTS],
    results: window[FIRED],
    isDone: window[MORE]?.isDone === true,
    wakeTimes,
  }
}

/** The times for which a window waits: its own, or those its trigger asked for. */
function wakeTimesOf(
  question: WindowQuestion,
  number: number,
  window: OpenWindow | undefined,
): readonly WakeTime[] {
  const own = window?.[WAKE_AT]
  if (own !== undefined && own !== null) return [{ time: own, clock: question.windows.clock }]
  const timers = entriesOf(question, question.operator, 'timers') ?? []
  return timers.flatMap(([place, asked]) => {
    const clock = typeof place === 'number' ? ('event' as const) : ('processing' as const)
    const times = asked as readonly number[]
    return times.flatMap((time, i) =>
      i % 2 === 1 && times[i - 1] === number ? [{ time, clock }] : [],
    )
  })
}

const NEAREST_MAX = 3

function nearestTo(time: Timestamp, windows: readonly Window[]): KeyFacts['nearest'] {
  const distance = ({ start, end }: Window): number =>
    time < start ? start - time : time >= end ? time - end : 0
  const known = new Map(windows.map((window) => [window.start, window]))
  return [...known.values()].toSorted((a, b) => distance(a) - distance(b)).slice(0, NEAREST_MAX)
}
