/** `millrace migrate`: brings all keys of a state to the versions of the job's operators. */
import { StateError } from '../errors.ts'
import { migrateState } from '../job/migrate-state.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { counted } from './figures.ts'
import type { CliIo } from './io.ts'
import { loadTarget, type TargetFlags } from './target.ts'

export interface MigrateFlags extends TargetFlags {
  readonly dryRun?: boolean
}

/** Failures that are printed in full. */
const FAILURES_SHOWN = 20

/** @throws StateError when some keys cannot be brought over: then none was. */
export async function migrate(io: CliIo, path: string, flags: MigrateFlags): Promise<ExitCode> {
  const { loaded, definition, stateDir } = await loadTarget(io, path, flags)
  const dryRun = flags.dryRun === true
  const operators = await migrateState({ manifest: loaded.manifest, definition, stateDir, dryRun })
  if (operators.length === 0) io.out('all keys are of the versions of the job\n')
  const problems: string[] = []
  for (const { operator, from, to, keys, failures } of operators) {
    const were = dryRun || failures.length > 0 ? 'can be brought' : 'were brought'
    io.out(
      `${operator}  ${counted(keys, 'key')} ${were} from version ${from.join(', ')} to ${to}\n`,
    )
    if (failures.length === 0) continue
    problems.push(
      `operator '${operator}': ${counted(failures.length, 'key')} cannot be brought to version ${to}. Nothing was changed.`,
      ...failures.slice(0, FAILURES_SHOWN).map(({ reason }) => `  ${reason}`),
    )
  }
  if (problems.length > 0) throw new StateError(problems.join('\n'))
  return EXIT.ok
}
