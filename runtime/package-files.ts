/**
 * Where this package's own files are, whether it runs as TypeScript in its source tree or was built into
 * dist. Built, modules are put together into fewer files, so a place relative to a module's own says nothing.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(import.meta.url)
const isSource = here.endsWith('.ts')

/** The folder of package.json. */
export const packageRoot = rootAbove(dirname(here))

/** The folder in which `runtime` and `operators` are, as they run. */
export const codeRoot = isSource ? packageRoot : join(packageRoot, 'dist')

/** A file of the package that is started or imported by its name. @param name without its extension: `runtime/index`. */
export const ownFile = (name: string): string =>
  join(codeRoot, `${name}${isSource ? '.ts' : '.js'}`)

function rootAbove(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : rootAbove(dirname(folder))
}
