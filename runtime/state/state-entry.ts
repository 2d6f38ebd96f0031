/** The state of one key as people see it: its cells by name, read from a store's rows. */
import type { Key } from '../../operators/operator.ts'
import { actorRowKey, encodeKey, entryOf, entryRange } from './key-codec.ts'
import { decodeRow } from './row-codec.ts'
import type { Store } from './store.ts'

export type CellKind = 'value' | 'list' | 'map'

export interface StoredCell {
  readonly name: string
  readonly kind: CellKind
  /** The value, or the entries of a collection as pairs. */
  readonly content: unknown
}

type Entry = [key: unknown, value: unknown]

export interface StoredState {
  readonly cells: readonly StoredCell[]
  /** The epoch that last changed the key. */
  readonly epoch: number
}

/** What a store knows of an operator. */
export interface StoredOperator {
  readonly number: number
  /** Cell names and kinds, in order: `windows:map`. */
  readonly cells: readonly string[]
}

/**
 * The committed state of a key, or undefined when the store has none.
 * @throws StateError when a row is damaged.
 */
export function readState(
  store: Store,
  name: string,
  { number, cells }: StoredOperator,
  key: Key,
): StoredState | undefined {
  const rowKey = actorRowKey(number, encodeKey(key))
  const bytes = store.get('state', rowKey)
  if (bytes === undefined) return undefined
  const what = `the state of key ${JSON.stringify(key)} of operator '${name}'`
  const { value, epoch } = decodeRow(bytes, what)
  const stored = cells.map((cell, i): StoredCell => {
    const colon = cell.lastIndexOf(':')
    const kind = cell.slice(colon + 1) as CellKind
    const inline = (value as unknown[])[i]
    const entries = (): Entry[] =>
      store
        .range('state', entryRange(rowKey, i))
        .map((row) => [entryOf(row.key, rowKey), decodeRow(row.value, what).value])
    const content =
      kind === 'value' ? inline : inline === null ? entries() : pairs(inline as unknown[])
    // A list's entries are under their indexes.
    if (kind === 'list') (content as Entry[]).sort(([a], [b]) => Number(a) - Number(b))
    return { name: cell.slice(0, colon), kind, content }
  })
  return { cells: stored, epoch }
}

const pairs = (flat: readonly unknown[]): Entry[] =>
  Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]])
