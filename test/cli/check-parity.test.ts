/** `millrace check parity` on real files. */
import { existsSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EXIT } from '../../runtime/cli/exit-codes.ts'
import { Cli, JOB, Project } from './cli-harness.ts'

let project: Project
beforeEach(async () => {
  project = await Project.create()
  const rows = Array.from({ length: 60 }, (_, i) => `${i % 5},${i},${1_000_000_000 + (i % 13)}`)
  await project.put('jobs/in.csv', `user,film,at\n${rows.join('\n')}\nbroken\n`)
})
afterEach(() => project.remove())

async function check(...flags: string[]): Promise<{ code: number; out: string; err: string }> {
  const cli = new Cli(project.folder)
  const code = await cli.run('check', 'parity', 'jobs/job.yaml', '--seed', '7', ...flags)
  return { code, out: cli.out, err: cli.err }
}

test('a job that keeps its promise passes, and nothing is written', async () => {
  const { code, out } = await check()
  expect(code).toBe(EXIT.ok)
  expect(out).toMatch(/^last-seen {3}61 records {3}seed 7\n out {3}\d+ results\n/)
  expect(out).toContain('(live) (other sizes) (shuffled) (killed), 3 times each')
  expect(existsSync(project.path('jobs/out.jsonl'))).toBe(false)
  expect(existsSync(project.path('.millrace'))).toBe(false)
})

test('one that does not is told with the smallest input, and where that was read', async () => {
  const first = JOB.replace("reduce('last', (_, b) => b)", "reduce('last', (a) => a)")
  await project.put('jobs/job.ts', first.replace("tumbling('1s')", "tumbling('1h')"))
  const { code, out } = await check('--set', 'sources.seen.eventTime.outOfOrder=20s')
  expect(code).toBe(EXIT.userCode)
  expect(out).toContain('the smallest input that shows it: 2 records')
  expect(out).toMatch(/ {2}seen {2}\{"user":\d,"film":\d+,"at":\d+\} {2}\(.*in\.csv:\d+\)/)
  expect(out).toMatch(/ out, in batch only:\n {2}\{.*\n out, \w+ only:\n {2}\{/)
})

test('so many records are taken as are asked for, and none is an error', async () => {
  expect((await check('--records', '10')).out).toMatch(
    /^last-seen {3}10 records, the first of more/,
  )
  await project.put('jobs/in.csv', 'user,film,at\n')
  const { code, err } = await check()
  expect([code, err]).toEqual([
    EXIT.configuration,
    expect.stringContaining('the sources of last-seen have no records'),
  ])
})
