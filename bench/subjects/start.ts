/** Process start → first result of the demo's job, with a stream of ratings that is there already. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateRatings, lineOf } from '../../jobs/ratings-generator.ts'
import { median } from '../compare.ts'
import { kill, timeToFirstResult } from '../first-result.ts'
import { ourArguments } from '../our-run.ts'
import { CLI, makeRunFolder } from '../places.ts'
import { runChild } from '../run-child.ts'
import type { RunOptions, Subject } from '../subject.ts'

const SECONDS_MAX = 1
const RATINGS = { full: 100_000, small: 2_000 } as const

export const start: Subject = {
  name: 'start',
  async measure(options) {
    const folder = makeRunFolder()
    try {
      const seconds = median(await secondsIn(folder, options))
      return [
        {
          what: "process start → first result of the demo's job",
          ours: `${seconds.toFixed(2)} s`,
          baseline: '',
          ratio: '',
          goal: `≤ ${SECONDS_MAX} s`,
          met: seconds <= SECONDS_MAX,
        },
      ]
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

async function secondsIn(
  folder: string,
  { size, rounds, progress }: RunOptions,
): Promise<readonly number[]> {
  const log = join(folder, 'log')
  await publish(folder, log, RATINGS[size])
  const seconds: number[] = []
  for (let round = 1; round <= rounds; round++) {
    const output = join(folder, `latest-${round}.jsonl`)
    const args = ourArguments({
      manifest: 'jobs/demo.yaml',
      mode: 'live',
      stateFolder: join(folder, `state-${round}`),
      set: {
        'sources.ratings.embedded.log': log,
        'sinks.latestRatings.file.path': output,
        'deadLetter.file.path': join(folder, `dead-letters-${round}.jsonl`),
      },
    })
    const first = await timeToFirstResult(args, output)
    await kill(first.job)
    progress(`start, round ${round} of ${rounds}: ${first.seconds.toFixed(2)} s`)
    seconds.push(first.seconds)
  }
  return seconds
}

async function publish(folder: string, log: string, count: number): Promise<void> {
  const lines = Array.from(generateRatings({ ratings: count }), (item) => `${lineOf(item)}\n`)
  const path = join(folder, 'ratings.jsonl')
  writeFileSync(path, lines.join(''))
  await runChild([CLI, 'publish', path, '--to', 'embedded', '--stream', 'ratings', '--log', log])
}
