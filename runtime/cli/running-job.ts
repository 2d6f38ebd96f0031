export type { JobProgress, JobSummary, RunningJob, RunOptions } from '../job/run-job.ts'
