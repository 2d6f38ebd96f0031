/**
 * Brings the state of a key that was written by an earlier version of its operator to the version of
 * today, when the key is loaded: as plain data through the operator's upcasters, one version after another.
 */
import type { Key } from '../../operators/operator.ts'
import type { CellKind, PlainState, StateCell, StateSpec } from '../../operators/state.ts'
import { reasonOf, UserCodeError } from '../errors.ts'
import type { StoredCell } from '../state/state-entry.ts'

export interface UpcastFrom {
  readonly operator: string
  readonly key: Key
  readonly version: number
  /** As the store has them. */
  readonly cells: readonly StoredCell[]
}

/**
 * Fills a key's cells, in the order of the state's.
 * @throws UserCodeError when an upcaster throws, or gives what the cells cannot hold.
 */
export function upcast(from: UpcastFrom, state: StateSpec, into: readonly StateCell[]): void {
  const plain = upcasted(from, state)
  for (const [i, [name, { kind }]] of Object.entries(state.cells).entries()) {
    // Timers are the runtime's own, and the same in all versions.
    if (kind === 'timers') continue
    try {
      into[i]?.restoreInline(inlineOf(kind, plain[name]))
    } catch (error) {
      throw failed(from, `gave no ${kind} for '${name}': ${reasonOf(error)}`, error)
    }
  }
}

function upcasted(from: UpcastFrom, { version, upcasters = {}, cells }: StateSpec): PlainState {
  let plain = plainOf(from.cells)
  for (let at = from.version; at < version; at++) {
    let next: unknown
    try {
      next = upcasters[at]?.(plain)
    } catch (error) {
      throw failed(from, `failed at version ${at}: ${reasonOf(error)}`, error)
    }
    if (!isPlain(next)) throw failed(from, `gave no state at version ${at}, but ${typeName(next)}`)
    plain = next
  }
  const strange = Object.keys(plain).find((name) => !Object.hasOwn(cells, name))
  if (strange !== undefined) throw failed(from, `gave '${strange}', which is no cell of the state`)
  return plain
}

function plainOf(cells: readonly StoredCell[]): PlainState {
  const plain: Record<string, unknown> = {}
  for (const { name, kind, content } of cells) {
    if (kind === 'timers') continue
    plain[name] =
      kind === 'map' || kind === 'runs' ? new Map(content as [unknown, unknown][]) : content
  }
  return plain
}

/** What a cell of a kind restores itself from. */
function inlineOf(kind: CellKind, content: unknown): unknown {
  switch (kind) {
    case 'value':
    case 'timers':
      return content
    case 'list':
      return arrayOf(content).flatMap((entry, index) => [index, entry])
    case 'map':
    case 'runs':
      if (content === undefined) return []
      if (!(content instanceof Map)) throw new TypeError(`it is ${typeName(content)} and no Map`)
      return [...content].flat()
    case 'byTime':
      return arrayOf(content)
        .map((entry) => timedEntry(entry))
        .toSorted(([a], [b]) => a - b)
        .flat()
  }
}

function arrayOf(content: unknown): readonly unknown[] {
  if (content === undefined) return []
  if (!Array.isArray(content)) throw new TypeError(`it is ${typeName(content)} and no array`)
  return content as unknown[]
}

function timedEntry(entry: unknown): readonly [time: number, value: unknown] {
  if (Array.isArray(entry) && entry.length === 2 && Number.isFinite(entry[0])) {
    return entry as unknown as [number, unknown]
  }
  throw new TypeError('it has an entry that is no [time, value]')
}

const isPlain = (state: unknown): state is PlainState =>
  typeof state === 'object' &&
  state !== null &&
  !Array.isArray(state) &&
  !(state instanceof Promise)

const typeName = (value: unknown): string =>
  value instanceof Promise ? 'a promise' : Array.isArray(value) ? 'an array' : typeof value

function failed({ operator, key }: UpcastFrom, what: string, cause?: unknown): UserCodeError {
  return new UserCodeError(
    `the upcast of operator '${operator}' for key ${JSON.stringify(key)} ${what}; 'millrace migrate --dry-run' finds all such keys`,
    { operator, key: String(key), position: undefined },
    { cause },
  )
}
