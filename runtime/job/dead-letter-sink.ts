import type { DeadLetterManifest, ResolvedManifest } from '../../config/manifest.ts'
import { deadLetterPath } from './restored-sinks.ts'

/** Where a job's dead letters go: where its manifest says, or into its state folder. */
export function deadLetterOf(manifest: ResolvedManifest, stateDir: string): DeadLetterManifest {
  const path = deadLetterPath(stateDir)
  return manifest.deadLetter ?? { kind: 'file', path, format: 'jsonl' }
}
