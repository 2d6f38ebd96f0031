/** `millrace explain window` and `millrace state` on real state folders, beside a running job and behind it. */
import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { realServices } from '../../runtime/cli/real-services.ts'
import type { Explanation } from '../../runtime/explain/explanation.ts'
import { Cli, Project } from './cli-harness.ts'

const PATIENCE_MS = 30_000
const JOB = 'jobs/job.yaml'
const FOLLOW = ['--set', 'sources.seen.file.follow=true']
/** The window of the records that the project has. */
const ASKED = ['last', '1', '2001-09-09T01:46:40.500Z']

let project: Project
let running: Cli[]
beforeEach(async () => {
  project = await Project.create()
  await project.put('jobs/in.csv', 'user,film,at\n1,2,1000000000\n1,3,1000000000\n2,4,1000000001\n')
  running = []
})
afterEach(async () => {
  for (const cli of running) cli.signal()
  await project.remove()
})

function command(): Cli {
  return new Cli(project.folder, { services: realServices })
}

/** A live run that goes on until it is told to stop. */
function startLive(): { readonly cli: Cli; readonly done: Promise<number> } {
  const cli = command()
  running.push(cli)
  return { cli, done: cli.run('run', JOB, '--mode', 'live', '--quiet', ...FOLLOW) }
}

async function explained(job: string): Promise<Explanation> {
  const cli = command()
  expect(await cli.run('explain', 'window', job, ...ASKED, '--json'), cli.err).toBe(0)
  return JSON.parse(cli.out) as Explanation
}

/** Asks until all three records are committed. */
async function whenRead(): Promise<Explanation> {
  const endMs = performance.now() + PATIENCE_MS / 2
  for (;;) {
    const cli = command()
    const code = await cli.run('explain', 'window', JOB, ...ASKED, '--json', ...FOLLOW)
    if (code === 0) {
      const explanation = JSON.parse(cli.out) as Explanation
      if (explanation.inputs[0]?.records === 3) return explanation
    }
    if (performance.now() > endMs) throw new Error(`the records were never read: ${cli.err}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

describe('explain window', { timeout: PATIENCE_MS }, () => {
  test('says who holds a window back, beside the running job and behind it', async () => {
    const { cli, done } = startLive()
    const beside = await whenRead()
    expect(beside).toMatchObject({
      operator: 'last',
      key: 1,
      verdict: 'waits',
      holder: 'seen/0',
      isRunning: true,
      window: {
        start: 1_000_000_000_000,
        end: 1_000_000_001_000,
        contents: [{ user: 1, film: 3, at: 1_000_000_000 }],
      },
      firesAt: 1_000_000_000_999,
      watermark: 1_000_000_001_000 - 5_000 - 1,
    })
    expect(beside.inputs[0]?.position).toMatch(/in\.csv/)
    cli.signal()
    expect(await done, cli.err).toBe(0)

    // The state folder answers for its manifest.
    const behind = await explained('.millrace/last-seen')
    expect(behind).toMatchObject({ verdict: 'waits', holder: 'seen/0', isRunning: false })
    const people = command()
    expect(await people.run('explain', 'window', JOB, ...ASKED)).toBe(0)
    expect(people.out).toMatch(
      /^last, key 1: window 2001-09-09T01:46:40\.000Z to 2001-09-09T01:46:41\.000Z \(tumbling 1000 ms\)\n  waits: /,
    )
    expect(people.out).toContain('The job is not running: nothing moves until it is started.')
    expect(people.out).toMatch(/→ seen\/0 at .*in\.csv.*: (read|silent) · 3 records · watermark /)
    expect(people.out).toMatch(/the job is not running\.\n$/)
  })

  test('knows that a job has finished, and that it ran in batch', async () => {
    const cli = command()
    expect(await cli.run('run', JOB, '--mode', 'batch', '--quiet'), cli.err).toBe(0)
    expect(await explained(JOB)).toMatchObject({ verdict: 'over', cause: 'finished' })
    const run = await readFile(project.path('.millrace/last-seen/run.json'), 'utf8')
    expect(JSON.parse(run)).toMatchObject({ mode: 'batch' })
  })

  test.each([
    [['hist', '1', '0'], 2, /job 'last-seen' has no operator 'hist' that keeps windows; last do/],
    [['last', '1', 'now'], 2, /'now' is no time; write milliseconds since 1970, or a date/],
    [['last', '1'], 2, /missing required argument 'time'/],
  ])('%j ends with code %i', async (argv, code, message) => {
    expect(await command().run('run', JOB, '--mode', 'batch', '--quiet')).toBe(0)
    const cli = command()
    expect(await cli.run('explain', 'window', JOB, ...argv)).toBe(code)
    expect(cli.err).toMatch(message)
  })

  test('needs a state, and that of the job', async () => {
    const none = command()
    expect(await none.run('explain', 'window', JOB, ...ASKED)).toBe(3)
    expect(none.err).toMatch(/holds no state of a job/)
  })
})

describe('state', { timeout: PATIENCE_MS }, () => {
  test('shows windows that are kept as slices', async () => {
    const { cli, done } = startLive()
    await whenRead()
    cli.signal()
    expect(await done, cli.err).toBe(0)
    const get = command()
    expect(await get.run('state', 'get', JOB, 'last', '1'), get.err).toBe(0)
    expect(JSON.parse(get.out)).toMatchObject({
      key: 1,
      cells: { slices: [[1_000_000_000_000, [{ user: 1, film: 3, at: 1_000_000_000 }]]] },
    })
    const scan = command()
    expect(await scan.run('state', 'scan', JOB, 'last')).toBe(0)
    const keys = scan.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { key: number }).key)
    expect(new Set(keys)).toEqual(new Set([1, 2]))
    const one = command()
    expect(await one.run('state', 'scan', JOB, 'last', '--limit', '1')).toBe(0)
    expect(one.out.trim().split('\n')).toHaveLength(1)
  })
})
