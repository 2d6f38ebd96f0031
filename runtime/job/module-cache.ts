/**
 * Keeps compiled modules between starts, in a folder of temporary files that only this user can
 * write. A compilation is used again only while everything it hangs on is as it was, its own files
 * included, so neither an edit nor an unfinished write nor a stranger can put other code in its place.
 */
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { hashOf, hashOfFile } from './module-evidence.ts'
import { type Compilation, type CompiledModule, linkTo } from './module-kinds.ts'

/** Counts up when what is written, or how it is compiled, changes. */
const FORMAT = 1
const FILES_MAX = 1_000
/** Another process may be about to load what is younger. */
const UNUSED_MS_MIN = 60_000
const HASH_DIGITS = 32

/** Modules that are ready to be imported. */
export interface CompiledModules {
  readonly url: string
  /** Paths of all files of the user's that they are made of. */
  readonly sources: readonly string[]
  /** A message of Node's, with the sources in place of what was made of them. */
  namingSources(message: string): string
}

interface Entry {
  /** File name of the compiled module that was asked for. */
  readonly name: string
  readonly sources: readonly string[]
  /** The sources that were compiled, with the names of what they became. */
  readonly modules: readonly (readonly [source: string, name: string])[]
  readonly evidence: readonly (readonly [path: string, hash: string | null])[]
}

export class ModuleCache {
  readonly #folder: string
  readonly #owner: string

  private constructor(folder: string, owner: string) {
    this.#folder = folder
    this.#owner = owner
  }

  /** @param owner what the compiled modules are for, beside their sources. */
  static open(owner: string): ModuleCache {
    return new ModuleCache(cacheFolder(), owner)
  }

  /** What was kept of a module, if it is what compiling would give now. */
  find(source: string): CompiledModules | undefined {
    const entry = readEntry(join(this.#folder, this.#entryName(source)))
    if (entry === undefined) return undefined
    const isSame = ([path, hash]: Entry['evidence'][number]): boolean =>
      (hashOfFile(path) ?? null) === hash
    return entry.evidence.every(isSame) ? this.#ready(source, entry) : undefined
  }

  /** Writes what was compiled. */
  keep(source: string, compilation: Compilation): CompiledModules {
    const names = namesOf(compilation, this.#owner)
    const evidence = new Map(compilation.evidence)
    for (const module of compilation.modules.values()) {
      const code = this.#linked(module, names)
      const name = names.get(module.source) ?? ''
      this.#write(name, code)
      evidence.set(join(this.#folder, name), hashOf(code))
    }
    const entry: Entry = {
      name: names.get(source) ?? '',
      sources: compilation.sources,
      modules: [...names],
      evidence: Array.from(evidence, ([path, hash]) => [path, hash ?? null]),
    }
    this.#write(this.#entryName(source), JSON.stringify(entry))
    this.#prune()
    return this.#ready(source, entry)
  }

  #ready(source: string, { name, sources, modules }: Entry): CompiledModules {
    const path = join(this.#folder, name)
    return {
      url: pathToFileURL(name === '' ? source : path).href,
      sources,
      namingSources: (message) => {
        let named = message
        for (const [from, made] of modules) {
          const file = join(this.#folder, made)
          named = named.replaceAll(pathToFileURL(file).href, from).replaceAll(file, from)
        }
        return named
      },
    }
  }

  /** The code with its links to other modules resolved. */
  #linked(
    { code, imports, isCommonJs }: CompiledModule,
    names: ReadonlyMap<string, string>,
  ): string {
    let linked = code
    for (const source of imports) {
      const name = names.get(source)
      const file = name === undefined ? source : join(this.#folder, name)
      const place = isCommonJs ? file : pathToFileURL(file).href
      linked = linked.replaceAll(JSON.stringify(linkTo(source)), JSON.stringify(place))
    }
    return linked
  }

  #entryName(source: string): string {
    const key = JSON.stringify([FORMAT, this.#owner, process.version, source])
    return `${hashOf(key).slice(0, HASH_DIGITS)}.json`
  }

  /** Another process may write the same: each file is there whole or not at all. */
  #write(name: string, text: string): void {
    const draft = join(this.#folder, `${name}.${process.pid}`)
    writeFileSync(draft, text, { mode: 0o600 })
    renameSync(draft, join(this.#folder, name))
  }

  /** Removes the oldest when there is too much. */
  #prune(): void {
    const names = readdirSync(this.#folder).filter((name) => name !== PACKAGE_FILE)
    if (names.length <= FILES_MAX) return
    const ages = names.map((name) => {
      const path = join(this.#folder, name)
      return { path, at: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }
    })
    const sorted = ages.toSorted((a, b) => a.at - b.at)
    const now = sorted.at(-1)?.at ?? 0
    for (const { path, at } of sorted.slice(0, FILES_MAX / 2)) {
      if (now - at > UNUSED_MS_MIN) rmSync(path, { force: true })
    }
  }
}

/**
 * A compiled module is named by its code and that of all it leads to, so a name never gets other
 * code, and two modules that import a third import the same file.
 */
function namesOf({ modules }: Compilation, owner: string): Map<string, string> {
  const names = new Map<string, string>()
  for (const { source, isCommonJs } of modules.values()) {
    const reached = new Set([source])
    for (const at of reached) for (const next of modules.get(at)?.imports ?? []) reached.add(next)
    const parts = [...reached].toSorted().map((at) => [at, modules.get(at)?.code])
    const hash = hashOf(JSON.stringify([FORMAT, owner, source, parts])).slice(0, HASH_DIGITS)
    const plain = basename(source)
      .replace(/\.\w+$/, '')
      .replaceAll(/[^\w.-]/g, '_')
    names.set(source, `${plain}-${hash}.${isCommonJs ? 'cjs' : 'js'}`)
  }
  return names
}

const PACKAGE_FILE = 'package.json'
let folderOfProcess: string | undefined

/** The user's folder; one for this process alone where that cannot be had. */
function cacheFolder(): string {
  folderOfProcess ??= sharedFolder() ?? ownFolder()
  return folderOfProcess
}

function sharedFolder(): string | undefined {
  const user = process.getuid?.()
  const folder = join(tmpdir(), `millrace-modules-${user}`)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const found = lstatSync(folder)
    // Anybody may make folders among temporary files: this one must be ours, and closed to others.
    if (!found.isDirectory() || found.uid !== user || (found.mode & 0o077) !== 0) return undefined
    sayModules(folder)
    return folder
  } catch {
    return undefined
  }
}

function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-modules-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  sayModules(folder)
  return folder
}

/** Tells Node that what lies in the folder is ES modules. */
function sayModules(folder: string): void {
  const path = join(folder, PACKAGE_FILE)
  const text = '{"type":"module"}\n'
  if (hashOfFile(path) !== hashOf(text)) writeFileSync(path, text, { mode: 0o600 })
}

function readEntry(path: string): Entry | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Entry
  } catch {
    return undefined
  }
}
