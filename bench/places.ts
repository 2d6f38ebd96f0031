/** Where things are, whether this file runs as TypeScript or was built into dist. */
import { existsSync, mkdirSync, mkdtempSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DATA_FOLDER } from './data-file.ts'

/** The project's folder. */
export const ROOT = rootAbove(import.meta.dirname)

/** The built command line: what a user runs. */
export const CLI = join(ROOT, 'dist/runtime/cli/main.js')

/** A new folder for one run's state and results; who asks removes it. */
export function makeRunFolder(): string {
  mkdirSync(DATA_FOLDER, { recursive: true })
  return mkdtempSync(join(DATA_FOLDER, 'run-'))
}

/** Arguments for node that start a program of this folder in a process of its own. */
export function programArguments(name: string, args: readonly string[]): readonly string[] {
  const built = import.meta.filename.endsWith('.js')
  return built
    ? [join(import.meta.dirname, `${name}.js`), ...args]
    : ['--import', 'tsx', join(import.meta.dirname, `${name}.ts`), ...args]
}

function rootAbove(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : rootAbove(dirname(folder))
}
