/** The commands of docs/OPERATIONS.md, run in their order by a shell, with the job in a folder of its own. */
import { spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EXIT } from '../../runtime/cli/exit-codes.ts'
import { FILE_MANIFEST, JobFolder, records, results, textOf } from '../job/job-process.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const page = readFileSync(join(ROOT, 'docs/OPERATIONS.md'), 'utf8')
const [, replaying = ''] = /^## Do history again\n([^]*?)^## /m.exec(page) ?? []
const blocks = (language: string, text = page.replace(replaying, '')): string[] =>
  Array.from(
    text.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g')),
    ([, inside]) => inside ?? '',
  )

const [section = ''] = blocks('yaml')
const LAST = 5_000
let job: JobFolder

beforeAll(() => {
  job = new JobFolder(
    `${FILE_MANIFEST.replace('in.jsonl', 'in.jsonl, follow: true')}state: ./state\n${section}`,
  )
  mkdirSync(job.path('bin'))
  const main = join(ROOT, 'dist/runtime/cli/main.js')
  writeFileSync(job.path('bin/millrace'), `#!/bin/sh\nexec ${process.execPath} ${main} "$@"\n`)
  chmodSync(job.path('bin/millrace'), 0o755)
})
afterAll(() => job.remove())

const shellEnv = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: `${job.path('bin')}:${process.env['PATH']}`,
})

function sh(
  script: string,
  env: Record<string, string> = {},
): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-e', '-c', script], {
    cwd: job.folder,
    env: { ...shellEnv(), ...env },
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { code: status, output: stdout + stderr }
}

const ids = (): string[] =>
  sh('millrace snapshot ls job.yaml')
    .output.trimEnd()
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')

async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + 20_000
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`)
    await new Promise((done) => setTimeout(done, 10))
  }
}

const expected = textOf(results(LAST))

test('every command of the page does what the page says', { timeout: 120_000 }, async () => {
  const [commands = '', stopping = '', startAgain = '', rollBack = '', ...others] = blocks('sh')
  const [migrating = '', standing = '', ...rest] = others
  expect(rest).toEqual([])
  job.write('in.jsonl', textOf(records(1, LAST / 2)))
  const life = job.start()
  await until('the first half is out', () => job.read('out.jsonl') === textOf(results(LAST / 2)))

  const asked = sh(commands)
  expect([asked.code, asked.output]).toEqual([
    0,
    expect.stringMatching(/whole\n.*copied to .*elsewhere\n$/),
  ])
  const [id = ''] = ids()
  expect(asked.output.startsWith(`${id}  epoch `)).toBe(true)
  expect(existsSync(job.path(`elsewhere/${id}/manifest.json`))).toBe(true)

  appendFileSync(job.path('in.jsonl'), textOf(records(LAST / 2 + 1, LAST)))
  await until('the second half is out', () => job.read('out.jsonl') === expected)
  const stopped = sh(stopping)
  expect([stopped.code, stopped.output]).toEqual([0, expect.stringMatching(/^stopped\n.* epoch /)])
  expect(await life.ended).toBe(0)
  const [newest = ''] = ids()
  expect(newest > id).toBe(true)

  const started = sh(startAgain)
  expect([started.code, started.output]).toEqual([
    0,
    expect.stringContaining(`restored from snapshot ${newest}`),
  ])
  expect(job.read('out.jsonl')).toBe(expected)

  const back = sh(rollBack, { ID: id })
  expect([back.code, back.output]).toEqual([0, expect.stringContaining(id)])
  expect(job.read('out.jsonl')).toBe(expected)

  const migrated = sh(migrating)
  expect([migrated.code, migrated.output]).toEqual([
    0,
    'all keys are of the versions of the job\n'.repeat(2),
  ])

  const stands = sh(standing)
  expect([stands.code, stands.output]).toEqual([
    0,
    expect.stringMatching(
      /^last-seen  finished .*\n last commit .*\n[^]*^last-seen  finished .* state$/m,
    ),
  ])

  // The second stands on the first.
  expect(sh(`millrace snapshot rm job.yaml ${id}`).code).toBe(EXIT.state)
  expect(sh(`millrace snapshot rm job.yaml ${newest}`).code).toBe(0)
  expect(ids()).not.toContain(newest)
  // What is in the state folder goes before any snapshot; --restore does not touch it.
  expect(sh('millrace run job.yaml --mode batch').code).toBe(0)
  expect(sh('millrace run job.yaml --mode batch --restore latest').code).toBe(EXIT.state)
})

test(
  'history is done again, and followed live, as the page says',
  { timeout: 120_000 },
  async () => {
    const [manifest = ''] = blocks('yaml', replaying)
    const [batches = '', thenLive = '', ...rest] = blocks('sh', replaying)
    expect(rest).toEqual([])
    job.write('replay.yaml', manifest)
    job.write('in.jsonl', textOf(records(1, LAST)))
    const done = sh(batches)
    expect(done.code, done.output).toBe(0)
    expect(job.read('replayed.jsonl')).toBe(textOf(results(LAST / 2)))
    expect(job.read('hour.jsonl').split('\n')).toHaveLength(1_001)
    const other = sh('millrace run replay.yaml --mode batch --state first-half --to 2501')
    expect([other.code, other.output]).toEqual([
      EXIT.configuration,
      expect.stringContaining('is of a batch from start to sequence 2500'),
    ])
    expect(sh('millrace run replay.yaml --mode batch --state first-half --to 2500').code).toBe(0)

    rmSync(job.path('replayed.jsonl'))
    const live = spawn('/bin/sh', ['-c', `exec ${thenLive}`], { cwd: job.folder, env: shellEnv() })
    const ended = new Promise((over) => live.once('close', over))
    await until('the batch is out', () => job.read('replayed.jsonl') === expected)
    job.write('more.jsonl', textOf(records(LAST + 1, LAST + 100)))
    const more = sh('millrace publish more.jsonl --to embedded --stream SEEN --log log --quiet')
    expect(more.code, more.output).toBe(0)
    await until('live is out', () => job.read('replayed.jsonl') === textOf(results(LAST + 100)))
    live.kill('SIGTERM')
    expect(await ended).toBe(0)
  },
)
