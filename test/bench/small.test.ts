/** Every benchmark at its smoke size, through the built command line: it runs, and results agree. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const BENCH = join(import.meta.dirname, '../../dist/bench/run.js')
const TIMEOUT_MS = 180_000

test(
  'all benchmarks run small, and ours give what the hand-written loops give',
  async () => {
    expect(existsSync(BENCH), `${BENCH} is not there; run npm run build first`).toBe(true)
    const { stdout } = await promisify(execFile)(process.execPath, [
      BENCH,
      '--small',
      '--rounds',
      '1',
    ])
    const rows = stdout.split('\n').filter((line) => line.startsWith('| '))
    const subjects = ['per user and hour', 'memory', 'per user and second', 'row 1 → file']
    for (const what of [
      ...subjects,
      'row 2 → JetStream',
      'p50',
      'p99',
      'start',
      'kill -9',
      'restore of',
      'second snapshot',
      'without results',
    ]) {
      expect(rows.filter((row) => row.includes(what)).length, what).toBeGreaterThanOrEqual(1)
    }
    expect(stdout).not.toContain('NaN')
  },
  TIMEOUT_MS,
)
