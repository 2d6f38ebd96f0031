/** `--set a.b.c=value`: overrides one field of a manifest from the command line. */
import { isTree, refusedKey } from './yaml-tree.ts'
import type { Tree, TreePath } from './yaml-tree.ts'

/** One override, taken apart. */
export interface SetField {
  readonly path: readonly string[]
  /** The value: JSON where the text is JSON, else the text. */
  readonly value: unknown
}

/** What applying overrides came to. */
export interface SetResult {
  readonly value: unknown
  readonly fields: readonly SetField[]
  readonly problems: readonly { readonly path: TreePath; readonly message: string }[]
}

/**
 * Applies overrides, in order, to a tree that may be changed. Missing sections are made; whether the
 * field exists is for the schema to say. `null` removes a field.
 */
export function setFields(tree: unknown, settings: readonly string[]): SetResult {
  const root: Tree = isTree(tree) ? tree : {}
  const fields: SetField[] = []
  const problems: { path: TreePath; message: string }[] = []
  for (const setting of settings) {
    const field = parseSetting(setting)
    const problem = typeof field === 'string' ? field : setField(root, field)
    if (problem !== undefined) problems.push({ path: pathOf(setting), message: problem })
    else if (typeof field !== 'string') fields.push(field)
  }
  return { value: settings.length === 0 ? tree : root, fields, problems }
}

const pathOf = (setting: string): readonly string[] => (setting.split('=', 1)[0] ?? '').split('.')

function parseSetting(setting: string): SetField | string {
  const equals = setting.indexOf('=')
  const path = pathOf(setting)
  if (equals < 0) return 'has no value; write it as in --set commit.every=1s'
  if (path.some((part) => part === '')) return 'has an empty name; write it as in commit.every=1s'
  const value = parseValue(setting.slice(equals + 1))
  const refused = [...path, ...keysIn(value)].map(refusedKey).find((text) => text !== undefined)
  return refused ?? { path, value }
}

/** JSON where it is JSON, else the text itself: `3`, `true`, `{"a":1}` and `"3"` against `1s`. */
function parseValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

function keysIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [key, ...keysIn(inner)])
}

function setField(root: Tree, { path, value }: SetField): string | undefined {
  let at = root
  for (const part of path.slice(0, -1)) {
    const next = Object.hasOwn(at, part) ? at[part] : undefined
    if (next === undefined || next === null) at = at[part] = {}
    else if (isTree(next)) at = next
    else return `'${part}' is not a section, so nothing in it can be set`
  }
  const last = path.at(-1) ?? ''
  if (value === null) delete at[last]
  else at[last] = value
  return undefined
}
