import { ConfigError } from '../errors.ts'
import { isJobDefinition } from '../pipeline/job.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import { loadModule } from './load-module.ts'
import type { LoadModuleOptions, ModuleExports } from './load-module.ts'

/**
 * Loads the module of a job and gives its default export.
 * @throws ConfigError when the module cannot be loaded or its default export is no job.
 */
export async function loadJob(file: string, options?: LoadModuleOptions): Promise<JobDefinition> {
  const exports = await loadModule(file, options)
  const found = defaultOf(exports)
  if (isJobDefinition(found)) return found
  throw new ConfigError(`${file} ${missing(exports, found)}`)
}

/** The default export; in a folder without "type": "module" it lies one deeper. */
export function defaultOf(exports: ModuleExports): unknown {
  const found = exports['default']
  if (typeof found !== 'object' || found === null || isJobDefinition(found)) return found
  return 'default' in found ? found.default : found
}

function missing(exports: ModuleExports, found: unknown): string {
  const named = Object.keys(exports).filter((name) => isJobDefinition(exports[name]))
  if (named.length > 0) {
    return `exports its job as '${named[0]}', not as its default; write: export default job('name', …)`
  }
  if (found === undefined) return `has no default export; write: export default job('name', …)`
  return `has a default export that is not a job but ${kindOf(found)}; write: export default job('name', …)`
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return typeof value === 'function' ? 'a function' : `a value of type ${typeof value}`
}
