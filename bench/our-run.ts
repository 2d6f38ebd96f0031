/** Runs a job of ours as a user does: the built command line, a manifest, default options. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CLI, ROOT } from './places.ts'

export interface OurRun {
  /** Relative to the project. */
  readonly manifest: string
  readonly mode: 'batch' | 'live'
  readonly stateFolder: string
  /** Fields of the manifest that this run overrides; objects travel as JSON. */
  readonly set: Readonly<Record<string, unknown>>
}

/** Arguments for node. @throws Error when the project was not built. */
export function ourArguments({ manifest, mode, stateFolder, set }: OurRun): readonly string[] {
  if (!existsSync(CLI)) throw new Error(`${CLI} is not there; run npm run build first`)
  const overrides = Object.entries(set).flatMap(([field, value]) => [
    '--set',
    `${field}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  ])
  return [CLI, 'run', join(ROOT, manifest), '--mode', mode, '--state', stateFolder, ...overrides]
}
