/** The processes of a job's tasks, found from the job's own, so that a test can kill them one by one. */
import { readFileSync } from 'node:fs'

/** The processes of tasks that a job's process has started. */
export function workersOf(pid: number | undefined): number[] {
  return textOf(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((child) => child !== '' && textOf(`/proc/${child}/cmdline`).includes('worker.js'))
    .map(Number)
}

/** What a process says of itself; nothing, when it is gone. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
