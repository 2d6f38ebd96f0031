/** Loads users' modules: TypeScript through tsx, which Node 20 needs, JavaScript as it is. */
import { readFileSync, realpathSync } from 'node:fs'
import { createRequire, register } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ConfigError, reasonOf } from '../errors.ts'

/** What a module exports, by name. */
export type ModuleExports = Readonly<Record<string, unknown>>

export interface LoadModuleOptions {
  /** Is told the file URL of each module that is loaded from now on, imports of imports included. */
  readonly onImport?: (url: string) => void
}

const TYPESCRIPT = new Set(['.ts', '.mts', '.cts'])
/** Loading is set up once a process; Node has no way to take module hooks back. */
let ownPackageShared = false
let typeScriptReadable = false
let typeScriptIsModules = false

/**
 * Loads a module of a job, by absolute path. Its code runs.
 * @throws ConfigError that says where in the module it failed.
 */
export async function loadModule(
  file: string,
  options: LoadModuleOptions = {},
): Promise<ModuleExports> {
  const { onImport } = options
  if (!typeScriptReadable && (TYPESCRIPT.has(extname(file)) || onImport !== undefined)) {
    // Loaded only for TypeScript: a start is to be quick.
    const { register: registerTypeScript } = await import('tsx/esm/api')
    registerTypeScript({ tsconfig: false, ...(onImport === undefined ? {} : { onImport }) })
    typeScriptReadable = true
  }
  if (!typeScriptIsModules && TYPESCRIPT.has(extname(file)) && !isInModulePackage(file)) {
    readTypeScriptAsModules()
    typeScriptIsModules = true
  }
  if (!ownPackageShared && !findsOwnPackage(file)) {
    shareOwnPackage()
    ownPackageShared = true
  }
  try {
    const exports: ModuleExports = await import(pathToFileURL(file).href)
    return exports
  } catch (error) {
    // esbuild puts a headline before its reason, which names the file: it may be an import of this one.
    const reason = reasonOf(error).replace(/^Transform failed with[^\n]*\n/, '')
    throw new ConfigError(`${file}${placeIn(error, file)} cannot be loaded: ${reason}`, {
      cause: error,
    })
  }
}

const extension = extname(import.meta.url)
const OWN_INDEX = new URL(`../index${extension}`, import.meta.url)

/** Whether the module's own `import … from 'millrace'` leads here anyway, as it does once installed. */
function findsOwnPackage(file: string): boolean {
  try {
    return realpathSync(createRequire(file).resolve('millrace')) === fileURLToPath(OWN_INDEX)
  } catch {
    return false
  }
}

/**
 * Lets `import … from 'millrace'` in a user's module mean this very package: a second copy would
 * work, but costs its memory and its time to load. Not done where it is not needed: hooks cost some
 * 60 ms of a start.
 */
function shareOwnPackage(): void {
  const entries = {
    millrace: OWN_INDEX.href,
    'millrace/testing': new URL(`../testing/index${extension}`, import.meta.url).href,
  }
  const hook = `
    const entries = new Map(Object.entries(${JSON.stringify(entries)}))
    export async function resolve(specifier, context, next) {
      const url = entries.get(specifier)
      return url === undefined ? next(specifier, context) : { url, format: 'module', shortCircuit: true }
    }`
  register(`data:text/javascript,${encodeURIComponent(hook)}`)
}

/** Whether the nearest package.json says `"type": "module"`, without which Node takes a `.ts` for CommonJS. */
function isInModulePackage(file: string): boolean {
  const folder = dirname(file)
  for (let at = folder; ; at = dirname(at)) {
    const text = readIfThere(join(at, 'package.json'))
    if (text !== undefined) return /"type"\s*:\s*"module"/.test(text)
    if (at === dirname(at)) return false
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

/** A job is written with import and export: its TypeScript is modules, whatever its package says. */
function readTypeScriptAsModules(): void {
  const hook = `
    export async function resolve(specifier, context, next) {
      const found = await next(specifier, context)
      const isUsers = /^file:[^?#]*\\.ts([?#]|$)/.test(found.url) && !found.url.includes('/node_modules/')
      return isUsers ? { ...found, format: 'module' } : found
    }`
  register(`data:text/javascript,${encodeURIComponent(hook)}`)
}

/** `:line:column` of the first place of a stack that lies in the file, or nothing. */
function placeIn(error: unknown, file: string): string {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const at = stack.indexOf(`${file}:`)
  if (at < 0) return ''
  return /^:\d+(:\d+)?/.exec(stack.slice(at + file.length))?.[0] ?? ''
}
