/** What is known of the tasks of a running job, and what they come to together. Plain data: it travels. */
import type { CommitSummary } from '../metrics/commit-times.ts'
import type { OperatorReport, TaskReport } from '../metrics/job-report.ts'
import type { InputExtent } from '../source/source.ts'
import type { LifeState } from '../task/lifecycle.ts'
import type { Counters } from '../task/meta.ts'
import { DEAD_LETTER } from '../task/open-task.ts'
import type { InputLateness } from '../time/bounds.ts'
import { shareRead } from './how-far.ts'
import type { JobProgress } from './run-job.ts'

export interface TaskFacts {
  readonly task: string
  readonly state: LifeState
  readonly restarts: number
  /** Since the state was created. */
  readonly counters: Counters
  readonly recordsRead: number
  readonly epoch: number
  /** Of its inputs from outside. */
  readonly watermarks: readonly number[]
  /** How far its inputs from outside are read; null: not known. */
  readonly extents: readonly (InputExtent | null)[]
  /** How it reads them now; undefined when it has none. */
  readonly phase: 'live' | 'batch' | undefined
  readonly wasFinished: boolean
  /** Nothing of it is on its way. */
  readonly isQuiet: boolean
  readonly lateness: readonly InputLateness[]
  readonly report: TaskReport
  readonly commits: CommitSummary
}

/** What all tasks come to. */
export function progressOf(tasks: readonly TaskFacts[]): JobProgress {
  const total = (of: (task: TaskFacts) => number): number =>
    tasks.reduce((sum, task) => sum + of(task), 0)
  const watermarks = tasks.flatMap((task) => task.watermarks)
  return {
    records: total(({ counters }) => counters.records),
    late: total(({ counters }) => counters.late),
    deadLettered: total(({ counters }) => counters.deadLettered),
    windows: total(({ counters }) => counters.windows),
    recordsRead: total(({ recordsRead }) => recordsRead),
    results: total(({ report }) =>
      report.outputs
        .filter(({ sink }) => sink !== DEAD_LETTER)
        .reduce((sum, { results }) => sum + results, 0),
    ),
    epoch: Math.max(0, ...tasks.map(({ epoch }) => epoch)),
    watermark: watermarks.length === 0 ? Number.NEGATIVE_INFINITY : Math.min(...watermarks),
    share: shareRead(tasks.flatMap(({ extents }) => extents)),
    state: stateOf(tasks.map(({ state }) => state)),
    restarts: total(({ restarts }) => restarts),
  }
}

/** In this order one task says how the job stands: one that has to be waited for comes first. */
const STATES = ['failed', 'backingOff', 'restoring', 'draining', 'running', 'stopped'] as const

export function stateOf(states: readonly LifeState[]): LifeState {
  return STATES.find((state) => states.includes(state)) ?? 'finished'
}

export function reportOf(tasks: readonly TaskFacts[]): TaskReport {
  const reports = tasks.map(({ report }) => report)
  const operators = new Map<string, OperatorReport>()
  for (const report of reports.flatMap((of) => of.operators)) {
    const { cachedKeys = 0, fired = 0, late = 0 } = operators.get(report.operator) ?? {}
    operators.set(report.operator, {
      operator: report.operator,
      cachedKeys: cachedKeys + report.cachedKeys,
      fired: fired + report.fired,
      late: late + report.late,
    })
  }
  return {
    inputs: reports.flatMap(({ inputs }) => inputs),
    outputs: reports.flatMap(({ outputs }) => outputs),
    operators: [...operators.values()],
  }
}

export function commitsOf(tasks: readonly TaskFacts[]): CommitSummary {
  const all = tasks.map(({ commits }) => commits)
  const commits = all.reduce((sum, of) => sum + of.commits, 0)
  const totalMs = all.reduce((sum, of) => sum + of.commits * of.meanCommitMs, 0)
  const max = (of: (summary: CommitSummary) => number): number => Math.max(0, ...all.map(of))
  return {
    commits,
    lastEpochMs: max(({ lastEpochMs }) => lastEpochMs),
    lastCommitMs: max(({ lastCommitMs }) => lastCommitMs),
    meanCommitMs: commits === 0 ? 0 : totalMs / commits,
    longestCommitMs: max(({ longestCommitMs }) => longestCommitMs),
  }
}
