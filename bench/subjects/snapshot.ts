/** What snapshots cost a busy job, and how large the second one is when little has changed. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { bytesIn } from '../bytes-in.ts'
import { median } from '../compare.ts'
import { kill, sizeOf } from '../first-result.ts'
import { appendRatings, fill, growingJob, waitForLines } from '../growing-file.ts'
import { ourArguments } from '../our-run.ts'
import { CLI, makeRunFolder, ROOT } from '../places.ts'
import { runChild, startChild } from '../run-child.ts'
import type { Row, RunOptions, Subject } from '../subject.ts'

const SIZES = {
  full: { keys: 2_000_000, every: '30s', seconds: 65 },
  small: { keys: 2_000, every: '200ms', seconds: 1 },
} as const
const LOST_SHARE_MAX = 0.15
const GAP_MS_MAX = 100
const BYTES_SHARE_MAX = 0.1
const SAMPLE_MS = 5

export const snapshot: Subject = {
  name: 'snapshot',
  async measure(options) {
    return [await secondBytes(options), ...(await costs(options))]
  },
}

/** Takes a snapshot, changes a hundredth of the keys, and takes another. */
async function secondBytes({ size, progress }: RunOptions): Promise<Row> {
  const { keys } = SIZES[size]
  const folder = makeRunFolder()
  const snapshots = join(folder, 'snapshots')
  const manifest = 'bench/jobs/restart.yaml'
  const job = growingJob(manifest, folder, { 'snapshots.to': snapshots })
  const state = ['--state', join(folder, 'state'), '--set', `snapshots.to=${snapshots}`]
  const create = [CLI, 'snapshot', 'create', join(ROOT, manifest), ...state]
  const running = await fill(job, keys)
  try {
    await runChild(create)
    const first = bytesIn(snapshots)
    const changed = keys / 100
    appendRatings(job.input, changed, (index) => 1 + index * 100)
    await waitForLines(running, job.output, keys + changed)
    await runChild(create)
    const second = bytesIn(snapshots) - first
    progress(`snapshots of ${keys} keys: ${first} bytes, then ${second} bytes`)
    return {
      what: `second snapshot after 1 % of ${keys.toLocaleString('en')} keys changed`,
      ours: `${(second / 1e6).toFixed(1)} MB`,
      baseline: `${(first / 1e6).toFixed(1)} MB the first`,
      ratio: `${((second / first) * 100).toFixed(1)} %`,
      goal: `≤ ${BYTES_SHARE_MAX * 100} %`,
      met: second <= first * BYTES_SHARE_MAX,
    }
  } finally {
    await kill(running)
    rmSync(folder, { recursive: true, force: true })
  }
}

interface BusyRun {
  readonly bytesPerSecond: number
  /** The longest time without new results: those of an epoch come when it is durable. */
  readonly gapMs: number
}

async function costs({ size, rounds, progress }: RunOptions): Promise<readonly Row[]> {
  const { keys, every } = SIZES[size]
  const [busy, plain]: [BusyRun[], BusyRun[]] = [[], []]
  for (let round = 1; round <= rounds; round++) {
    for (const [name, with_, list] of [
      ['with snapshots', true, busy],
      ['without', false, plain],
    ] as const) {
      const run = await busyRun(size, with_)
      progress(
        `${keys} keys, round ${round} of ${rounds}, ${name}: ${Math.round(run.bytesPerSecond / 1e3)} kB/s of results, longest gap ${run.gapMs.toFixed(0)} ms`,
      )
      list.push(run)
    }
  }
  const rate = (runs: readonly BusyRun[]): number => median(runs.map((run) => run.bytesPerSecond))
  const gap = (runs: readonly BusyRun[]): number => median(runs.map((run) => run.gapMs))
  const share = rate(busy) / rate(plain)
  const what = `a snapshot every ${every} of ${keys.toLocaleString('en')} keys`
  const kilobytes = (runs: readonly BusyRun[]): string => `${Math.round(rate(runs) / 1e3)} kB/s`
  return [
    {
      what: `${what}: results`,
      ours: kilobytes(busy),
      baseline: `${kilobytes(plain)} without`,
      ratio: share.toFixed(2),
      goal: `≥ ${1 - LOST_SHARE_MAX}`,
      met: share >= 1 - LOST_SHARE_MAX,
    },
    {
      what: `${what}: longest time without results`,
      ours: `${gap(busy).toFixed(0)} ms`,
      baseline: `${gap(plain).toFixed(0)} ms without`,
      ratio: `+ ${(gap(busy) - gap(plain)).toFixed(0)} ms`,
      goal: `≤ + ${GAP_MS_MAX} ms`,
      met: gap(busy) - gap(plain) <= GAP_MS_MAX,
    },
  ]
}

/** Runs the job on fresh state until all keys are there, and then for the time that is measured. */
async function busyRun(size: RunOptions['size'], withSnapshots: boolean): Promise<BusyRun> {
  const { keys, every, seconds } = SIZES[size]
  const folder = makeRunFolder()
  const output = join(folder, 'results.jsonl')
  const job = startChild(
    ourArguments({
      manifest: 'bench/jobs/snapshots.yaml',
      mode: 'live',
      stateFolder: join(folder, 'state'),
      set: {
        'sources.ratings.generator.options.keys': keys,
        'sinks.results.file.path': output,
        ...(withSnapshots && { snapshots: { to: join(folder, 'snapshots'), every } }),
      },
    }),
  )
  try {
    await waitForLines(job, output, keys)
    return await watch(output, seconds)
  } finally {
    await kill(job)
    rmSync(folder, { recursive: true, force: true })
  }
}

async function watch(output: string, seconds: number): Promise<BusyRun> {
  const startedMs = performance.now()
  const bytesBefore = sizeOf(output)
  let [bytes, changedMs, gapMs, nowMs] = [bytesBefore, startedMs, 0, startedMs]
  while (nowMs - startedMs < seconds * 1_000) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS))
    nowMs = performance.now()
    const size = sizeOf(output)
    if (size > bytes) changedMs = nowMs
    bytes = size
    gapMs = Math.max(gapMs, nowMs - changedMs)
  }
  return { bytesPerSecond: (bytes - bytesBefore) / ((nowMs - startedMs) / 1_000), gapMs }
}
