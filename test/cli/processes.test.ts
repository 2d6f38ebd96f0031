/** The built command in processes of its own: modules, signals, exit codes, pipes. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { JOB, Project, until } from './cli-harness.ts'

const MAIN = fileURLToPath(new URL('../../dist/runtime/cli/main.js', import.meta.url))
const PATIENCE_MS = 30_000

let project: Project
let processes: ChildProcess[]

beforeEach(async () => {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is not there: npm run build`)
  processes = []
  project = await Project.create()
  await project.put('jobs/job.ts', JOB.replace(/from '.*'/, "from 'millrace'"))
  await project.put('jobs/in.csv', 'user,film,at\n1,2,1000000000\n1,3,1000000000\n2,4,1000000001\n')
})
afterEach(async () => {
  for (const child of processes) child.kill('SIGKILL')
  await project.remove()
})

interface Running {
  readonly child: ChildProcess
  readonly output: () => string
  readonly code: Promise<number | null>
}

function start(...argv: readonly string[]): Running {
  return startWith([], argv)
}

function startWith(flags: readonly string[], argv: readonly string[]): Running {
  const child = spawn(process.execPath, [...flags, MAIN, ...argv], { cwd: project.folder })
  processes.push(child)
  let output = ''
  child.stdout.on('data', (chunk) => (output += String(chunk)))
  child.stderr.on('data', (chunk) => (output += String(chunk)))
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, output: () => output, code }
}

describe('a project without any package', { timeout: PATIENCE_MS }, () => {
  test('finds millrace, and runs a TypeScript job', async () => {
    const run = start('run', 'jobs/job.yaml', '--mode', 'batch')
    expect(await run.code, run.output()).toBe(0)
    const lines = (await readFile(project.path('jobs/out.jsonl'), 'utf8')).trim().split('\n')
    expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
      { user: 1, film: 3, at: 1000000000 },
      { user: 2, film: 4, at: 1000000001 },
    ])
    const again = start('run', '.millrace/last-seen', '--mode', 'batch')
    expect(await again.code, again.output()).toBe(0)
    expect(again.output()).toContain('nothing to do')
  })

  test('may import TypeScript from TypeScript, and JavaScript', async () => {
    await project.put('jobs/more.ts', 'export enum More { one = 1 }\n')
    await project.put('jobs/plain.js', 'export const plain = 2\n')
    const text = await readFile(project.path('jobs/job.ts'), 'utf8')
    const imports = `import { More } from './more.ts'\nimport { plain } from './plain.js'\n`
    const use = `if (More.one + plain !== 3) throw new Error('wrong')\n`
    await project.put('jobs/job.ts', imports + text + use)
    const run = start('validate', 'jobs/job.yaml')
    expect(await run.code, run.output()).toBe(0)
  })

  test('starts without what it does not need: compiler, logger, NATS', async () => {
    expect(await start('validate', 'jobs/job.yaml').code).toBe(0)
    const tellLoaded = `import { createRequire } from 'node:module'
      const { cache } = createRequire('file:///')
      process.on('exit', () => console.error('loaded', Object.keys(cache).join(' ')))`
    const preloaded = `data:text/javascript,${encodeURIComponent(tellLoaded)}`
    const run = startWith(['--import', preloaded], ['run', 'jobs/job.yaml', '--mode', 'batch'])
    expect(await run.code, run.output()).toBe(0)
    expect(run.output()).toMatch(/loaded .*\/lmdb\//)
    expect(run.output()).not.toMatch(/\/node_modules\/(esbuild|pino|nats)\//)
  })

  test('is told where its code does not parse', async () => {
    await project.put('jobs/job.ts', "import './broken.ts'\n")
    await project.put('jobs/broken.ts', 'export const a: number = (\n')
    const run = start('validate', 'jobs/job.yaml')
    expect(await run.code).toBe(2)
    expect(run.output()).toMatch(/job\.ts cannot be loaded: .*broken\.ts:\d+:\d+: ERROR/)
  })
})

describe('signals', { timeout: PATIENCE_MS }, () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s stops a live job with code 0', async (signal) => {
    const run = start('run', 'jobs/job.yaml', '--set', 'sources.seen.file.follow=true')
    await until('it has read its input', () => run.output().includes('3 records'))
    run.child.kill(signal)
    expect(await run.code, run.output()).toBe(0)
    expect(run.output()).toContain('stopped; run it again to go on')
  })
})

describe('dev', { timeout: PATIENCE_MS }, () => {
  test('starts the job again when its code changes, and keeps its state', async () => {
    await project.put('jobs/label.ts', `export const label: string = 'one'\n`)
    const text = await readFile(project.path('jobs/job.ts'), 'utf8')
    const loud = `import { label } from './label.ts'\nconsole.error('loaded', label)\n`
    await project.put('jobs/job.ts', loud + text)
    const dev = start('dev', 'jobs/job.yaml', '--set', 'sources.seen.file.follow=true')
    const said = (what: string) => () => dev.output().includes(what)
    await until('the job runs', said('3 records'))
    await project.put('jobs/label.ts', `export const label: string = (\n`)
    await until('the job is started again, and cannot be', said('waiting for a change'))
    expect(dev.output()).toContain('label.ts changed; starting again')
    await project.put('jobs/label.ts', `export const label: string = 'two'\n`)
    await until('the changed job is loaded', said('loaded two'))
    await until('the changed job runs', () => existsSync(project.path('.millrace/last-seen')))
    dev.child.kill('SIGINT')
    expect(await dev.code, dev.output()).toBe(0)
  })
})

describe('a pipe', { timeout: PATIENCE_MS }, () => {
  test('that has seen enough is no failure', async () => {
    const run = start('plan', 'jobs/job.yaml')
    run.child.stdout?.destroy()
    expect(await run.code).toBe(0)
  })
})
