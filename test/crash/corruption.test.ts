/**
 * A state folder whose file was damaged behind the job's back: bits turned in its pages, its end cut off,
 * its head overwritten, another file in its place. LMDB has no checksums, and what it does about damage ranges
 * from an error to the end of the process; so each run is a process of its own. What must hold is that no wrong
 * result ever comes out: a run ends with the right results, or it ends without having written a wrong one.
 */
import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  openSync,
  closeSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXIT } from '../../runtime/cli/exit-codes.ts'
import { FILE_MANIFEST, JobFolder, jobText, textOf } from '../job/job-process.ts'
import { until } from '../support/jetstream.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const PATIENCE_MS = 120_000
const USERS = 3_000
const HALF = 6_000
const COUNT = 2 * HALF
const PAGE_BYTES = 4_096
/** More of them on request, as seeds are. */
const ROUNDS = Number(process.env['MILLRACE_ROUNDS'] ?? 6)
const ENDS = ['--mode', 'batch', '--set', 'sources.seen.file.follow=false']

const records = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => {
    const n = from + i
    return JSON.stringify({ user: (n * 7_919) % USERS, n, at: 1_700_000_000 + n })
  })

/** The results of all records, computed beside the code under test. */
function expected(): string[] {
  const counts = new Map<number, number>()
  return records(1, COUNT).map((line) => {
    const { user, n } = JSON.parse(line) as { user: number; n: number }
    const count = (counts.get(user) ?? 0) + 1
    counts.set(user, count)
    return JSON.stringify({ user, n, count })
  })
}

let job: JobFolder
let kept: string

/** A state in the middle of its input, kept aside. */
beforeAll(async () => {
  job = new JobFolder(FILE_MANIFEST.replace('in.jsonl', 'in.jsonl, follow: true'))
  job.write('job.js', jobText())
  job.write('in.jsonl', textOf(records(1, HALF)))
  const life = job.start(['--mode', 'live', '--set', 'commit.records=500'])
  const half = textOf(expected().slice(0, HALF))
  await until(() => job.read('out.jsonl') === half, 'the first half')
  life.child.kill('SIGTERM')
  expect(await life.ended, life.output()).toBe(0)
  kept = mkdtempSync(join(tmpdir(), 'millrace-kept-'))
  cpSync(job.path('state'), join(kept, 'state'), { recursive: true })
  copyFileSync(job.path('out.jsonl'), join(kept, 'out.jsonl'))
  job.write('in.jsonl', textOf(records(1, COUNT)))
}, PATIENCE_MS)

afterAll(() => {
  job.remove()
  rmSync(kept, { recursive: true, force: true })
})

const dataFile = (): string => job.path('state/task-0/data.mdb')

interface Outcome {
  readonly end: number | NodeJS.Signals
  readonly output: string
  readonly written: readonly string[]
}

/** Damages a copy of the state, and runs the job on it. */
async function runDamaged(damage: (file: string) => void): Promise<Outcome> {
  rmSync(job.path('state'), { recursive: true, force: true })
  cpSync(join(kept, 'state'), job.path('state'), { recursive: true })
  copyFileSync(join(kept, 'out.jsonl'), job.path('out.jsonl'))
  damage(dataFile())
  const { code, output } = await job.run(ENDS)
  const written = job
    .read('out.jsonl')
    .split('\n')
    .filter((line) => line !== '')
  return { end: code, output, written }
}

function flipBits(file: string, offset: number, bits: number, random: () => number): void {
  const handle = openSync(file, 'r+')
  const byte = Buffer.alloc(1)
  for (let i = 0; i < bits; i++) {
    const at = offset + Math.floor(random() * PAGE_BYTES)
    if (readSync(handle, byte, 0, 1, at) === 0) continue
    byte[0] = (byte[0] as number) ^ (1 << Math.floor(random() * 8))
    writeSync(handle, byte, 0, 1, at)
  }
  closeSync(handle)
}

const pagesOf = (file: string): number => Math.floor(statSync(file).size / PAGE_BYTES)

/** No wrong result, whatever became of the run. */
function checkWritten({ end, output, written }: Outcome, context: string): void {
  const all = expected()
  const wrong = written.findIndex((line, i) => line !== all[i])
  expect(wrong === -1 ? 'right' : `line ${wrong + 1}: ${written[wrong]}`, context + output).toBe(
    'right',
  )
  if (end === 0) expect(written.length, context).toBe(all.length)
}

/** How LMDB ends a process that meets a page it cannot make sense of. */
const BY_LMDB = ['SIGABRT', 'SIGBUS', 'SIGSEGV']

describe('a damaged state', { timeout: PATIENCE_MS }, () => {
  test('with bits turned in its pages never gives a wrong result', async () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    for (let round = 0; round < ROUNDS; round++) {
      const outcome = await runDamaged((file) => {
        const pages = pagesOf(file)
        // Not the two meta pages: those are the next test's.
        for (let page = 0; page < 1 + pages / 4; page++)
          flipBits(file, (2 + Math.floor(random() * (pages - 2))) * PAGE_BYTES, 3, random)
      })
      checkWritten(outcome, `seed ${seed}, round ${round}: `)
      if (typeof outcome.end === 'number') expect([0, EXIT.state]).toContain(outcome.end)
      else expect(BY_LMDB).toContain(outcome.end)
    }
  })

  test.each<[string, (file: string) => void, number, RegExp]>([
    [
      'whose head is zeroed',
      (file) => overwrite(file, 0, Buffer.alloc(2 * PAGE_BYTES)),
      EXIT.state,
      /is damaged: it does not begin as a store does/,
    ],
    [
      'whose head is noise',
      (file) => overwrite(file, 0, Buffer.alloc(2 * PAGE_BYTES, 0xa5)),
      EXIT.state,
      /is damaged: it does not begin as a store does/,
    ],
    [
      'that is another file',
      (file) => writeFileSync(file, 'no store at all\n'.repeat(1_000)),
      EXIT.state,
      /is damaged: it does not begin as a store does/,
    ],
    ['that is empty', (file) => truncateSync(file, 0), EXIT.state, /the state is gone from it/],
    [
      'that is cut to half',
      (file) => truncateSync(file, Math.floor(statSync(file).size / 2)),
      EXIT.state,
      /is damaged: /,
    ],
    [
      'that is cut within a page',
      (file) => truncateSync(file, statSync(file).size - 1_000),
      0,
      /finished/,
    ],
    [
      'one of whose heads is damaged',
      (file) => overwrite(file, 16, Buffer.alloc(200, 0xff)),
      EXIT.state,
      /is damaged: it does not begin as a store does/,
    ],
  ])('%s is refused, or goes on with what is whole', async (_, damage, end, message) => {
    const outcome = await runDamaged(damage)
    checkWritten(outcome, '')
    expect([end, outcome.output]).toEqual([outcome.end, expect.stringMatching(message)])
  })
})

function overwrite(file: string, offset: number, bytes: Buffer): void {
  const handle = openSync(file, 'r+')
  writeSync(handle, bytes, 0, bytes.length, offset)
  closeSync(handle)
}
