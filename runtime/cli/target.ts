/**
 * What a command is pointed at: a manifest, or the state folder of a job that ran. A state folder
 * remembers the manifest it was run with, in a small file beside the state.
 */
import { readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { loadManifest } from '../../config/load-manifest.ts'
import type { LoadedManifest } from '../../config/load-manifest.ts'
import { ConfigError } from '../errors.ts'
import { checkJob } from '../job/check-job.ts'
import { loadJob } from '../job/load-job.ts'
import type { LoadModuleOptions } from '../job/load-module.ts'
import { RUN_FILE } from '../job/lost-state.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import type { CliIo } from './io.ts'

/** Flags that say more about the job a command is pointed at. */
export interface TargetFlags {
  readonly set?: readonly string[]
  readonly state?: string
}

/** A job that was loaded and checked, and where its state is. */
export interface Target {
  readonly loaded: LoadedManifest
  readonly definition: JobDefinition
  /** The name the job goes by: the manifest's, else its own. */
  readonly job: string
  readonly stateDir: string
  /** The overrides in force, those the state folder remembers included. */
  readonly set: readonly string[]
}

export interface LoadTargetOptions extends LoadModuleOptions {
  /** Is waited for before the job's module is loaded. */
  readonly ready?: Promise<void>
}

interface RememberedRun {
  readonly manifest: string
  readonly workingDir: string
  readonly set: readonly string[]
  /** How it ran, where that is known. */
  readonly mode?: RunMode
}

type RunMode = 'live' | 'batch'

/**
 * Loads the job behind a manifest or a state folder and checks everything that can be checked.
 * @throws ConfigError with every problem.
 */
export async function loadTarget(
  io: CliIo,
  path: string,
  flags: TargetFlags,
  { ready, ...loading }: LoadTargetOptions = {},
): Promise<Target> {
  const { loaded, set, folder } = await loadTargetManifest(io, path, flags)
  const { manifest } = loaded
  await ready
  const definition = await loadJob(manifest.job, loading)
  const problems = await checkJob(manifest, definition)
  if (problems.length > 0) {
    throw new ConfigError(
      problems.map((problem) => loaded.problemAt(problem.path, problem.message)),
    )
  }
  const job = manifest.name ?? definition.name
  const state = flags.state ?? folder ?? manifest.state ?? join('.millrace', job)
  return { loaded, definition, job, stateDir: resolve(io.workingDir, state), set }
}

interface TargetManifest {
  readonly loaded: LoadedManifest
  readonly set: readonly string[]
  /** The state folder, when it was the state folder that was named. */
  readonly folder: string | undefined
}

/** Only the manifest of a job, with the overrides its state folder remembers before the flags' own. */
export async function loadTargetManifest(
  io: CliIo,
  path: string,
  flags: TargetFlags,
): Promise<TargetManifest> {
  const { env, workingDir } = io
  if (!(await isFolder(resolve(workingDir, path)))) {
    const set = flags.set ?? []
    return { loaded: await loadManifest(path, { env, workingDir, set }), set, folder: undefined }
  }
  const run = await rememberedRun(resolve(workingDir, path))
  if (run === undefined) {
    throw new ConfigError(
      `${path} is a folder that no job remembers its manifest in; name the manifest file instead`,
    )
  }
  // Paths in remembered overrides are relative to where that run was started.
  const set = [...run.set, ...(flags.set ?? [])]
  const loaded = await loadManifest(run.manifest, { env, workingDir: run.workingDir, set })
  return { loaded, set, folder: path }
}

/** The state folder behind a manifest or a state folder; the job's module is loaded only for its name. */
export async function stateDirOf(io: CliIo, path: string, flags: TargetFlags): Promise<string> {
  const { workingDir } = io
  if (flags.state !== undefined) return resolve(workingDir, flags.state)
  if (await isFolder(resolve(workingDir, path))) return resolve(workingDir, path)
  const { manifest } = await loadManifest(path, { env: io.env, workingDir, set: flags.set ?? [] })
  if (manifest.state !== undefined) return manifest.state
  const name = manifest.name ?? (await loadJob(manifest.job)).name
  return resolve(workingDir, '.millrace', name)
}

/** Remembers in a state folder, which must be there and the job's own, what it is run with. */
export async function rememberRun(io: CliIo, target: Target, mode?: RunMode): Promise<void> {
  const run: RememberedRun = {
    manifest: resolve(io.workingDir, target.loaded.file),
    workingDir: io.workingDir,
    set: target.set.filter((setting) => !SECRET_SETTING.test(setting)),
    ...(mode !== undefined && { mode }),
  }
  const file = join(target.stateDir, RUN_FILE)
  await writeFile(`${file}.new`, `${JSON.stringify(run)}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** Secrets are not written down; a state folder that needs them asks for the flag again. */
const SECRET_SETTING = /password|token|credentials|secret|accessKey|:\/\/[^/\s]*@/i

/** How the newest run on a state folder ran, where that is known. */
export async function rememberedMode(stateDir: string): Promise<RunMode | undefined> {
  const mode = (await rememberedRun(stateDir))?.mode
  return mode === 'live' || mode === 'batch' ? mode : undefined
}

async function rememberedRun(stateDir: string): Promise<RememberedRun | undefined> {
  const text = await readFile(join(stateDir, RUN_FILE), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  try {
    const run: unknown = JSON.parse(text)
    return isRememberedRun(run) ? run : undefined
  } catch {
    return undefined
  }
}

function isRememberedRun(run: unknown): run is RememberedRun {
  return (
    typeof run === 'object' &&
    run !== null &&
    'manifest' in run &&
    typeof run.manifest === 'string' &&
    'workingDir' in run &&
    typeof run.workingDir === 'string' &&
    'set' in run &&
    Array.isArray(run.set) &&
    run.set.every((setting) => typeof setting === 'string')
  )
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() === true
}
