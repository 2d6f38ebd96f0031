/**
 * Loads users' modules: TypeScript compiled, which Node 20 needs, JavaScript as it is. Node's module
 * hooks would do it too, but cost a thread and make every import slower.
 */
import { realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ConfigError, reasonOf } from '../errors.ts'
import { codeRoot, ownFile } from '../package-files.ts'
import { type CompiledModules, ModuleCache } from './module-cache.ts'
import { SOURCE_EXTENSIONS } from './module-kinds.ts'

/** What a module exports, by name. */
export type ModuleExports = Readonly<Record<string, unknown>>

export interface LoadModuleOptions {
  /** Is told the file URL of each module that is loaded from now on, imports of imports included. */
  readonly onImport?: (url: string) => void
}

/**
 * Loads a module of a job, by absolute path. Its code runs.
 * @throws ConfigError that says where in the module it failed.
 */
export async function loadModule(
  file: string,
  { onImport }: LoadModuleOptions = {},
): Promise<ModuleExports> {
  let real = file
  let compiled: CompiledModules | undefined
  try {
    real = realpathSync(file)
    if (needsCompiling(real) || onImport !== undefined) {
      compiled = await compiledModules(real, onImport)
    }
    const exports: ModuleExports = await import(compiled?.url ?? pathToFileURL(real).href)
    return exports
  } catch (error) {
    const reason = compiled?.namingSources(reasonOf(error)) ?? reasonOf(error)
    const place = placeIn(error, real)
    // The compiler names the place too.
    const short = reason.replace(`${real}${place}: `, '')
    throw new ConfigError(`${file}${place} cannot be loaded: ${short}`, { cause: error })
  }
}

const OWN_INDEX = pathToFileURL(ownFile('runtime/index'))

/** Where the imports of this very package lead: a second copy would cost its memory and its time. */
const OWN_ENTRIES: ReadonlyMap<string, string> = new Map([
  ['millrace', OWN_INDEX.href],
  ['millrace/testing', pathToFileURL(ownFile('runtime/testing/index')).href],
])

const OWN_FOLDERS = ['runtime', 'operators', 'chunks'].map((name) => join(codeRoot, name, sep))

function needsCompiling(file: string): boolean {
  return SOURCE_EXTENSIONS.has(extname(file)) || !findsOwnPackage(file)
}

/** Whether the module's own `import … from 'millrace'` leads here anyway, as it does once installed. */
function findsOwnPackage(file: string): boolean {
  try {
    return realpathSync(createRequire(file).resolve('millrace')) === fileURLToPath(OWN_INDEX)
  } catch {
    return false
  }
}

async function compiledModules(
  file: string,
  onImport: ((url: string) => void) | undefined,
): Promise<CompiledModules> {
  const cache = ModuleCache.open(OWN_INDEX.href)
  const tell = (source: string): void => onImport?.(pathToFileURL(source).href)
  const kept = cache.find(file)
  kept?.sources.forEach(tell)
  // The compiler is loaded only when there is something new: a start is to be quick.
  const found = kept ?? cache.keep(file, await compiledNow(file, tell))
  // Stacks name the user's lines. What is loaded before this costs nothing; a runtime has no maps.
  process.setSourceMapsEnabled(true)
  return found
}

async function compiledNow(file: string, onSource: (path: string) => void) {
  const { compileModules } = await import('./compile-modules.ts')
  return compileModules(file, { ownEntries: OWN_ENTRIES, ownFolders: OWN_FOLDERS, onSource })
}

/** `:line:column` of the first place of a stack that lies in the file, or nothing. */
function placeIn(error: unknown, file: string): string {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const at = stack.indexOf(`${file}:`)
  if (at < 0) return ''
  return /^:\d+(:\d+)?/.exec(stack.slice(at + file.length))?.[0] ?? ''
}
