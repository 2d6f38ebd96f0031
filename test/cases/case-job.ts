/** Turns a case into a job: what its data calls by name is the public API. */
import * as millrace from 'millrace'
import { actor, collect, count, job, type JobDefinition, type KeyedStream, sum } from 'millrace'
import * as z from 'zod'
import type { Call, WindowCase } from './case-file.ts'

export const Item = z.object({ key: z.string(), timestamp: z.number(), n: z.number() })
export type Item = z.infer<typeof Item>

/** Functions that data names: `$n`. */
const FUNCTIONS: Readonly<Record<string, (item: Item) => number>> = {
  $n: ({ n }) => n,
  /** The gaps of Flink's tests of sessions with a gap by record. */
  $gap: ({ key, n }) => (key === 'k1' ? 3_000 : n === 10 ? 1_000 : 2_000),
}

const API = millrace as unknown as Readonly<Record<string, (...args: unknown[]) => unknown>>

/** What a call of the data gives. */
export function made(call: Call): unknown {
  const [name, ...args] = call
  const called = API[name]
  if (called === undefined) throw new Error(`the public API has no '${name}'`)
  return called(...args.map(argument))
}

function argument(given: unknown): unknown {
  if (Array.isArray(given)) return made(given as unknown as Call)
  if (typeof given === 'string' && given.startsWith('$')) return FUNCTIONS[given]
  if (typeof given !== 'object' || given === null) return given
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, argument(value)]))
}

/** What the methods of windows are, as data calls them. */
interface Windows {
  allowedLateness(lateness: number): Windows
  trigger(trigger: unknown): Windows
  evictor(evictor: unknown, options: { readonly when: 'before' | 'after' }): Windows
  accumulating(): Windows
  discarding(): Windows
  retracting(): Windows
}
type Spec = Parameters<KeyedStream<Item, string>['window']>[0]

export function windowsOf(windowCase: WindowCase): Spec {
  const { window, lateness, trigger, evictor, mode } = windowCase
  let windows = made(window) as Windows
  if (lateness !== undefined) windows = windows.allowedLateness(lateness)
  if (trigger !== undefined) windows = windows.trigger(made(trigger))
  if (evictor !== undefined) windows = windows.evictor(made(evictor[0]), evictor[1])
  if (mode !== undefined) windows = windows[mode]()
  return windows as unknown as Spec
}

/** How a job makes a result of its windows: each way has to give the same. */
export type Form = 'aggregate' | 'reduce' | 'apply'

export const formsOf = ({ of, mode }: WindowCase): readonly Form[] =>
  mode === 'retracting'
    ? ['aggregate']
    : of === 'sum'
      ? ['aggregate', 'reduce', 'apply']
      : ['aggregate', 'apply']

export const WINDOWS = 'windows'

/** The name of the operator whose state a case looks at. */
export function windowJob(windowCase: WindowCase, form: Form): JobDefinition {
  return job('case', ({ source, sink }) => {
    const windowed = source('records', Item)
      .keyBy(({ key }) => key)
      .window(windowsOf(windowCase))
    if (form === 'apply') {
      const results = windowed.apply(WINDOWS, (items, { key, window, pane }) => [
        { key, value: valueOf(windowCase.of, items), window, pane },
      ])
      results.process(timed).to(sink('results'))
      results.late.to(sink('late'))
    } else if (form === 'reduce') {
      const results = windowed.reduce(WINDOWS, (a, b) => ({ ...b, n: a.n + b.n }))
      results
        .map(({ value, ...rest }) => ({ ...rest, value: value.n }))
        .process(timed)
        .to(sink('results'))
      results.late.to(sink('late'))
    } else {
      const results = windowed.aggregate(WINDOWS, {
        items: collect<Item>(),
        sum: sum((item: Item) => item.n),
        count: count(),
      })
      results
        .map(({ value, ...rest }) => ({
          ...rest,
          value: valueOf(windowCase.of, value.items, value),
        }))
        .process(timed)
        .to(sink('results'))
      results.late.to(sink('late'))
    }
  })
}

/** The value of a result as words say it. */
function valueOf(
  of: WindowCase['of'],
  items: readonly Item[],
  value?: { readonly sum: number; readonly count: number },
): number | string {
  switch (of) {
    case 'sum':
      return value?.sum ?? items.reduce((total, { n }) => total + n, 0)
    case 'count':
      return value?.count ?? items.length
    case 'times':
      return items.map(({ timestamp }) => timestamp).join(',')
    case 'values':
      return items.map(({ n }) => n).join(',')
  }
}

/** Adds the time that a result has, which a sink does not show. */
const timed = actor('timed', {
  state: {},
  onRecord: (result: object, key) => key.emit({ ...result, time: key.time }),
})
