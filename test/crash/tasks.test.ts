/**
 * A job whose tasks run in several processes, which are killed at random: single ones, and the job's own.
 * MILLRACE_KILLS says how many; the results are compared with an independent computation.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { generateRatings } from '../../jobs/ratings-generator.ts'
import { newSeed, randomFrom } from '../support/random.ts'
import { workersOf } from '../support/worker-processes.ts'
import { differences, latestRatings } from './expected.ts'
import { csvOfRatings } from './ratings.ts'

const MAIN = fileURLToPath(new URL('../../dist/runtime/cli/main.js', import.meta.url))
const MANIFEST = fileURLToPath(new URL('../../jobs/latest-rating.yaml', import.meta.url))
const KILLS = Number(process.env['MILLRACE_KILLS'] ?? 6)
const RATINGS = 40_000
const PATIENCE_MS = 60_000 + KILLS * 8_000

const folder = mkdtempSync(join(tmpdir(), 'millrace-processes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const seed = newSeed()

interface Run {
  readonly child: ChildProcess
  readonly ended: Promise<number | NodeJS.Signals | null>
  readonly output: () => string
}

function start(set: readonly string[]): Run {
  const child = spawn(
    process.execPath,
    [
      MAIN,
      'run',
      MANIFEST,
      '--state',
      join(folder, 'state'),
      '--mode',
      'batch',
      '--quiet',
      ...set.flatMap((field) => ['--set', field]),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => (printed += bytes.toString()))
  }
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal))
  })
  return { child, ended, output: () => printed }
}

test(
  `processes of tasks, killed ${KILLS} times (seed ${seed})`,
  { timeout: PATIENCE_MS },
  async () => {
    const random = randomFrom(seed)
    const items = [...generateRatings({ ratings: RATINGS, seed: 11, brokenShare: 0 })]
    const ratings = items.filter((item) => typeof item !== 'string')
    writeFileSync(join(folder, 'ratings.csv'), csvOfRatings(ratings))
    const set = [
      `sources.ratings.file.path=${join(folder, 'ratings.csv')}`,
      `sinks.latest.file.path=${join(folder, 'out.jsonl')}`,
      'sources.ratings.eventTime.order=unordered',
      'parallelism=3',
      'processes=2',
      'commit.records=500',
      'restart.delay=10ms',
      'restart.attempts=1000',
    ]
    let run = start(set)
    let kills = 0
    for (;;) {
      const pause = new Promise<'go on'>((resolve) => {
        setTimeout(() => resolve('go on'), 50 + random() * 600)
      })
      const ended = await Promise.race([run.ended, pause])
      if (ended === 0) break
      if (ended !== 'go on') {
        expect(ended, run.output()).toBe('SIGKILL')
        run = start(set)
        continue
      }
      if (kills >= KILLS) continue
      const workers = workersOf(run.child.pid)
      const victim = random() < 0.2 ? run.child.pid : workers[Math.floor(random() * workers.length)]
      if (victim === undefined) continue
      process.kill(victim, 'SIGKILL')
      kills += 1
    }
    const lines = readFileSync(join(folder, 'out.jsonl'), 'utf8').split('\n').slice(0, -1)
    expect(differences(lines, latestRatings(ratings))).toEqual([])
    console.log(`${kills} kills, ${lines.length} results`)
  },
)
