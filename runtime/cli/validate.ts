/** `millrace validate`: checks a job without starting it. */
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { counted } from './figures.ts'
import type { CliIo } from './io.ts'
import { loadTarget } from './target.ts'
import type { TargetFlags } from './target.ts'

/** Loads everything a run would load and checks what a run would check first. @throws ConfigError */
export async function validate(io: CliIo, path: string, flags: TargetFlags): Promise<ExitCode> {
  const { job, loaded, stateDir } = await loadTarget(io, path, flags)
  const { sources, sinks } = loaded.manifest
  const what = `${counted(sources.size, 'source')}, ${counted(sinks.size, 'sink')}`
  io.out(`${path}: job '${job}' is valid (${what}, state in ${stateDir})\n`)
  return EXIT.ok
}
