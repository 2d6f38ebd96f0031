/** What a job refuses when it is to go on from a snapshot that does not fit, in real processes. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { EXIT } from '../../runtime/cli/exit-codes.ts'
import { FILE_MANIFEST, JobFolder, jobText, records, results, textOf } from './job-process.ts'

const PATIENCE = { timeout: 60_000 }
const SNAPSHOTS = 'snapshots: { to: ./snapshots, every: 50ms, keep: 50 }\n'
let job: JobFolder
afterEach(() => job.remove())

async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + 20_000
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const ids = (): string[] =>
  existsSync(job.path('snapshots'))
    ? readdirSync(job.path('snapshots'))
        .filter((id) => existsSync(job.path(`snapshots/${id}/manifest.json`)))
        .toSorted()
    : []

/** Two halves of input, a snapshot after the first; then the state is lost. */
async function loseState(manifest: string): Promise<string> {
  job = new JobFolder(manifest.replace('in.jsonl', 'in.jsonl, follow: true') + SNAPSHOTS)
  job.write('in.jsonl', textOf(records(1, 500)))
  const life = job.start()
  await until('there is a snapshot', () => ids().length > 0 && life.output().includes('was taken'))
  const [first = ''] = ids()
  job.write('in.jsonl', textOf(records(1, 1_000)))
  await until('there is one of the rest', () => ids().length > 1)
  await new Promise((resolve) => setTimeout(resolve, 300))
  life.child.kill('SIGKILL')
  await life.ended
  rmSync(job.path('state'), { recursive: true })
  return first
}

test(
  'a snapshot of another shape of the job is refused with the difference',
  PATIENCE,
  async () => {
    await loseState(FILE_MANIFEST)
    job.write('job.js', jobText({ cell: 'sum' }))
    const { code, output } = await job.run(['--mode', 'batch'])
    expect([code, output]).toEqual([
      EXIT.state,
      expect.stringMatching(
        /snapshot .* does not fit.* keeps \[count:value.*in the state and \[sum:value/,
      ),
    ])
    expect(readdirSync(job.path('state'))).toEqual([])
    job.write('job.js', jobText())
    expect((await job.run(['--mode', 'batch'])).code).toBe(EXIT.ok)
    expect(job.read('out.jsonl')).toBe(textOf(results(1_000)))
  },
)

test(
  'a restored job whose results differ from those that are out is refused',
  PATIENCE,
  async () => {
    const first = await loseState(FILE_MANIFEST)
    const before = job.read('out.jsonl')
    expect(before).toBe(textOf(results(1_000)))
    job.write('job.js', jobText().replace('n: record.n, count', 'n: record.n, count: -count'))
    const flags = ['--mode', 'batch', '--restore', first]
    const { code, output } = await job.run(flags)
    expect([code, output]).toEqual([EXIT.dataLoss, expect.stringMatching(/differ from byte/)])
    expect(job.read('out.jsonl')).toBe(before)
    rmSync(job.path('state'), { recursive: true })
    expect((await job.run([...flags, '--results', 'again'])).code).toBe(EXIT.ok)
    const lines = job.read('out.jsonl').trimEnd().split('\n')
    expect(lines).toHaveLength(1_000)
    expect(lines.at(-1)).toContain('"count":-')
  },
)

test(
  'a stream that is ahead of the snapshot is refused, and not written to',
  PATIENCE,
  async () => {
    const sink = 'embedded: { stream: OUT, log: ./log }'
    const first = await loseState(FILE_MANIFEST.replace('file: { path: out.jsonl }', sink))
    const { code, output } = await job.run(['--mode', 'batch', '--restore', first])
    expect([code, output]).toEqual([EXIT.dataLoss, expect.stringMatching(/the state went back/)])
    rmSync(job.path('state'), { recursive: true })
    const again = await job.run(['--mode', 'batch', '--restore', first, '--results', 'again'])
    expect([again.code, again.output]).toEqual([
      EXIT.configuration,
      expect.stringMatching(/--results again works with files/),
    ])
    expect(readdirSync(job.path('state'))).toEqual([])
  },
)
