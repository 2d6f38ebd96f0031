/** The state is lost: restore of a large snapshot from a folder → first new result, against cp and sync of its bytes. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { median } from '../compare.ts'
import { kill, sizeOf, timeToFirstResult } from '../first-result.ts'
import { appendRatings, fill, growingJob } from '../growing-file.ts'
import { CLI, makeRunFolder, ROOT } from '../places.ts'
import { runChild } from '../run-child.ts'
import type { RunOptions, Subject } from '../subject.ts'
import { bytesIn } from '../bytes-in.ts'

const MANIFEST = 'bench/jobs/large-state.yaml'
const RATIO_MAX = 1.5
const EXTRA_SECONDS_MAX = 1
const KEYS = { full: 800_000, small: 2_000 } as const

export const restore: Subject = {
  name: 'restore',
  async measure(options) {
    const folder = makeRunFolder()
    try {
      const { ours, copy, bytes } = await measureIn(folder, options)
      return [
        {
          what: `restore of a ${(bytes / 1e9).toFixed(2)} GB snapshot from a folder → first new result`,
          ours: `${ours.toFixed(2)} s`,
          baseline: `${copy.toFixed(2)} s cp and sync`,
          ratio: `${(ours / copy).toFixed(2)} times`,
          goal: `≤ ${RATIO_MAX} times + ${EXTRA_SECONDS_MAX} s`,
          met: ours <= copy * RATIO_MAX + EXTRA_SECONDS_MAX,
        },
      ]
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

async function measureIn(
  folder: string,
  { size, rounds, progress }: RunOptions,
): Promise<{ readonly ours: number; readonly copy: number; readonly bytes: number }> {
  const snapshots = join(folder, 'snapshots')
  const state = join(folder, 'state')
  const to = { 'snapshots.to': snapshots }
  const job = growingJob(MANIFEST, folder, to)
  await kill(await fill(job, KEYS[size]))
  await runChild([
    CLI,
    'snapshot',
    'create',
    join(ROOT, MANIFEST),
    '--state',
    state,
    '--set',
    `snapshots.to=${snapshots}`,
  ])
  const results = sizeOf(job.output)
  appendRatings(job.input, 1, () => 1)
  const ours: number[] = []
  const copies: number[] = []
  for (let round = 1; round <= rounds; round++) {
    const copy = copySeconds(snapshots, join(folder, 'copy'))
    rmSync(state, { recursive: true })
    truncateSync(job.output, results)
    const first = await timeToFirstResult(job.args, job.output)
    await kill(first.job)
    progress(
      `restore, round ${round} of ${rounds}: ${first.seconds.toFixed(2)} s, cp and sync ${copy.toFixed(2)} s`,
    )
    ours.push(first.seconds)
    copies.push(copy)
  }
  return { ours: median(ours), copy: median(copies), bytes: bytesIn(snapshots) }
}

/** Into a new folder, which is removed again. */
function copySeconds(from: string, to: string): number {
  mkdirSync(to)
  const startedMs = performance.now()
  execFileSync('sh', ['-c', 'cp -r "$0" "$1" && find "$1" -type f -exec sync {} +', from, to])
  const seconds = (performance.now() - startedMs) / 1_000
  rmSync(to, { recursive: true })
  return seconds
}
