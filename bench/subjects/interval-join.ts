/** A day of impressions, each joined with its click within ten minutes, if there was one. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { median } from '../compare.ts'
import { makeImpressions } from '../make-data.ts'
import { ourArguments } from '../our-run.ts'
import { makeRunFolder } from '../places.ts'
import { runChild } from '../run-child.ts'
import { rateRow } from '../table.ts'
import type { Subject } from '../subject.ts'

const RATE_MIN = 300_000
const PEAK_BYTES_MAX = 400e6

export const intervalJoin: Subject = {
  name: 'interval-join',
  async measure({ size, rounds, progress }) {
    const what = 'left interval join: impressions of 24 h with clicks within 10 min'
    const data = await makeImpressions(size === 'full' ? 5_000_000 : 20_000)
    const rates: number[] = []
    let peakBytes = 0
    for (let round = 1; round <= rounds; round++) {
      const folder = makeRunFolder()
      try {
        const args = ourArguments({
          manifest: 'jobs/attributed-impressions.yaml',
          mode: 'batch',
          stateFolder: join(folder, 'state'),
          set: {
            'sources.impressions.file.path': data.impressions,
            'sources.clicks.file.path': data.clicks,
            'sinks.attributed.file.path': join(folder, 'results.jsonl'),
          },
        })
        const { seconds, peakRssAnonBytes = 0 } = await runChild(args, folder)
        rates.push(data.records / seconds)
        peakBytes = Math.max(peakBytes, peakRssAnonBytes)
        progress(`${what}, round ${round} of ${rounds}: ${Math.round(data.records / seconds)}/s`)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }
    return [
      rateRow(what, median(rates), RATE_MIN),
      {
        what: 'its peak anonymous memory: ten minutes of impressions, not a day',
        ours: `${Math.round(peakBytes / 1e6)} MB`,
        baseline: '',
        ratio: '',
        goal: `≤ ${PEAK_BYTES_MAX / 1e6} MB`,
        met: peakBytes <= PEAK_BYTES_MAX,
      },
    ]
  },
}
