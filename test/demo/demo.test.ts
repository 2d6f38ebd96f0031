import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runDemo } from '../../demo/demo.ts'
import type { CliIo } from '../../runtime/cli/io.ts'
import { processIo } from '../../runtime/cli/io.ts'

const RATINGS = 4_000

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-demo-'))
  cpSync(join(import.meta.dirname, '../../jobs'), join(root, 'jobs'), { recursive: true })
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

test('the demo reads all its ratings, gives results and says what to do next', async () => {
  const first = await demo(RATINGS)
  expect(first.code).toBe(0)
  expect(first.err).toMatch(/first result \d+\.\d s after the start:\n {3}\{"userId":\d+,/)
  expect(first.out).toMatch(
    / demo {3}stopped {3}[34],\d+ records .* \d+ late {3}\d+ dead letters?\n/,
  )
  const results = readFileSync(join(root, '.millrace/demo/latest.jsonl'), 'utf8')
  const count = results.trimEnd().split('\n').length
  expect(first.out.replaceAll(',', '')).toContain(` wrote ${count} records to `)
  expect(first.out).toContain('npx millrace state get .millrace/demo/state lastFilm 17\n')
  expect(first.out).toContain('npx millrace run jobs/demo.yaml --mode batch')

  // Once more: from nothing, and to the same results.
  await demo(RATINGS)
  expect(readFileSync(join(root, '.millrace/demo/latest.jsonl'), 'utf8')).toBe(results)
})

test('a signal ends the demo early, in order', async () => {
  const { code, out } = await demo(1_000_000, { stopAtResult: true })
  expect(code).toBe(0)
  expect(out).toContain('stopped; run it again to go on')
})

async function demo(
  ratings: number,
  { stopAtResult = false }: { readonly stopAtResult?: boolean } = {},
): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  let signal = (): void => undefined
  const io: CliIo = {
    ...(await processIo()),
    env: {},
    workingDir: root,
    liveLine: undefined,
    out: (text) => void (out += text),
    err: (text) => {
      err += text
      if (stopAtResult && text.includes('first result')) signal()
    },
    onSignal: (listener) => {
      signal = listener
      return () => undefined
    },
  }
  const code = await runDemo(io, { root, ratings, ratingsPerSecond: 20_000 })
  return { code, out, err }
}
