/** Puts a bug into a copy of the sources, and runs seeds on it until one finds it. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Mutation } from './mutations.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const COPIED = [
  'operators',
  'runtime',
  'config',
  'test/simulate',
  'test/support/random.ts',
  'package.json',
  'tsconfig.json',
]
/** A mutated run may not end; this ends it. */
const TIMEOUT_MS = 600_000

export interface Found {
  readonly seed: number
  /** How many seeds it took. */
  readonly seeds: number
  readonly says: string
}

/** A file with a patch in it. @throws Error when its text is not there exactly once. */
export function patched(
  source: string,
  mutation: Mutation,
  { file, text, replacement }: Mutation['patches'][number],
): string {
  const count = source.split(text).length - 1
  if (count !== 1) {
    throw new Error(
      `the mutation '${mutation.name}' finds its text ${count} times in ${file}; adapt it in test/simulate/mutations.ts to what the code is now`,
    )
  }
  return source.replace(text, () => replacement)
}

/** @returns undefined when no seed found it. */
export function findMutation(
  mutation: Mutation,
  { seeds, from }: { readonly seeds: number; readonly from: number },
): Found | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-mutation-'))
  try {
    for (const path of COPIED) cpSync(join(ROOT, path), join(folder, path), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    for (const patch of mutation.patches) {
      const at = join(folder, patch.file)
      writeFileSync(at, patched(readFileSync(at, 'utf8'), mutation, patch))
    }
    const flags = ['--seeds', String(seeds), '--from', String(from), '--first']
    const { stdout, stderr, signal } = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'test/simulate/main.ts', ...flags],
      { cwd: folder, encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 },
    )
    const [, seed] = /^seed (\d+): /m.exec(stdout) ?? []
    if (seed === undefined) {
      if (/seeds passed/.test(stdout)) return undefined
      throw new Error(
        `'${mutation.name}' did not run (${signal ?? 'it failed'}): ${stderr.slice(0, 2_000)}`,
      )
    }
    const says = /VIOLATION.*\n\s*(.*)/.exec(stdout)?.[1] ?? ''
    return { seed: Number(seed), seeds: Number(seed) - from + 1, says }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
