/** Sliding windows of slices against tumbling windows of the same length, and against windows that copy. */
import { rowOf } from '../compare.ts'
import { compareJobs } from '../job-comparison.ts'
import { makeNumbers } from '../make-data.ts'
import type { Subject } from '../subject.ts'

const HOURS_SECONDS = 7_200

export const sliding: Subject = {
  name: 'sliding',
  async measure(options) {
    const isFull = options.size === 'full'
    const numbers = await makeNumbers(isFull ? 5_000_000 : 20_000, 100, HOURS_SECONDS)
    const fewer = isFull ? await makeNumbers(200_000, 1_000, HOURS_SECONDS) : numbers
    const tumbling = async (what: string, kind: string, ratioMin: number) =>
      rowOf(
        what,
        await compareJobs(
          what,
          { data: numbers, ours: `sliding-${kind}`, baseline: `tumbling-${kind}` },
          options,
        ),
        { ratioMin },
      )
    const copied = 'sliding 1 h by 10 s against a copy of each record into its windows'
    const jobs = { data: fewer, ours: 'sliding-sums', baseline: 'copied-sums', areEqual: true }
    return [
      await tumbling('sliding 1 h by 10 s against tumbling 1 h: count, sum', 'sums', 0.8),
      await tumbling('sliding 1 h by 10 s against tumbling 1 h: min, top 10', 'tops', 0.6),
      // The baseline takes minutes: once is enough for a factor.
      rowOf(copied, await compareJobs(copied, jobs, { ...options, rounds: 1 }), { ratioMin: 20 }),
    ]
  },
}
