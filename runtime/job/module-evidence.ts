/**
 * What tells whether a compilation is still what it would be now: the content of every file that it
 * hangs on, and the absence of files that would have come before them.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export function hashOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** The hash of a file's content; undefined when there is no such file. */
export function hashOfFile(path: string): string | undefined {
  try {
    return hashOf(readFileSync(path))
  } catch {
    return undefined
  }
}

export class ModuleEvidence {
  readonly #files = new Map<string, string | undefined>()

  get files(): ReadonlyMap<string, string | undefined> {
    return this.#files
  }

  /** @returns whether the file is there. */
  note(path: string): boolean {
    if (!this.#files.has(path)) this.#files.set(path, hashOfFile(path))
    return this.#files.get(path) !== undefined
  }

  noteText(path: string, text: string): void {
    this.#files.set(path, hashOf(text))
  }

  /** The package.json that says what the modules of a folder are, wherever it lies above them. */
  noteScope(folder: string): void {
    for (const at of foldersFrom(folder)) if (this.note(join(at, 'package.json'))) return
  }

  /** Where Node looks for a package from a folder: every place up to the first that has it. */
  notePackage(specifier: string, folder: string): void {
    const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
    for (const at of foldersFrom(folder)) {
      if (this.note(join(at, 'node_modules', name, 'package.json'))) return
    }
  }
}

/** A folder and all above it, the nearest first. */
function* foldersFrom(folder: string): Generator<string> {
  for (let at = folder; ; at = dirname(at)) {
    yield at
    if (at === dirname(at)) return
  }
}
