/**
 * From a file to a checked manifest: read → parse → --set → ${env:…} → paths → schema → modules.
 * Nothing is started; all that is wrong is told at once.
 */
import { open, realpath } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, relative, resolve, sep } from 'node:path'
import { ConfigError, reasonOf } from '../runtime/errors.ts'
import { replaceEnvironment } from './environment.ts'
import type { Environment } from './environment.ts'
import { resolvePaths } from './manifest-paths.ts'
import { manifestSchema } from './manifest.ts'
import type { ResolvedManifest } from './manifest.ts'
import { problemText } from './problem-text.ts'
import { Problems } from './problems.ts'
import { setFields } from './set-fields.ts'
import { parseTree } from './yaml-tree.ts'
import type { TreePath } from './yaml-tree.ts'

/** A manifest is text for people; a larger file is something else. */
const MANIFEST_BYTES_MAX = 1_000_000

export interface LoadOptions {
  /** Overrides as written behind --set: `commit.every=1s`. */
  readonly set?: readonly string[]
  /** What `${env:NAME}` is read from. */
  readonly env: Environment
  /** What paths in overrides, and default folders, are relative to. Default: the process's. */
  readonly workingDir?: string
}

export interface LoadedManifest {
  readonly manifest: ResolvedManifest
  /** The manifest file as it was named. */
  readonly file: string
  /** One line about a field, with its place in the file, for checks that come later. */
  problemAt(path: TreePath, message: string): string
}

/**
 * Reads and checks a manifest.
 * @throws ConfigError with every problem, a line each: `jobs/x.yaml:12:5 sources.ratings: …`.
 */
export async function loadManifest(file: string, options: LoadOptions): Promise<LoadedManifest> {
  const workingDir = options.workingDir ?? process.cwd()
  const absolute = resolve(workingDir, file)
  const tree = parseTree(await readText(absolute, file))
  const problems = new Problems(file, tree)
  for (const { path, message, place } of tree.problems) problems.add(path, message, place)
  problems.throwIfAny()

  const set = setFields(tree.value, options.set ?? [])
  for (const { path, message } of set.problems) problems.addSetting(path, message)
  problems.settings = set.fields
  const value = replaceEnvironment(set.value, options.env, (path, message) =>
    problems.add(path, message),
  )
  const folder = dirname(absolute)
  resolvePaths(value, {
    baseOf: (path) => (problems.settingOf(path) === undefined ? folder : workingDir),
    workingDir,
  })
  const manifest = checkSchema(value, problems)
  if (manifest !== undefined) await checkModules(manifest, folder, problems)
  problems.throwIfAny()
  if (manifest === undefined) throw new ConfigError(`${file}: cannot be read`)
  return { manifest, file, problemAt: (path, message) => problems.line(path, message) }
}

function checkSchema(value: unknown, problems: Problems): ResolvedManifest | undefined {
  // A manifest is checked once: to compile its checks, as zod does by itself, would take longer.
  const checked = manifestSchema.safeParse(value, { error: problemText, jitless: true })
  if (checked.success) return checked.data
  for (const issue of checked.error.issues) {
    const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))
    if (issue.code !== 'unrecognized_keys') {
      // A text whose variable is missing has its problem already.
      if (!problems.has(path)) problems.add(path, issue.message)
      continue
    }
    const messages = issue.message.split('\n')
    for (const [index, key] of issue.keys.entries()) {
      problems.addKey([...path, key], messages[index] ?? issue.message)
    }
  }
  return undefined
}

/** Modules are code that will run: they must be there, and inside the manifest's own folder. */
async function checkModules(
  manifest: ResolvedManifest,
  folder: string,
  problems: Problems,
): Promise<void> {
  const modules: { path: TreePath; module: string }[] = [{ path: ['job'], module: manifest.job }]
  for (const [name, { input }] of manifest.sources) {
    if (input.kind !== 'generator') continue
    modules.push({ path: ['sources', name, 'generator', 'module'], module: input.module })
  }
  const realFolder = await realpath(folder)
  for (const { path, module } of modules) {
    const real = await realpath(module).catch(() => undefined)
    const inside = real === undefined || isInside(realFolder, real)
    if (real === undefined) problems.add(path, `there is no file ${module}`)
    if (!inside) {
      problems.add(path, `${real} is outside the manifest's folder ${realFolder}; move it there`)
    }
  }
}

function isInside(folder: string, file: string): boolean {
  const way = relative(folder, file)
  return way !== '..' && !way.startsWith(`..${sep}`)
}

async function readText(absolute: string, file: string): Promise<string> {
  let handle: FileHandle | undefined
  try {
    handle = await open(absolute, 'r')
    const bytes = await readBounded(handle)
    if (bytes === undefined) {
      throw new ConfigError(`${file}: is larger than 1 MB; this is not a manifest`)
    }
    return decode(bytes, file)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    if (isMissing(error)) {
      throw new ConfigError(
        `${file} does not exist; name a manifest (YAML or JSON), or the state folder of a job that ran`,
        { cause: error },
      )
    }
    throw new ConfigError(`${file}: cannot be read: ${reasonOf(error)}`, { cause: error })
  } finally {
    await handle?.close()
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** Everything, or undefined when there is more than a manifest may have. Works on pipes too. */
async function readBounded(handle: FileHandle): Promise<Uint8Array | undefined> {
  const buffer = new Uint8Array(MANIFEST_BYTES_MAX + 1)
  let length = 0
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null)
    if (bytesRead === 0) return buffer.subarray(0, length)
    length += bytesRead
  }
  return undefined
}

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new ConfigError(`${file}: is not UTF-8 text; save it as UTF-8`)
  }
}
