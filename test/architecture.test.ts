/** The house rules that neither the compiler nor the linter knows. docs/ARCHITECTURE.md draws the arrows. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..')
const SOURCE_FOLDERS = ['operators', 'runtime', 'jobs', 'config', 'demo', 'bench']
const LINES_MAX = 400

interface SourceFile {
  /** Relative to the project, with slashes. */
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
}

interface Import {
  /** As written. */
  readonly specifier: string
  /** Of the project's own files: relative to the project; otherwise the package. */
  readonly target: string
  readonly isType: boolean
}

const files = SOURCE_FOLDERS.flatMap(filesOf).map(read)
const tests = filesOf('test').map(read)

describe('who may import whom', () => {
  const ARROWS: readonly Arrow[] = [
    { from: /^operators\//, to: [/^operators\//], why: 'operators are pure and know nothing below' },
    {
      from: /^jobs\//,
      to: [/^millrace$/, /^jobs\//, /^zod$/],
      why: "a job imports 'millrace', its siblings and its schemas' library, as a user's job does",
    },
    {
      from: /^config\//,
      to: [/^config\//, /^operators\/time\.ts$/, /^runtime\/errors\.ts$/, /^node:/, /^zod$/, /^yaml$/],
      why: 'config knows words and units, not the runtime',
    },
    {
      from: /^runtime\/pipeline\//,
      to: [/^runtime\/(pipeline\/|errors\.ts$)/, /^operators\//, /^@standard-schema\/spec$/],
      why: 'a pipeline only describes: it knows operators',
    },
    {
      from: /^runtime\/task\//,
      to: [
        /^runtime\/(task|time|pipeline)\//,
        /^runtime\/errors\.ts$/,
        /^runtime\/(log\/log|sink\/sink|source\/source|state\/store|state\/state-entry)\.ts$/,
        /^runtime\/(state\/(row-codec|key-codec|crc32)|sink\/(json|csv)-text)\.ts$/,
        /^operators\//,
        /^node:/,
        /^xstate$/,
        /^@standard-schema\/spec$/,
      ],
      why: 'a task sees logs, sinks, sources and stores by their interfaces, so that the simulation runs the same loop',
    },
    {
      from: /^runtime\/(time|state|log|source|sink)\//,
      to: [/^runtime\/(time|state|log|source|sink|task\/(outbox-row|meta|dead-letter)\.ts)/, ...BELOW],
      why: 'what a task stands on does not know the task, the job or the command line',
    },
    {
      from: /^runtime\/job\//,
      to: [/^runtime\/(?!cli\/|testing\/)/, /^config\//, /^operators\//, /^node:/, /^[a-z@]/],
      why: 'the job level is below the command line',
    },
    {
      from: /^runtime\//,
      to: [/^(?!jobs\/|demo\/|bench\/|test\/)/],
      why: 'the runtime knows no job',
    },
  ]

  test.each(ARROWS.map((arrow) => [String(arrow.from), arrow] as const))('%s', (_, arrow) => {
    const wrong = files
      .filter(({ path }) => arrow.from.test(path))
      .flatMap(({ path, imports }) =>
        imports
          .filter(({ target }) => !arrow.to.some((allowed) => allowed.test(target)))
          .map(({ specifier }) => `${path} imports ${specifier}: ${arrow.why}`),
      )
    expect(wrong).toEqual([])
  })
})
