/** The house rules that neither the compiler nor the linter knows. docs/ARCHITECTURE.md draws the arrows. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..')
const CODE = ['operators', 'runtime', 'jobs', 'config', 'demo', 'bench']
const LINES_MAX = 450

interface SourceFile {
  /** Relative to the project. */
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
}

interface Import {
  /** A file of the project, relative to it; else the package as it is written. */
  readonly target: string
  readonly isType: boolean
}

const code = CODE.flatMap((folder) => filesOf(folder)).map(read)
const tests = filesOf('test').map(read)
const codeOf = (...folders: readonly string[]): SourceFile[] =>
  code.filter(({ path }) => folders.some((folder) => path.startsWith(`${folder}/`)))

interface Arrow {
  readonly from: string
  readonly to: readonly RegExp[]
  readonly why: string
}

const NODE = /^node:/
const OPERATORS = /^operators\//
const ERRORS = /^runtime\/errors\.ts$/
/** Where the files of this very package are. */
const OWN_FILES = /^runtime\/package-files\.ts$/
/** Pure functions between values and bytes. */
const CODECS = /^runtime\/state\/(row-codec|key-codec|state-entry|crc32)\.ts$/
/** What is between a task and the outside: each an interface, or the bytes that travel. */
const INTERFACES =
  /^runtime\/(log\/log|sink\/sink|source\/source|state\/store|time\/clock|task\/(outbox-row|byte-writer))\.ts$/
const STANDARD_SCHEMA = /^@standard-schema\/spec$/
const edge = (folder: string): RegExp => new RegExp(`^runtime/(time|${folder})/`)

const ARROWS: readonly Arrow[] = [
  {
    from: 'operators',
    to: [OPERATORS],
    why: 'operators are pure: give them what they need as arguments',
  },
  {
    from: 'jobs',
    to: [/^millrace$/, /^jobs\//, /^zod$/],
    why: "a job imports 'millrace', its siblings and the library of its schemas, as a user's does",
  },
  {
    from: 'config',
    to: [/^config\//, /^operators\/time\.ts$/, ERRORS, NODE, /^(zod|yaml|esbuild)$/],
    why: 'config knows words and units and not the runtime: let runtime/job read its result',
  },
  {
    from: 'runtime/time',
    to: [/^runtime\/time\//, OPERATORS, ERRORS, INTERFACES, CODECS],
    why: 'time is below everything else of the runtime',
  },
  {
    from: 'runtime/pipeline',
    to: [/^runtime\/pipeline\//, OPERATORS, ERRORS, CODECS, STANDARD_SCHEMA],
    why: 'a pipeline describes and does not run: leave the doing to runtime/task',
  },
  {
    from: 'runtime/task',
    to: [
      /^runtime\/(task|time|pipeline)\//,
      OPERATORS,
      ERRORS,
      INTERFACES,
      CODECS,
      NODE,
      STANDARD_SCHEMA,
      /^(xstate|msgpackr)$/,
    ],
    why: 'a task sees logs, stores, sources and sinks by their interfaces: let runtime/job/run-job.ts pick the real ones',
  },
  {
    from: 'runtime/state',
    to: [
      edge('state'),
      OWN_FILES,
      OPERATORS,
      ERRORS,
      NODE,
      /^runtime\/task\/meta\.ts$/,
      /^(lmdb|msgpackr)$/,
    ],
    why: 'state knows bytes and rows: what decides about them is above',
  },
  {
    from: 'runtime/snapshot',
    to: [
      edge('snapshot|state'),
      ERRORS,
      NODE,
      /^runtime\/task\/meta\.ts$/,
      /^runtime\/log\/jetstream-(connection|publisher|scan|wire)\.ts$/,
      /^aws4fetch$/,
    ],
    why: 'a snapshot knows stores, their rows and where it is kept: what becomes of sources and sinks is above',
  },
  {
    from: 'runtime/log',
    to: [edge('log'), ERRORS, NODE, /^runtime\/state\/crc32\.ts$/, /^(lmdb|nats)$/],
    why: 'a log knows messages and nothing of what is in them',
  },
  {
    from: 'runtime/source',
    to: [edge('source|log'), OPERATORS, ERRORS, INTERFACES, CODECS, NODE, /^tinyglobby$/],
    why: 'a source reads: what becomes of its records is above',
  },
  {
    from: 'runtime/sink',
    to: [edge('sink|log'), OPERATORS, ERRORS, INTERFACES, NODE],
    why: 'a sink writes rows of an outbox: what made them is above',
  },
  {
    from: 'runtime/metrics',
    to: [
      edge('metrics'),
      /^runtime\/task\/(task|task-parts|lifecycle)\.ts$/,
      /^runtime\/snapshot\/snapshot-schedule\.ts$/,
      OPERATORS,
      ERRORS,
      NODE,
      /^prom-client$/,
    ],
    why: 'what is told of a job is read from its tasks; let runtime/job decide who may ask',
  },
  {
    from: 'runtime/parity',
    to: [
      edge('parity'),
      /^runtime\/testing\/(simulated-world|test-options)\.ts$/,
      /^runtime\/pipeline\/job\.ts$/,
      /^runtime\/state\/stored-keys\.ts$/,
      /^runtime\/task\/(meta|dead-letter|task-parts)\.ts$/,
      OPERATORS,
      ERRORS,
      INTERFACES,
    ],
    why: 'parity is checked in a simulated world: let runtime/job open the real sources',
  },
  {
    from: 'runtime/explain',
    to: [
      /^runtime\/(explain|time|pipeline)\//,
      /^runtime\/state\/(store|state-entry|key-codec)\.ts$/,
      /^runtime\/task\/(meta|input-status|time-places)\.ts$/,
      OPERATORS,
      ERRORS,
    ],
    why: 'an explanation follows from committed rows and the graph: let runtime/job open what it reads',
  },
  {
    from: 'runtime/testing',
    to: [
      /^runtime\/(?!cli\/|job\/|parity\/)/,
      /^config\//,
      OPERATORS,
      NODE,
      /^runtime\/job\/(make-source|load-job|load-module|check-job)\.ts$/,
      STANDARD_SCHEMA,
    ],
    why: 'the test kit needs no files, servers or command line',
  },
  {
    from: 'runtime/job',
    to: [/^runtime\/(?!cli\/|testing\/)/, /^config\//, OPERATORS, NODE, /^esbuild$/],
    why: 'commands stand on a job, and not the other way round',
  },
  {
    from: 'runtime/cli',
    to: [/^runtime\/(?!testing\/)/, /^config\//, NODE, /^(commander|pino|log-update)$/],
    why: 'a command starts parts of the runtime; it knows no operator and no job of this project',
  },
]

/** Packages, and the only files that may load them. Types may be imported anywhere above. */
const HOMES: Readonly<Record<string, RegExp>> = {
  nats: /^runtime\/log\/jetstream-[a-z-]+\.ts$/,
  lmdb: /^runtime\/(log|state)\/lmdb-[a-z-]+\.ts$/,
  msgpackr: /^runtime\/(state\/row-codec|task\/frame)\.ts$/,
  xstate: /^runtime\/task\/lifecycle\.ts$/,
  commander: /^runtime\/cli\/run-cli\.ts$/,
  pino: /^runtime\/cli\/logger\.ts$/,
  'log-update': /^runtime\/cli\/io\.ts$/,
  yaml: /^config\/yaml-tree\.ts$/,
  zod: /^(config\/[a-z-]+|jobs\/schemas)\.ts$/,
  tinyglobby: /^runtime\/source\/file-source\.ts$/,
  'prom-client': /^runtime\/metrics\/prometheus\.ts$/,
  esbuild: /^(runtime\/job\/compile-modules|config\/bundle)\.ts$/,
  aws4fetch: /^runtime\/snapshot\/s3-requests\.ts$/,
}

/** Files that are started or named, and not imported. */
const ENTRIES = new Set([
  'runtime/index.ts',
  'runtime/testing/index.ts',
  'runtime/cli/main.ts',
  'runtime/job/worker.ts',
  'config/bundle.ts',
  'config/write-schema.ts',
  'demo/main.ts',
])

describe('imports', () => {
  test.each(ARROWS.map((arrow) => [arrow.from, arrow] as const))(
    '%s imports only what is below it',
    (_, { from, to, why }) => {
      const wrong = codeOf(from).flatMap(({ path, imports }) =>
        imports
          .filter(({ target }) => !to.some((allowed) => allowed.test(target)))
          .map(({ target }) => `${path} imports ${target}: ${why}`),
      )
      expect(wrong).toEqual([])
    },
  )

  test('every folder of the runtime has its arrows', () => {
    const folders = readdirSync(join(ROOT, 'runtime'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `runtime/${name}`)
    const missing = folders.filter((folder) => !ARROWS.some(({ from }) => from === folder))
    expect(missing.map((folder) => `${folder}: say in ARROWS what it may import`)).toEqual([])
  })

  test('each package is loaded by the files that are its home', () => {
    const wrong = codeOf('operators', 'runtime', 'jobs', 'config', 'demo').flatMap(
      ({ path, imports }) =>
        imports
          .filter(({ target, isType }) => !isType && HOMES[target]?.test(path) === false)
          .map(({ target }) => `${path} loads ${target}: use what ${HOMES[target]} offers`),
    )
    expect(wrong).toEqual([])
  })

  test('every package that is loaded is a dependency, and every dependency is loaded', () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: Readonly<Record<string, string>>
    }
    const loaded = new Set(
      codeOf('operators', 'runtime', 'jobs', 'config', 'demo')
        .flatMap(({ imports }) => imports.map(({ target }) => target))
        .filter(
          (target) => !/^(node:|millrace|(operators|runtime|jobs|config|demo)\/)/.test(target),
        )
        .map((target) => target.split('/', target.startsWith('@') ? 2 : 1).join('/')),
    )
    expect([...loaded].toSorted()).toEqual(Object.keys(dependencies).toSorted())
  })

  test('no file is dead', () => {
    const imported = new Set(code.flatMap(({ imports }) => imports.map(({ target }) => target)))
    const named = new Set(
      filesOf('jobs', '.yaml').flatMap((path) =>
        Array.from(textOf(path).matchAll(/\.\/([a-z-]+\.ts)/g), ([, name]) => `jobs/${name}`),
      ),
    )
    const dead = codeOf('operators', 'runtime', 'jobs', 'config', 'demo')
      .map(({ path }) => path)
      .filter((path) => !imported.has(path) && !named.has(path) && !ENTRIES.has(path))
    expect(dead.map((path) => `${path}: nobody imports it; remove it or use it`)).toEqual([])
  })
})

describe('style', () => {
  test('files stay small enough to be read at once', () => {
    const large = codeOf('operators', 'runtime', 'config')
      .map(({ path, text }) => ({ path, lines: text.split('\n').length }))
      .filter(({ lines }) => lines > LINES_MAX)
    expect(
      large.map(({ path, lines }) => `${path} has ${lines} lines: take a concept out of it`),
    ).toEqual([])
  })

  test.each([
    [/\b(TO[D]O|FIX[M]E|X[X]X)\b/, 'finish it, or write down in docs/ why it is left out'],
    [
      /\bconsole\.(log|error|warn|info|debug)\(/,
      'take the log of the run, or the io of the command',
    ],
    [/\bnew Date\(\)/, 'take a Clock'],
    [/\benum [A-Z]/, "write a union: type Color = 'red' | 'green'"],
    [/@ts-(ignore|expect-error|nocheck)/, 'make the types say what is true'],
  ])('nowhere is %s', (banned, instead) => {
    const found = codeOf('operators', 'runtime', 'jobs', 'config', 'demo').flatMap(
      ({ path, text }) =>
        text
          .split('\n')
          .flatMap((line, index) =>
            banned.test(line) ? [`${path}:${index + 1} ${line.trim()}: ${instead}`] : [],
          ),
    )
    expect(found).toEqual([])
  })

  test('only jobs and what a manifest names have a default export', () => {
    const found = codeOf('operators', 'runtime', 'config', 'demo')
      .filter(({ text }) => /^export default /m.test(text))
      .map(({ path }) => `${path}: export it by name`)
    expect(found).toEqual([])
  })

  test('files and folders are named in kebab-case', () => {
    const wrong = [...code, ...tests]
      .map(({ path }) => path)
      .filter((path) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+([-.][a-z0-9]+)*\.ts$/.test(path))
    expect(wrong).toEqual([])
  })

  test('files and folders are named by what is in them', () => {
    const wrong = code
      .map(({ path }) => path)
      .filter((path) => /(^|[/-])(utils?|helpers?|common|types|misc)\b/.test(path))
    expect(wrong).toEqual([])
  })

  test('a test is where the file that it is about is', () => {
    const lost = tests
      .map(({ path }) => posix.dirname(path).replace(/^test\/?/, ''))
      .filter(
        (folder) =>
          ![
            '',
            'conformance',
            'crash',
            'simulate',
            'package',
            'support',
            'cases',
            'types',
          ].includes(folder) &&
          ![folder, `runtime/${folder}`].some((at) => existsSync(join(ROOT, at))),
      )
    expect([...new Set(lost)]).toEqual([])
  })
})

function filesOf(folder: string, extension = '.ts'): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => posix.join(folder, path.replaceAll('\\', '/')))
    .filter((path) => path.endsWith(extension))
}

function textOf(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

function read(path: string): SourceFile {
  const text = textOf(path)
  return { path, text, imports: [...staticImports(path, text), ...lazyImports(path, text)] }
}

/** `import … from '…'` and `export … from '…'`, over several lines too. */
function staticImports(path: string, text: string): Import[] {
  const pattern = /^(?:import|export)\s+(type\s+)?(?:[\w*{][^'"`;]*?\bfrom\s+)?'([^']+)'/gm
  return Array.from(text.matchAll(pattern), ([, type, specifier = '']) => ({
    target: targetOf(path, specifier),
    isType: type !== undefined,
  }))
}

/** `import('…')`, as a value or as a type. */
function lazyImports(path: string, text: string): Import[] {
  return Array.from(text.matchAll(/(await )?\bimport\('([^']+)'\)/g), ([, awaited, specifier]) => ({
    target: targetOf(path, specifier ?? ''),
    isType: awaited === undefined,
  }))
}

function targetOf(path: string, specifier: string): string {
  return specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : specifier
}
