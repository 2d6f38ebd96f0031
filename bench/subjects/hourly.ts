/** Row 1: few results, much folding. Its memory is the memory that is reported. */
import { rowOf } from '../compare.ts'
import { compareFiles } from '../file-comparison.ts'
import type { Subject } from '../subject.ts'

const RSS_ANON_BYTES_MAX = 400e6

export const hourly: Subject = {
  name: 'hourly',
  async measure(options) {
    const what = 'file → mean and latest rating per user and hour → file'
    const job = { manifest: 'bench/jobs/hourly.yaml', sink: 'results', loop: 'hourly-loop' }
    const comparison = await compareFiles(what, job, options)
    const rate = rowOf(what, comparison, { rateMin: 700_000, ratioMin: 0.45 })
    const peaks = ({ ours, baseline } = comparison) =>
      [ours, baseline].map((side) =>
        Math.max(...side.map(({ peakRssAnonBytes }) => peakRssAnonBytes ?? Number.NaN)),
      )
    const [ourPeak = Number.NaN, baselinePeak = Number.NaN] = peaks()
    return [
      rate,
      {
        what: 'its peak anonymous memory',
        ours: `${Math.round(ourPeak / 1e6)} MB`,
        baseline: `${Math.round(baselinePeak / 1e6)} MB`,
        ratio: '',
        goal: `≤ ${RSS_ANON_BYTES_MAX / 1e6} MB`,
        met: ourPeak <= RSS_ANON_BYTES_MAX,
      },
    ]
  },
}
