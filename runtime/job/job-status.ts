/** How a job stands: what it says itself while it runs, and else what its last commit says. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Timestamp } from '../../operators/time.ts'
import { reasonOf, StateError, UnavailableError } from '../errors.ts'
import { type JobReport, knownTime } from '../metrics/job-report.ts'
import { openAllCommitted } from '../state/read-state.ts'
import type { Counters } from '../task/meta.ts'
import { askJob } from './control-socket.ts'
import { holderOf } from './state-lock.ts'

/** Of a job that does not run. */
export interface StoppedReport {
  readonly job: string
  /** finished: it has read its input to the end. */
  readonly state: 'stopped' | 'finished'
  readonly epoch: number
  /** When its newest epoch ended, by its clock. */
  readonly committedAt: Timestamp
  /** Counts since the state was created. */
  readonly records: number
  readonly late: number
  readonly deadLettered: number
  readonly windows: number
  readonly inputs: readonly {
    readonly input: string
    readonly records: number
    readonly watermark: Timestamp | null
  }[]
}

export type JobStatus = JobReport | StoppedReport

export const isReportOfRun = (status: JobStatus): status is JobReport => 'mode' in status

/** @throws StateError when the folder holds no state; UnavailableError when the job does not answer. */
export async function statusOf(stateDir: string): Promise<JobStatus> {
  return holderOf(stateDir) === undefined
    ? await stoppedReport(stateDir)
    : ((await askJob(stateDir, 'status')) as JobReport)
}

async function stoppedReport(stateDir: string): Promise<StoppedReport> {
  const tasks = await openAllCommitted(stateDir)
  try {
    const rows = tasks.map(({ last }) => last)
    const total = (count: keyof Counters): number =>
      rows.reduce((sum, { counters }) => sum + counters[count], 0)
    return {
      job: tasks[0]?.job.job ?? '',
      state: rows.every(({ finished }) => finished) ? 'finished' : 'stopped',
      epoch: Math.max(...rows.map(({ epoch }) => epoch)),
      committedAt: Math.max(...rows.map(({ clock }) => clock)),
      records: total('records'),
      late: total('late'),
      deadLettered: total('deadLettered'),
      windows: total('windows'),
      inputs: tasks.flatMap(({ job, last }) =>
        Object.entries(last.inputs)
          .filter(([input]) => job.sources.includes(input.slice(0, input.lastIndexOf('/'))))
          .map(([input, row]) => ({
            input,
            records: row.records,
            watermark: knownTime(row.watermark),
          })),
      ),
    }
  } finally {
    for (const { store } of tasks) await store.close()
  }
}

export interface ListedJob {
  readonly stateDir: string
  /** What is known of it, or why nothing is. */
  readonly status: JobStatus | { readonly problem: string }
}

/** The state folders in a folder, by name. @throws StateError when it cannot be read. */
export async function listJobs(folder: string): Promise<readonly ListedJob[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new StateError(
      `${folder} cannot be listed: ${reasonOf(error)}. Name the folder in which state folders are.`,
      { cause: error },
    )
  })
  const jobs: ListedJob[] = []
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!entry.isDirectory()) continue
    const stateDir = join(folder, entry.name)
    if (!(await holdsTask(stateDir))) continue
    jobs.push({ stateDir, status: await statusOrProblem(stateDir) })
  }
  return jobs
}

/** A state that is damaged or does not answer is listed, not passed over. */
async function statusOrProblem(stateDir: string): Promise<ListedJob['status']> {
  try {
    return await statusOf(stateDir)
  } catch (error) {
    if (error instanceof StateError || error instanceof UnavailableError) {
      return { problem: error.message }
    }
    throw error
  }
}

async function holdsTask(stateDir: string): Promise<boolean> {
  const names = await readdir(stateDir)
  return names.some((name) => name.startsWith('task-'))
}
