/** How users' modules are loaded, in processes of their own: inside a test another loader would do it. */
import { execFile } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const DIST = resolve(import.meta.dirname, '../../dist')
const start = promisify(execFile)

let folder: string
let temporary: string

beforeEach(() => {
  if (!existsSync(DIST)) throw new Error(`${DIST} is not there: npm run build`)
  folder = mkdtempSync(join(tmpdir(), 'millrace-load-'))
  temporary = join(folder, 'tmp')
  mkdirSync(temporary)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function put(name: string, text: string): string {
  const path = join(folder, 'app', name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}

const cacheFolder = (): string => join(temporary, `millrace-modules-${process.getuid?.()}`)
const compiledFiles = (): string[] =>
  readdirSync(cacheFolder()).filter((name) => /-[0-9a-f]{32}\.c?js$/.test(name))

/** A compiler that cannot be started: what loads all the same was not compiled again. */
const NO_COMPILER = { ESBUILD_BINARY_PATH: '/nowhere/esbuild' }

interface Run {
  /** Code with `load(file)`, `own` (the package) and `told` (what onImport was told); its value is printed. */
  readonly code: string
  readonly env?: Readonly<Record<string, string>>
}

/** @returns what the code comes to in a process of its own, or its error's message. */
async function run({ code, env = {} }: Run): Promise<unknown> {
  const script = `
    import { loadModule } from ${JSON.stringify(urlOf('runtime/job/load-module.js'))}
    import * as own from ${JSON.stringify(urlOf('runtime/index.js'))}
    const told = []
    const load = (file) => loadModule(file)
    const loadTold = (file) => loadModule(file, { onImport: (url) => told.push(url) })
    const value = await (async () => { ${code} })().catch((error) => ({ error: error.message }))
    console.log('\\n' + JSON.stringify(value))`
  const { stdout } = await start(process.execPath, ['--input-type=module', '-e', script], {
    cwd: folder,
    env: { PATH: '/usr/bin:/bin', TMPDIR: temporary, ...env },
  })
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
}

const urlOf = (name: string): string => pathToFileURL(join(DIST, name)).href

const load = (file: string, env: Run['env'] = {}): Promise<unknown> =>
  run({ code: `return { ...(await load(${JSON.stringify(file)})) }`, env })

describe('a module in TypeScript', () => {
  test('imports TypeScript, JavaScript, JSON and CommonJS, as they are written', async () => {
    put(
      'types.ts',
      'export interface Size { readonly width: number }\nexport enum Shape { round = 7 }\n',
    )
    put('plain.js', "import { Shape } from './types.ts'\nexport const shape = Shape.round\n")
    put('old.cjs', 'exports.answer = 42\n')
    put(
      'mixed.cts',
      "import { join } from 'node:path'\nexport const joined: string = join('a', 'b')\n",
    )
    put('data.json', '{"size": 3}')
    const file = put(
      'job.ts',
      `import { type Size, Shape } from './types.ts'
       import { shape } from './plain.js'
       import old from './old.cjs'
       import { joined } from './mixed.cts'
       import data from './data.json'
       import same from './data.json' with { type: 'json' }
       const size: Size = { width: await Promise.resolve(5) }
       export const all = [size.width, Shape.round, shape, old.answer, joined, data.size, same.size]
       export const later = (await import('./later.ts')).later\n`,
    )
    put('later.ts', 'export const later: string = "later"\n')
    expect(await load(file)).toEqual({ all: [5, 7, 7, 42, 'a/b', 3, 3], later: 'later' })
  })

  test('knows where its source lies', async () => {
    const text =
      'export const { url, dirname, filename } = {\n  url: import.meta.url, dirname: import.meta.dirname, filename: import.meta.filename }\n'
    const file = put('lib/where.ts', text)
    const entry = put('job.ts', "export * from './lib/where.ts'\n")
    expect(await load(entry)).toEqual({
      url: pathToFileURL(file).href,
      dirname: dirname(file),
      filename: file,
    })
  })

  test('shares its imports with every other module, and they may go in circles', async () => {
    const job = put('job.ts', "export { count } from './shared.ts'\nexport const one = 1\n")
    put(
      'shared.ts',
      "import { one } from './job.ts'\nexport const count = { value: 0, one: () => one }\n",
    )
    const other = put('other.ts', "export { count } from './shared.ts'\n")
    const code = `
      const [a, b] = [await load(${JSON.stringify(job)}), await load(${JSON.stringify(other)})]
      a.count.value += 1
      return [b.count.value, b.count.one(), a.count === b.count]`
    expect(await run({ code })).toEqual([1, 1, true])
    expect(await run({ code, env: NO_COMPILER })).toEqual([1, 1, true])
  })

  test("gets this very copy of the package as 'millrace'", async () => {
    const file = put('job.ts', "import * as all from 'millrace'\nexport { all }\n")
    const code = `return Object.entries((await load(${JSON.stringify(file)})).all).every(([name, value]) => own[name] === value)`
    expect(await run({ code })).toBe(true)
  })

  test('finds packages from where it lies', async () => {
    const version = (number: number): string => `export const version = ${number}\n`
    const manifest = (main: string): string =>
      JSON.stringify({ name: 'dep', type: 'module', exports: { import: `./${main}` } })
    put('node_modules/dep/package.json', manifest('one.js'))
    put('node_modules/dep/one.js', version(1))
    put('node_modules/dep/two.js', version(2))
    put('lib/inner.ts', "export { version } from 'dep'\n")
    const file = put('job.ts', "export { version } from './lib/inner.ts'\n")
    expect(await load(file)).toEqual({ version: 1 })
    put('node_modules/dep/package.json', manifest('two.js'))
    expect(await load(file)).toEqual({ version: 2 })
    put('lib/node_modules/dep/package.json', manifest('near.js'))
    put('lib/node_modules/dep/near.js', version(3))
    expect(await load(file)).toEqual({ version: 3 })
  })

  test('may lie in a package that is linked and made of sources', async () => {
    put('packages/shared/package.json', '{"name":"shared","type":"module","exports":"./index.ts"}')
    put('packages/shared/index.ts', 'export const shared: string = "yes"\n')
    mkdirSync(join(folder, 'app/node_modules'))
    symlinkSync('../packages/shared', join(folder, 'app/node_modules/shared'))
    expect(await load(put('job.ts', "export { shared } from 'shared'\n"))).toEqual({
      shared: 'yes',
    })
  })
})

describe('a mistake', () => {
  test('in the syntax is told with its place', async () => {
    put('broken.ts', 'export const a = 1\nexport const b: number = (\n')
    const file = put('job.ts', "import './broken.ts'\n")
    expect(await load(file)).toEqual({
      error: expect.stringMatching(
        /job\.ts cannot be loaded: .*\/broken\.ts:3:1: ERROR: Unexpected/,
      ),
    })
  })

  test('in an import is told with its place', async () => {
    const file = put(
      'job.ts',
      "export const a = 1\nimport { b } from './nowhere.ts'\nexport { b }\n",
    )
    expect(await load(file)).toEqual({
      error: expect.stringMatching(
        /\/job\.ts:2:\d+ cannot be loaded: ERROR: Could not resolve "\.\/nowhere\.ts"/,
      ),
    })
  })

  test('in the name of an import is told by the name of the source', async () => {
    put('other.ts', 'export const a: number = 1\n')
    const message = await load(
      put('job.ts', "import { b } from './other.ts'\nexport const c = b\n"),
    )
    expect(message).toEqual({ error: expect.stringContaining("export named 'b'") })
    expect(message).toEqual({ error: expect.not.stringContaining('millrace-modules') })
    expect(message).toEqual({ error: expect.stringContaining('/other.ts') })
  })

  test('at run time is told with the line of the source, now and later', async () => {
    const text = `interface Long {\n  readonly a: number\n}\n\nexport function fail(long: Long): never {\n  throw new Error('no ' + long.a)\n}\n`
    const file = put('job.ts', text)
    const code = `
      const { fail } = await load(${JSON.stringify(file)})
      try { fail({ a: 1 }) } catch (error) { return error.stack }`
    for (const env of [{}, NO_COMPILER]) {
      expect(await run({ code, env })).toContain(`${file}:6:9`)
    }
    const atLoad = put('thrown.ts', `interface A { a: 1 }\n\nthrow new Error('at load')\n`)
    expect(await load(atLoad)).toEqual({ error: `${atLoad}:3:7 cannot be loaded: at load` })
  })
})

describe('what was compiled', () => {
  test('is used again as long as nothing has changed', async () => {
    put('part.ts', 'export const part: number = 1\n')
    put('data.json', '1')
    const text =
      "import data from './data.json'\nexport { part } from './part.ts'\nexport const sum: number = data\n"
    const file = put('job.ts', text)
    expect(await load(file)).toEqual({ part: 1, sum: 1 })
    expect(await load(file, NO_COMPILER)).toEqual({ part: 1, sum: 1 })
    put('part.ts', 'export const part: number = 2\n')
    expect(await load(file)).toEqual({ part: 2, sum: 1 })
    put('data.json', '5')
    expect(await load(file)).toEqual({ part: 2, sum: 5 })
    expect(await load(file, NO_COMPILER)).toEqual({ part: 2, sum: 5 })
  })

  test('is made again when it was changed, or is not whole', async () => {
    const file = put('job.ts', 'export const good: boolean = true\n')
    expect(await load(file)).toEqual({ good: true })
    const [name = ''] = compiledFiles()
    const path = join(cacheFolder(), name)
    const right = readFileSync(path, 'utf8')
    for (const wrong of ['export const good = false\n', '']) {
      writeFileSync(path, wrong)
      expect(await load(file)).toEqual({ good: true })
      expect(readFileSync(path, 'utf8')).toBe(right)
    }
    const [entry = ''] = readdirSync(cacheFolder()).filter((item) =>
      /^[0-9a-f]{32}\.json$/.test(item),
    )
    writeFileSync(join(cacheFolder(), entry), '{"name":')
    expect(await load(file)).toEqual({ good: true })
  })

  test('is not kept where others may write', async () => {
    const file = put('job.ts', 'export const good: boolean = true\n')
    mkdirSync(cacheFolder())
    chmodSync(cacheFolder(), 0o777)
    expect(await load(file)).toEqual({ good: true })
    expect(readdirSync(cacheFolder())).toEqual([])
    expect(readdirSync(temporary)).toHaveLength(1)
  })

  test('does not grow without bounds', async () => {
    const file = put('job.ts', 'export const good: boolean = true\n')
    expect(await load(file)).toEqual({ good: true })
    for (let i = 0; i < 1_100; i++) {
      const old = join(cacheFolder(), `${i}.js`)
      writeFileSync(old, '')
      utimesSync(old, 1_700_000_000, 1_700_000_000)
    }
    put('job.ts', 'export const good: boolean = false\n')
    expect(await load(file)).toEqual({ good: false })
    expect(readdirSync(cacheFolder()).length).toBeLessThan(700)
    expect(await load(file, NO_COMPILER)).toEqual({ good: false })
  })

  test('is told file by file to who watches', async () => {
    put('part.ts', 'export const part: number = 1\n')
    put('plain.js', 'export const plain = 1\n')
    put('old.cjs', 'exports.answer = 42\n')
    put('data.json', '1')
    const imports = ['./part.ts', './plain.js', './data.json'].map((name) => `import '${name}'\n`)
    const file = put('job.ts', imports.join(''))
    const code = `await loadTold(${JSON.stringify(file)}).catch(() => undefined); return told.map((url) => url.split('/').at(-1)).toSorted()`
    const all = ['data.json', 'job.ts', 'part.ts', 'plain.js']
    expect(await run({ code })).toEqual(all)
    expect(await run({ code, env: NO_COMPILER })).toEqual(all)
    put('part.ts', 'export const part: number = (\n')
    expect(await run({ code })).toContain('part.ts')
  })
})
