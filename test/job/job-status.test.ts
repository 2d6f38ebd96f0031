/** `status` and `ls` of real processes, running and not; and `/metrics` of one that runs. */
import { appendFileSync, mkdirSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { listJobs, statusOf } from '../../runtime/job/job-status.ts'
import { FILE_MANIFEST, JobFolder, records, results, textOf } from './job-process.ts'

let job: JobFolder
afterEach(() => job.remove())

async function until<Value>(look: () => Promise<Value | undefined>): Promise<Value> {
  const endMs = performance.now() + 20_000
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > endMs) throw new Error('waited in vain')
    await new Promise((done) => setTimeout(done, 10))
  }
}

test(
  'a running job tells how it stands, a stopped one how it stood',
  { timeout: 60_000 },
  async () => {
    const manifest = FILE_MANIFEST.replace('in.jsonl', 'in.jsonl, follow: true')
    job = new JobFolder(`${manifest}metrics: { port: 0 }\n`)
    job.write('in.jsonl', textOf([...records(1, 50), 'no JSON']))
    const life = job.start(['--state', 'states/one'])
    await until(async () => (job.read('out.jsonl') === textOf(results(50)) ? true : undefined))
    appendFileSync(job.path('in.jsonl'), textOf(records(51, 60)))
    const running = await until(async () => {
      const status = await statusOf(job.path('states/one'))
      return 'mode' in status &&
        status.outputs[0]?.results === 60 &&
        status.outputs[0].waiting === 0
        ? status
        : undefined
    })
    expect(running).toMatchObject({
      job: 'last-seen',
      mode: 'live',
      state: 'running',
      records: 60,
      deadLettered: 1,
      restarts: 0,
      inputs: [{ input: 'seen/0', source: 'seen', records: 60, refused: { undecodable: 1 } }],
      operators: [{ operator: 'seen', cachedKeys: 5 }],
    })
    expect(running.commits.commits).toBeGreaterThan(1)
    const port = /metrics on http:\/\/127\.0\.0\.1:(\d+)/.exec(life.output())?.[1]
    const page = await fetch(`http://127.0.0.1:${port}/metrics`)
    expect(await page.text()).toContain(
      'millrace_sink_results_total{sink="out",job_name="last-seen"} 60',
    )
    life.child.kill('SIGTERM')
    expect(await life.ended).toBe(0)

    expect(await statusOf(job.path('states/one'))).toMatchObject({
      job: 'last-seen',
      state: 'stopped',
      records: 60,
      deadLettered: 1,
      inputs: [{ input: 'seen/0', records: 60 }],
    })
    job.write('states/notes.txt', 'no state')
    mkdirSync(job.path('states/empty'))
    mkdirSync(job.path('states/torn/task-0'), { recursive: true })
    const listed = await listJobs(job.path('states'))
    expect(listed.map(({ status }) => ('problem' in status ? 'problem' : status.state))).toEqual([
      'stopped',
      'problem',
    ])
  },
)

test('commits of tasks in several processes are on the page too', { timeout: 60_000 }, async () => {
  const manifest = FILE_MANIFEST.replace('in.jsonl', 'in.jsonl, follow: true')
  job = new JobFolder(`${manifest}parallelism: 2\nprocesses: 2\nmetrics: { port: 0 }\n`)
  job.write('in.jsonl', textOf(records(1, 50)))
  const life = job.start()
  const port = await until(async () => /metrics on http:.*:(\d+)/.exec(life.output())?.[1])
  await until(async () => {
    const page = await fetch(`http://127.0.0.1:${port}/metrics`)
    const counted = /^millrace_commit_seconds_count\S* (\d+)$/m.exec(await page.text())?.[1]
    const status = await statusOf(job.path('state'))
    const isAll =
      'mode' in status &&
      status.outputs[0]?.results === 50 &&
      status.commits.commits > 0 &&
      Number(counted) >= status.commits.commits
    return isAll ? true : undefined
  })
  life.child.kill('SIGTERM')
  expect(await life.ended).toBe(0)
})
