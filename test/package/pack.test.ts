/**
 * What a user gets: the packed package in a project of its own, with a job in TypeScript. Installs
 * from npm's cache or the registry, without install scripts. Needs a built dist, as `npm test` makes it.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')
const INSTALL_MS_MAX = 60_000
const START = promisify(execFile)

const JOB = `
    import { count, job, tumbling } from 'millrace'
    import { z } from 'zod'

    const Visit = z.object({ page: z.string(), at: z.number() })

    export default job('visits', ({ source, sink }) => {
      source('visits', Visit)
        .keyBy((visit) => visit.page)
        .window(tumbling('1m'))
        .aggregate('perMinute', { visits: count() })
        .map(({ key, value, window }) => ({ page: key, minute: window.start, visits: value.visits }))
        .to(sink('counts'))
    })`

const MANIFEST = `
job: ./visits.ts
sources:
  visits:
    file: { path: visits.csv }
    eventTime: { field: at, unit: s }
sinks:
  counts:
    file: { path: out/counts.jsonl }
`

const PROJECT: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({ name: 'scratch', private: true, type: 'module' }),
  'visits.ts': JOB,
  'visits.yaml': MANIFEST,
  'plain/package.json': '{}',
  'plain/visits.ts': JOB,
  'plain/visits.yaml': MANIFEST.replace('visits.csv', '../visits.csv'),
  'visits.csv': 'page,at\nhome,1700000000\nhelp,1700000001\nhome,1700000002\nhome,1700000090\n',
  'visits-test.ts': `
    import { deepStrictEqual } from 'node:assert'
    import { testJob } from 'millrace/testing'
    import visits from './visits.ts'

    const t = await testJob(visits, { eventTime: { visits: { field: 'at', unit: 's' } } })
    t.push('visits', { page: 'home', at: 1_700_000_000 }, { page: 'home', at: 1_700_000_001 })
    t.crash()
    t.advanceWatermark('visits', 1_700_000_100_000)
    deepStrictEqual(await t.output('counts'), [{ page: 'home', minute: 1_699_999_980_000, visits: 2 }])`,
  'wrong.ts': `
    import visits from './visits.ts'
    import { job } from 'millrace'
    import { z } from 'zod'
    export const name: number = visits.name
    export default job('wrong', ({ source, sink }) => {
      source('visits', z.object({ page: z.string() })).keyBy((visit) => visit.pagee).to(sink('out'))
    })`,
}

let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-pack-'))
  mkdirSync(join(folder, 'plain'))
  for (const [name, text] of Object.entries(PROJECT)) writeFileSync(join(folder, name), text)
  const packed = await run('npm', ['pack', '--ignore-scripts', '--json', ROOT])
  const [{ filename }] = JSON.parse(packed) as [{ readonly filename: string }]
  const { devDependencies, dependencies } = manifestOf(ROOT)
  const wanted = [
    `./${filename}`,
    `zod@${dependencies['zod']}`,
    `@types/node@${devDependencies['@types/node']}`,
    // For the test kit, from TypeScript on Node 20: whatever a user runs tests with will do.
    `tsx@${devDependencies['tsx'] ?? dependencies['tsx']}`,
  ]
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
  await run('npm', ['install', ...flags, ...wanted])
}, INSTALL_MS_MAX)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the packed package in a project of its own', () => {
  test('runs a job in TypeScript', async () => {
    await run('npx', ['millrace', 'run', 'visits.yaml', '--mode', 'batch', '--quiet'])
    const lines = readFileSync(join(folder, 'out/counts.jsonl'), 'utf8').trimEnd().split('\n')
    expect(lines.toSorted()).toEqual([
      '{"page":"help","minute":1699999980000,"visits":1}',
      '{"page":"home","minute":1699999980000,"visits":2}',
      '{"page":"home","minute":1700000040000,"visits":1}',
    ])
  })

  test("loads a job in TypeScript whose package.json does not say 'module'", async () => {
    const said = await run('npx', ['millrace', 'validate', 'plain/visits.yaml'])
    expect(said).toContain("job 'visits' is valid")
  })

  test('offers the test kit as millrace/testing', async () => {
    await run(process.execPath, ['--import', 'tsx', 'visits-test.ts'])
  })

  test.each([
    ['nodenext', 'nodenext', {}],
    ['preserve', 'bundler', {}],
    // The strictest options are not everybody's, and types are others without them.
    ['nodenext', 'nodenext', { exactOptionalPropertyTypes: false }],
  ])(
    'has types for module %s with resolution %s and %j',
    async (module, moduleResolution, options) => {
      await check(['visits.ts', 'visits-test.ts'], { module, moduleResolution, ...options })
    },
  )

  test('has types that find a wrong field name', async () => {
    const wrong: unknown = await check(['wrong.ts'], { module: 'nodenext' }).catch(
      (error: unknown) => error,
    )
    expect(wrong).toMatchObject({ stdout: expect.stringMatching(/wrong\.ts\(5,.*TS2322/) })
    expect(wrong).toMatchObject({ stdout: expect.stringMatching(/'pagee' does not exist/) })
  })

  test('holds what a user needs and nothing else', () => {
    const installed = join(folder, 'node_modules/millrace')
    const { files } = manifestOf(ROOT)
    expect(files.some((name) => /^(dist\/)?(test|bench|demo|jobs)\b/.test(name))).toBe(false)
    expect(manifestOf(installed).version).toBe(manifestOf(ROOT).version)
    const schema: unknown = JSON.parse(
      readFileSync(join(installed, 'config/manifest.schema.json'), 'utf8'),
    )
    expect(schema).toHaveProperty('properties.sources')
  })
})

interface Manifest {
  readonly version: string
  readonly files: readonly string[]
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

function manifestOf(at: string): Manifest {
  return JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as Manifest
}

/** Runs the compiler over files of the scratch project. @throws what it printed, as `stdout`. */
async function check(
  files: readonly string[],
  options: Readonly<Record<string, string | boolean>>,
): Promise<void> {
  const compilerOptions = {
    target: 'es2023',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: false,
    ...options,
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.'])
}

/** Runs a command in the scratch project, with Node's own folder first on PATH; gives what it printed. */
async function run(command: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` }
  const { stdout } = await START(command, args, { cwd: folder, env, timeout: INSTALL_MS_MAX })
  return stdout
}
