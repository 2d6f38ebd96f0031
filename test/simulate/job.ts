/** The job of a run: one or more branches behind one source, or two. */
import {
  actor,
  count,
  type JobDefinition,
  job,
  session,
  sliding,
  sum,
  tumbling,
  value,
  type WindowSpec,
} from '../../runtime/index.ts'
import { type Item, ItemSchema } from './records.ts'

export const BRANCHES = [
  'steps',
  'tumbling',
  'sliding',
  'sessions',
  'chained',
  'join',
  'newest',
] as const
export type Branch = (typeof BRANCHES)[number]

export const SIZE_MS = 40
export const SLIDE_MS = 20
export const GAP_MS = 15
export const CHAINED_MS = 160
/** From a left record's time, and more than the most that a record is behind, to its timer. */
export const TIMER_MS = 500
export const WITHIN = [-10, 25] as const

export interface JobPlan {
  readonly branches: readonly Branch[]
  /** Whether late records have a sink of their own, or go to the dead letter. */
  readonly lateSinks: boolean
}

/** Branches whose late records are told apart. */
const WINDOWED: readonly Branch[] = ['tumbling', 'sliding', 'sessions']

export const lateSinkOf = (branch: Branch, { lateSinks }: JobPlan): string | undefined =>
  lateSinks && WINDOWED.includes(branch) ? `late-${branch}` : undefined

/** Sinks outside the store, in the order of the branches. */
export function sinksOf(plan: JobPlan): string[] {
  return plan.branches.flatMap((branch) => {
    const late = lateSinkOf(branch, plan)
    return [...(branch === 'newest' ? [] : [branch]), ...(late === undefined ? [] : [late])]
  })
}

/**
 * @param draw gives another number at every call, in whichever process: user code that makes something
 *   again never makes the same, so that any mixture of two histories shows.
 */
export function buildJob(plan: JobPlan, draw: () => number): JobDefinition {
  return job('simulated', ({ source, sink }) => {
    const items = source('items', ItemSchema, { time: ({ t }) => t }).keyBy(({ k }) => k)
    const windows = (branch: Branch, spec: WindowSpec<Item>): void => {
      const results = items.window(spec).aggregate(branch, { n: count(), sum: sum((i) => i.n) })
      results
        .map(({ key: k, window: { start }, value: of }) => ({ k, start, ...of }))
        .to(sink(branch))
      const late = lateSinkOf(branch, plan)
      if (late !== undefined) results.late.map(({ k, n }) => ({ k, n })).to(sink(late))
    }
    for (const branch of plan.branches) {
      switch (branch) {
        case 'steps':
          items.process(stepsActor(draw)).to(sink('steps'))
          break
        case 'tumbling':
          windows('tumbling', tumbling(SIZE_MS))
          break
        case 'sliding':
          windows('sliding', sliding(SIZE_MS, { every: SLIDE_MS }))
          break
        case 'sessions':
          windows('sessions', session(GAP_MS))
          break
        case 'chained':
          items
            .window(tumbling(SIZE_MS))
            .aggregate('inner', { sum: sum((i) => i.n) })
            .map(({ key: k, value: of }) => ({ k, sum: of.sum }))
            .keyBy(({ k }) => k)
            .window(tumbling(CHAINED_MS))
            .aggregate('chained', { n: count(), sum: sum((r) => r.sum) })
            .map(({ key: k, window: { start }, value: of }) => ({ k, start, ...of }))
            .to(sink('chained'))
          break
        case 'join': {
          const others = source('others', ItemSchema, { time: ({ t }) => t }).keyBy(({ k }) => k)
          items
            .intervalJoin('join', others, { within: WITHIN }, (l, r) => ({
              k: l.k,
              l: l.n,
              r: r.n,
            }))
            .to(sink('join'))
          break
        }
        case 'newest':
          items.map(({ n }) => ({ n })).to(sink('newest'))
      }
    }
  })
}

const stepsActor = (draw: () => number) =>
  actor('steps', {
    state: { last: value<number>(), count: value<number>() },
    onRecord(item: Item, key) {
      const previous = key.state.last.get() ?? null
      const drawn = draw()
      key.state.last.set(drawn)
      key.state.count.set((key.state.count.get() ?? 0) + 1)
      key.timer('later', item.t + TIMER_MS)
      key.emit({ k: item.k, n: item.n, drawn, previous })
    },
    onTimer: {
      later(key) {
        const previous = key.state.last.get() ?? null
        const drawn = draw()
        key.state.last.set(drawn)
        key.emit({ k: String(key.id), n: 0, drawn, previous })
      },
    },
  })
