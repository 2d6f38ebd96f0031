/** kill -9 with little and with much state; restart → first new result. */
import { appendFileSync, closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { median } from '../compare.ts'
import { kill, sizeOf, timeToFirstResult } from '../first-result.ts'
import { ourArguments } from '../our-run.ts'
import { makeRunFolder } from '../places.ts'
import { startChild } from '../run-child.ts'
import type { RunOptions, Subject } from '../subject.ts'
import { waitUntil } from '../wait-until.ts'

const SECONDS_MAX = 0.5
const RATIO_MAX = 1.3
const KEYS = { full: [10_000, 2_000_000], small: [100, 2_000] } as const
const FILL_TIMEOUT_MS = 300_000
const NEWLINE = 10

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
  const input = join(folder, 'ratings.jsonl')
  const output = join(folder, 'results.jsonl')
  const args = ourArguments({
    manifest: 'bench/jobs/restart.yaml',
    mode: 'live',
    stateFolder: join(folder, 'state'),
    set: { 'sources.ratings.file.path': input, 'sinks.results.file.path': output },
  })
  writeRecords(input, keys)
  const filling = startChild(args)
  const linesIn = lineCounter(output)
  const isFilled = (): boolean => {
    if (filling.process.exitCode !== null) throw new Error(`the job ended:\n${filling.output()}`)
    return linesIn() === keys
  }
  try {
    await waitUntil(`${keys} keys were in`, isFilled, { everyMs: 50, timeoutMs: FILL_TIMEOUT_MS })
  } finally {
    await kill(filling)
  }
  const seconds: number[] = []
  for (let round = 1; round <= rounds; round++) {
    appendFileSync(input, record(round))
    const first = await timeToFirstResult(args, output)
    await kill(first.job)
    progress(
      `restart with ${keys} keys, round ${round} of ${rounds}: ${first.seconds.toFixed(2)} s`,
    )
    seconds.push(first.seconds)
  }
  return median(seconds)
}

/** Counts the lines of a growing file; each call reads only what is new. */
function lineCounter(path: string): () => number {
  const chunk = Buffer.allocUnsafe(1 << 20)
  let position = 0
  let lines = 0
  return () => {
    if (sizeOf(path) === position) return lines
    const file = openSync(path, 'r')
    for (let read = 0; (read = readSync(file, chunk, 0, chunk.length, position)) > 0;) {
      for (let at = -1; (at = chunk.indexOf(NEWLINE, at + 1)) >= 0 && at < read;) lines += 1
      position += read
    }
    closeSync(file)
    return lines
  }
}

function writeRecords(path: string, keys: number): void {
  const file = openSync(path, 'w')
  for (let from = 1; from <= keys; from += 10_000) {
    const count = Math.min(10_000, keys - from + 1)
    writeSync(file, Array.from({ length: count }, (_, index) => record(from + index)).join(''))
  }
  closeSync(file)
}

function record(userId: number): string {
  const publishedAt = Date.UTC(2024, 0, 1) + userId
  return `${JSON.stringify({ userId, movieId: 1 + (userId % 400), rating: 3.5, publishedAt })}\n`
}
