import { request } from 'node:http'
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { ConfigError } from '../../runtime/errors.ts'
import { MetricsServer } from '../../runtime/metrics/metrics-server.ts'
import { prometheusPage } from '../../runtime/metrics/prometheus.ts'
import type { JobReport } from '../../runtime/metrics/job-report.ts'
import type { LifeState } from '../../runtime/task/lifecycle.ts'

const REPORT: JobReport = {
  job: 'ctr',
  mode: 'live',
  state: 'running',
  epoch: 7,
  watermark: 1_700_000_000_000,
  records: 12,
  results: 5,
  late: 2,
  deadLettered: 1,
  windows: 4,
  restarts: 3,
  commits: {
    commits: 6,
    lastEpochMs: 100,
    lastCommitMs: 2,
    meanCommitMs: 3,
    longestCommitMs: 9,
  },
  inputs: [
    {
      input: 'seen/0',
      source: 'seen',
      records: 12,
      refused: { schema: 1 },
      watermark: 1_700_000_000_000,
      watermarkLagMs: 1_500,
      lagMessages: 40,
      idle: false,
    },
    {
      input: 'seen/1',
      source: 'seen',
      records: 0,
      refused: {},
      watermark: null,
      watermarkLagMs: null,
      lagMessages: null,
      idle: true,
    },
  ],
  outputs: [{ sink: 'out', results: 5, waiting: 2, waitingBytes: 64 }],
  operators: [{ operator: 'ctr', cachedKeys: 3, fired: 4, late: 2 }],
  snapshots: { failures: 0, last: { id: 'x', epoch: 6, createdAt: 1_700_000_000_000, bytes: 512 } },
}

const servers: MetricsServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

async function open(
  options: { token?: string; report?: () => JobReport; state?: () => LifeState } = {},
): Promise<MetricsServer> {
  const { token, report = () => REPORT, state = () => 'running' } = options
  const page = await prometheusPage(report, () => 1_700_000_030_000)
  page.observe({ epochMs: 100, commitMs: 3 })
  const server = await MetricsServer.open({ host: '127.0.0.1', port: 0, token, page, state })
  servers.push(server)
  return server
}

interface Answer {
  readonly status: number
  readonly text: string
}

function ask(
  { port }: MetricsServer,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path, headers, method }, (response) => {
      let text = ''
      response.on('data', (bytes: Buffer) => void (text += bytes.toString()))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    asking.on('error', reject)
    asking.end()
  })
}

test('every figure of the report is on the page, and what nobody knows is not', async () => {
  const { status, text } = await ask(await open(), '/metrics')
  expect(status).toBe(200)
  const lines = text.split('\n').filter((line) => line.startsWith('millrace_'))
  const J = 'job_name="ctr"'
  expect(lines).toEqual(
    expect.arrayContaining([
      `millrace_job_state{state="running",${J}} 1`,
      `millrace_epoch{${J}} 7`,
      `millrace_restarts_total{${J}} 3`,
      `millrace_input_records_total{source="seen",input="seen/0",${J}} 12`,
      `millrace_input_refused_records_total{source="seen",input="seen/0",reason="schema",${J}} 1`,
      `millrace_input_lag_messages{source="seen",input="seen/0",${J}} 40`,
      `millrace_input_watermark_seconds{source="seen",input="seen/0",${J}} 1700000000`,
      `millrace_input_watermark_lag_seconds{source="seen",input="seen/0",${J}} 1.5`,
      `millrace_input_idle{source="seen",input="seen/1",${J}} 1`,
      `millrace_sink_results_total{sink="out",${J}} 5`,
      `millrace_outbox_messages{sink="out",${J}} 2`,
      `millrace_outbox_bytes{sink="out",${J}} 64`,
      `millrace_late_records_total{${J}} 2`,
      `millrace_dead_letters_total{${J}} 1`,
      `millrace_windows_total{${J}} 4`,
      `millrace_operator_fired_total{operator="ctr",${J}} 4`,
      `millrace_operator_cached_keys{operator="ctr",${J}} 3`,
      `millrace_snapshot_age_seconds{${J}} 30`,
      `millrace_snapshot_bytes{${J}} 512`,
      `millrace_snapshot_failures{${J}} 0`,
      `millrace_commit_seconds_count{${J}} 1`,
      `millrace_commit_seconds_bucket{le="0.002",${J}} 0`,
      `millrace_commit_seconds_bucket{le="0.005",${J}} 1`,
    ]),
  )
  expect(text).not.toMatch(/watermark_seconds\{[^}]*seen\/1/)
  expect(text).toContain('nodejs_eventloop_lag_seconds')
})

test('each reading is of its moment: counters do not add up, and old labels go', async () => {
  let report = REPORT
  const server = await open({ report: () => report })
  await ask(server, '/metrics')
  report = { ...REPORT, state: 'draining', late: 5 }
  const { text } = await ask(server, '/metrics')
  expect(text).toContain('millrace_late_records_total{job_name="ctr"} 5')
  expect(text).not.toContain('state="running"')
})

test.each<[LifeState, number]>([
  ['running', 200],
  ['draining', 200],
  ['restoring', 503],
  ['backingOff', 503],
  ['failed', 503],
])('a job that is %s answers %d', async (state, status) => {
  const server = await open({ state: () => state })
  expect(await ask(server, '/healthz')).toEqual({ status, text: `{"state":"${state}"}\n` })
})

test('only GET, only what is there', async () => {
  const server = await open()
  expect((await ask(server, '/metrics', {}, 'POST')).status).toBe(405)
  expect((await ask(server, '/..%2f..%2fetc/passwd')).status).toBe(404)
  expect((await ask(server, '/', {}, 'HEAD')).text).toBe('')
})

test("another site's page in a browser here reads nothing", async () => {
  const server = await open()
  expect((await ask(server, '/metrics', { host: 'evil.example' })).status).toBe(403)
  expect((await ask(server, '/metrics', { host: 'localhost:1234' })).status).toBe(200)
})

test('with a token, who has it, whatever the address', async () => {
  const server = await open({ token: 's3cret' })
  expect((await ask(server, '/metrics', { host: 'job.example' })).status).toBe(401)
  const wrong = await ask(server, '/metrics', { authorization: 'Bearer s3cre' })
  expect(wrong.status).toBe(401)
  const right = { host: 'job.example', authorization: 'Bearer s3cret' }
  expect((await ask(server, '/metrics', right)).status).toBe(200)
})

test('an endless header is cut off', async () => {
  const server = await open()
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(server.port, '127.0.0.1', () => {
      socket.write(`GET /metrics HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`)
    })
    let text = ''
    socket.on('data', (bytes: Buffer) => void (text += bytes.toString()))
    socket.once('error', () => resolve(text))
    socket.once('close', () => resolve(text))
  })
  expect(answer).not.toContain(' 200 ')
  expect((await ask(server, '/healthz')).status).toBe(200)
})

test('an address that is taken is refused with what to do', async () => {
  const { port } = await open()
  const page = await prometheusPage(
    () => REPORT,
    () => 0,
  )
  const again = MetricsServer.open({ host: '127.0.0.1', port, page, state: () => 'running' })
  await expect(again).rejects.toThrow(ConfigError)
  await expect(again).rejects.toThrow(/Name another metrics.port/)
})
