/** A job that runs on a file of ratings that grows, and gives a line for each of them. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { kill, sizeOf } from './first-result.ts'
import { ourArguments } from './our-run.ts'
import type { RunningChild } from './run-child.ts'
import { startChild } from './run-child.ts'
import { waitUntil } from './wait-until.ts'

const FILL_TIMEOUT_MS = 600_000
const NEWLINE = 10

/** Where such a job reads and writes. */
export interface GrowingJob {
  readonly input: string
  readonly output: string
  /** Arguments for node. */
  readonly args: readonly string[]
}

/** @param folder of the files and the state. */
export function growingJob(
  manifest: string,
  folder: string,
  set: Readonly<Record<string, unknown>> = {},
): GrowingJob {
  const input = join(folder, 'ratings.jsonl')
  const output = join(folder, 'results.jsonl')
  const args = ourArguments({
    manifest,
    mode: 'live',
    stateFolder: join(folder, 'state'),
    set: { 'sources.ratings.file.path': input, 'sinks.results.file.path': output, ...set },
  })
  return { input, output, args }
}

/** Starts the job on a rating of each of so many users, and waits until it has taken them all; it goes on. */
export async function fill(
  { input, output, args }: GrowingJob,
  keys: number,
): Promise<RunningChild> {
  appendRatings(input, keys, (index) => index + 1)
  const job = startChild(args)
  try {
    await waitForLines(job, output, keys)
  } catch (error) {
    await kill(job)
    throw error
  }
  return job
}

/** Waits until the job's output has so many lines. */
export async function waitForLines(
  job: RunningChild,
  output: string,
  lines: number,
): Promise<void> {
  const linesIn = lineCounter(output)
  const haveAll = (): boolean => {
    if (job.process.exitCode !== null) throw new Error(`the job ended:\n${job.output()}`)
    return linesIn() >= lines
  }
  await waitUntil(`there were ${lines} results`, haveAll, {
    everyMs: 50,
    timeoutMs: FILL_TIMEOUT_MS,
  })
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

/** Appends so many ratings. */
export function appendRatings(
  path: string,
  count: number,
  userOf: (index: number) => number,
): void {
  const file = openSync(path, 'a')
  for (let from = 0; from < count; from += 10_000) {
    const length = Math.min(10_000, count - from)
    writeSync(file, Array.from({ length }, (_, i) => ratingOf(userOf(from + i))).join(''))
  }
  closeSync(file)
}

function ratingOf(userId: number): string {
  const publishedAt = Date.UTC(2024, 0, 1) + userId
  return `${JSON.stringify({ userId, movieId: 1 + (userId % 400), rating: 3.5, publishedAt })}\n`
}
