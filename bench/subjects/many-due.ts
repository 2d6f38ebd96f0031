/** One step of the watermark makes a window of a million keys due. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { median } from '../compare.ts'
import { measureJob } from '../job-comparison.ts'
import { makeHourThenLater } from '../make-data.ts'
import type { Subject } from '../subject.ts'

const BLOCKED_MS_MAX = 50

export const manyDue: Subject = {
  name: 'many-due',
  async measure({ size, rounds, progress }) {
    const what = 'a watermark step makes 1 M keys due: event loop blocked at most'
    const data = await makeHourThenLater(size === 'full' ? 1_000_000 : 5_000)
    const monitor = join(import.meta.dirname, '..', 'event-loop-delay')
    const extension = import.meta.filename.endsWith('.js') ? '.js' : '.ts'
    const blockedMs: number[] = []
    let peakBytes = 0
    for (let round = 1; round <= rounds; round++) {
      const preload = ['--import', pathToFileURL(monitor + extension).href]
      const { stdout, peakRssAnonBytes = 0 } = await measureJob('tumbling-sums', data, preload)
      const match = /blocked at most ([\d.]+) ms/.exec(stdout)
      blockedMs.push(Number(match?.[1]))
      peakBytes = Math.max(peakBytes, peakRssAnonBytes)
      progress(`${what}, round ${round} of ${rounds}: ${match?.[1]} ms`)
    }
    const blocked = median(blockedMs)
    return [
      {
        what: `${what} (peak anonymous memory ${Math.round(peakBytes / 1e6)} MB)`,
        ours: `${blocked.toFixed(1)} ms`,
        baseline: '',
        ratio: '',
        goal: `≤ ${BLOCKED_MS_MAX} ms`,
        met: blocked <= BLOCKED_MS_MAX,
      },
    ]
  },
}
