/** Row 2: nearly every record opens a window and is a result. */
import { rowOf } from '../compare.ts'
import { compareFiles } from '../file-comparison.ts'
import type { Subject } from '../subject.ts'

export const bySecond: Subject = {
  name: 'by-second',
  async measure(options) {
    const what = 'file → latest rating per user and second → file'
    const job = { manifest: 'jobs/latest-rating.yaml', sink: 'latest', loop: 'second-loop' }
    const comparison = await compareFiles(what, job, options)
    return [rowOf(what, comparison, { rateMin: 350_000, ratioMin: 0.5 })]
  },
}
