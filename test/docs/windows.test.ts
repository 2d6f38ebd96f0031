/**
 * Every example of docs/WINDOWS.md is run: a block of TypeScript stands in the frame that the page
 * begins with, and the `play` behind it says what comes in and, behind arrows, what then comes out.
 */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { spawnSync } from 'node:child_process'
import { transformSync } from 'esbuild'
import * as millrace from 'millrace'
import { testJob, type TestJob } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { sourceSection } from '../../config/source-section.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const HERE = '  // … the example …\n'
const require = createRequire(import.meta.url)

interface Example {
  readonly title: string
  readonly code: string
  readonly play: string
}

interface Block {
  readonly language: string
  readonly text: string
  readonly title: string
}

const page = readFileSync(join(ROOT, 'docs/WINDOWS.md'), 'utf8')
const blocks = blocksOf(page)
const [frame, ...tsBlocks] = blocks.filter(({ language }) => language === 'ts')
const examples = examplesOf(blocks.filter((block) => block !== frame))

/** The fenced blocks of a page, each with the heading that it stands under. */
function blocksOf(text: string): Block[] {
  const found = text.matchAll(/^#+ (?<title>.*)$|^```(?<language>\w+)\n(?<text>[^]*?)^```$/gm)
  let title = ''
  const all: Block[] = []
  for (const { groups = {} } of found) {
    if (groups['title'] !== undefined) title = groups['title']
    else all.push({ language: groups['language'] ?? '', text: groups['text'] ?? '', title })
  }
  return all
}

function examplesOf(all: readonly Block[]): Example[] {
  return all.flatMap((block, i) => {
    const play = all[i + 1]
    if (block.language !== 'ts' || play?.language !== 'play') return []
    return [{ title: `${block.title} (${i})`, code: block.text, play: play.text }]
  })
}

const moduleOf = (code: string): string =>
  (frame?.text ?? '')
    .replace('{ job }', `{ ${Object.keys(millrace).join(', ')} }`)
    .replace(HERE, () => code)

function jobOf(code: string): millrace.JobDefinition {
  const { code: script } = transformSync(moduleOf(code), { loader: 'ts', format: 'cjs' })
  const module: { exports: { default?: millrace.JobDefinition } } = { exports: {} }
  const load = (name: string): unknown => (name === 'millrace' ? millrace : require(name))
  // oxlint-disable-next-line typescript/no-implied-eval -- the page's own code
  new Function('module', 'require', script)(module, load)
  if (module.exports.default === undefined) throw new Error('the frame has no job')
  return module.exports.default
}

/** Plays the lines of a script. @returns the script with what came out in place of its arrows. */
async function played(definition: millrace.JobDefinition, script: string): Promise<string> {
  const lines = script.trimEnd().split('\n')
  const settings = lines.filter((line) => line.startsWith('with '))
  const t = await testJob(definition, { eventTime: eventTimeOf(settings) })
  const outputs = outputsOf(definition)
  const seen = new Map<string, number>()
  const written: string[] = []
  for (const line of lines) {
    if (/^\s+→/.test(line)) continue
    written.push(line)
    if (!line.startsWith('with ')) step(t, line, definition)
    for (const sink of outputs) {
      const all = await t.output<unknown>(sink)
      for (const value of all.slice(seen.get(sink))) {
        const text = typeof value === 'string' ? value : JSON.stringify(value)
        written.push(`  → ${sink === 'out' ? '' : `${sink}: `}${text}`)
      }
      seen.set(sink, all.length)
    }
  }
  await t.close()
  return `${written.join('\n')}\n`
}

const outputsOf = ({ graph }: millrace.JobDefinition): string[] =>
  graph.nodes.flatMap((node) => (node.kind === 'sink' ? [node.name] : []))

const sourcesOf = ({ graph }: millrace.JobDefinition): string[] =>
  graph.nodes.flatMap((node) => (node.kind === 'source' ? [node.name] : []))

/** `with seen outOfOrder=3 idleAfter=10` */
function eventTimeOf(settings: readonly string[]): Record<string, Record<string, string | number>> {
  return Object.fromEntries(
    settings.map((line) => {
      const [, source = '', ...pairs] = line.split(/\s+/)
      const options = pairs.map((pair) => {
        const [name = '', value = ''] = pair.split('=')
        return [name, /^\d+$/.test(value) ? Number(value) : value]
      })
      return [source, Object.fromEntries(options) as Record<string, string | number>]
    }),
  )
}

function step(t: TestJob, line: string, definition: millrace.JobDefinition): void {
  const sources = sourcesOf(definition)
  const [first = '', second = ''] = line.trim().split(/\s+/)
  if (first === 'time') for (const name of sources) t.advanceWatermark(name, timeOf(second))
  else if (first === 'clock') t.advanceClock(Number(second))
  else if (first === 'end') for (const name of sources) t.endInput(name)
  else {
    const name = first.endsWith(':') ? first.slice(0, -1) : 'seen'
    for (const [, key, n, time] of line.matchAll(/(\w+)=(-?[\d.]+)@(\S+)/g)) {
      t.push(name, { key, n: Number(n), timestamp: timeOf(time ?? '') })
    }
  }
}

const timeOf = (text: string): number => (/^-?\d+$/.test(text) ? Number(text) : Date.parse(text))

describe('docs/WINDOWS.md', () => {
  test.each(examples)('$title does what the page says', async ({ code, play }) => {
    expect(await played(jobOf(code), play)).toBe(play)
  })

  test('every block of TypeScript but the frame is an example', () => {
    expect(examples.map(({ code }) => code)).toEqual(tsBlocks.map(({ text }) => text))
    expect(frame?.text).toContain(HERE)
  })

  test('the examples have the types they should', { timeout: 60_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-windows-'))
    try {
      symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
      const paths = { millrace: [join(ROOT, 'runtime/index.ts')] }
      const compilerOptions = { noEmit: true, rootDir: '/', noUnusedLocals: false, paths }
      const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['*.ts'] }
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
      for (const [i, { code }] of examples.entries()) {
        writeFileSync(join(folder, `example-${i}.ts`), moduleOf(code))
      }
      const tsc = join(ROOT, 'node_modules/.bin/tsc')
      const { stdout } = spawnSync(tsc, ['-p', folder], { encoding: 'utf8' })
      expect(stdout).toBe('')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('the settings of sources that it shows are valid', () => {
    for (const { text } of blocks.filter(({ language }) => language === 'yaml')) {
      const { sources } = parse(text) as { sources: Record<string, unknown> }
      for (const source of Object.values(sources)) {
        expect(sourceSection.safeParse(source).error?.issues ?? []).toEqual([])
      }
    }
  })
})
