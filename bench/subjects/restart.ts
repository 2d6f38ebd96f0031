/** kill -9 with little and with much state; restart → first new result. */
import { rmSync } from 'node:fs'
import { median } from '../compare.ts'
import { kill, timeToFirstResult } from '../first-result.ts'
import { appendRatings, fill, growingJob } from '../growing-file.ts'
import { makeRunFolder } from '../places.ts'
import type { RunOptions, Subject } from '../subject.ts'

const SECONDS_MAX = 0.5
const RATIO_MAX = 1.3
const KEYS = { full: [10_000, 2_000_000], small: [100, 2_000] } as const

export const restart: Subject = {
  name: 'restart',
  async measure(options) {
    const [few, many] = KEYS[options.size]
    const fewSeconds = await restartSeconds(few, options)
    const manySeconds = await restartSeconds(many, options)
    const ratio = manySeconds / fewSeconds
    return [
      {
        what: `kill -9, restart with ${many.toLocaleString('en')} keys → first new result`,
        ours: `${manySeconds.toFixed(2)} s`,
        baseline: `${fewSeconds.toFixed(2)} s with ${few.toLocaleString('en')} keys`,
        ratio: `${ratio.toFixed(2)} times`,
        goal: `≤ ${SECONDS_MAX} s, ≤ ${RATIO_MAX} times`,
        met: manySeconds <= SECONDS_MAX && ratio <= RATIO_MAX,
      },
    ]
  },
}

async function restartSeconds(keys: number, options: RunOptions): Promise<number> {
  const folder = makeRunFolder()
  try {
    return await restartSecondsIn(folder, keys, options)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function restartSecondsIn(
  folder: string,
  keys: number,
  { rounds, progress }: RunOptions,
): Promise<number> {
  const job = growingJob('bench/jobs/restart.yaml', folder)
  await kill(await fill(job, keys))
  const seconds: number[] = []
  for (let round = 1; round <= rounds; round++) {
    appendRatings(job.input, 1, () => round)
    const first = await timeToFirstResult(job.args, job.output)
    await kill(first.job)
    progress(
      `restart with ${keys} keys, round ${round} of ${rounds}: ${first.seconds.toFixed(2)} s`,
    )
    seconds.push(first.seconds)
  }
  return median(seconds)
}
