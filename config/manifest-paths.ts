/** Which fields of a manifest are paths, and what they are relative to. */
import { resolve } from 'node:path'
import { LOG_DIR_DEFAULT } from './defaults.ts'
import { isTree } from './yaml-tree.ts'
import type { Tree, TreePath } from './yaml-tree.ts'

/** A field that is a path; `*` stands for any name. A test holds this list against the schema. */
interface PathField {
  readonly path: string
  /** Used when its section is there without it; relative to the working directory. */
  readonly fallback?: string
}

const SINKS = ['sinks.*', 'deadLetter']
const PLACES = ['sources.*', ...SINKS]

export const PATH_FIELDS: readonly PathField[] = [
  { path: 'job' },
  { path: 'state' },
  { path: 'snapshots.to' },
  { path: 'sources.*.generator.module' },
  ...PLACES.flatMap((place) => [
    { path: `${place}.file.path` },
    { path: `${place}.embedded.log`, fallback: LOG_DIR_DEFAULT },
  ]),
  ...[...PLACES, 'snapshots.to'].flatMap((place) => [
    { path: `${place}.jetstream.credentials` },
    { path: `${place}.jetstream.tls.ca` },
    { path: `${place}.jetstream.tls.cert` },
    { path: `${place}.jetstream.tls.key` },
  ]),
]

/** Makes every path of an unchecked manifest absolute, in place; what is not a text stays as it is. */
export function resolvePaths(
  tree: unknown,
  bases: { readonly baseOf: (path: TreePath) => string; readonly workingDir: string },
): void {
  for (const field of PATH_FIELDS) {
    const steps = field.path.split('.')
    for (const { section, path, name } of sectionsAt(tree, steps, [])) {
      const written = section[name]
      if (typeof written === 'string' && written !== '') {
        section[name] = resolve(bases.baseOf([...path, name]), written)
      } else if (written === undefined && field.fallback !== undefined) {
        section[name] = resolve(bases.workingDir, field.fallback)
      }
    }
  }
}

interface Found {
  readonly section: Tree
  readonly path: TreePath
  readonly name: string
}

/** The sections that hold a field, `*` followed into every name. */
function sectionsAt(tree: unknown, steps: readonly string[], path: TreePath): Found[] {
  const [step, ...rest] = steps
  if (step === undefined || !isTree(tree)) return []
  if (rest.length === 0) return [{ section: tree, path, name: step }]
  const names = step === '*' ? Object.keys(tree) : [step]
  return names.flatMap((name) => sectionsAt(tree[name], rest, [...path, name]))
}
