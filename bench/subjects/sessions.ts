/** Many sessions open at once: each record makes one longer. */
import { median } from '../compare.ts'
import { measureJob } from '../job-comparison.ts'
import { makeNumbers } from '../make-data.ts'
import { rateRow } from '../table.ts'
import type { Subject } from '../subject.ts'

const RATE_MIN = 300_000

export const sessions: Subject = {
  name: 'sessions',
  async measure({ size, rounds, progress }) {
    const what = 'sessions, gap 10 s, 1 M keys, 300 k records a second of event time'
    const data =
      size === 'full'
        ? await makeNumbers(5_000_000, 1_000_000, 17)
        : await makeNumbers(20_000, 4_000, 17)
    const rates: number[] = []
    for (let round = 1; round <= rounds; round++) {
      const { records, seconds } = await measureJob('sessions', data)
      rates.push(records / seconds)
      progress(`${what}, round ${round} of ${rounds}: ${Math.round(records / seconds)}/s`)
    }
    return [rateRow(what, median(rates), RATE_MIN)]
  },
}
