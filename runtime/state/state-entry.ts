/** The state of one key as people see it: its cells by name, read from a store's rows. */
import type { Key } from '../../operators/operator.ts'
import { type CellKind, timersOf, unstamped } from '../../operators/state.ts'
import { type EarlierShape, earlierShapeAt } from '../task/meta.ts'
import { actorRowKey, encodeKey, entryOf, entryRange } from './key-codec.ts'
import { decodeRow } from './row-codec.ts'
import type { Store } from './store.ts'

export interface StoredCell {
  readonly name: string
  readonly kind: CellKind
  /**
   * The value; the values of a list; the entries of a map, or of a cell by time with their times, as
   * pairs; the timers of a key by name.
   */
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
  /** Cell names and kinds, in order: `windows:map`, `clicks:byTime`. */
  readonly cells: readonly string[]
  /** Shapes that rows of earlier epochs still have. */
  readonly earlier?: readonly EarlierShape[]
}

/**
 * The committed state of a key, or undefined when the store has none. Slices of windows are a map from
 * their start to what they have come to.
 * @throws StateError when a row is damaged.
 */
export function readState(
  store: Store,
  name: string,
  operator: StoredOperator,
  key: Key,
): StoredState | undefined {
  const rowKey = actorRowKey(operator.number, encodeKey(key))
  if (keepsSlices(operator)) return slicesOf(store, name, rowKey, key)
  const bytes = store.get('state', rowKey)
  if (bytes === undefined) return undefined
  const what = `the state of key ${JSON.stringify(key)} of operator '${name}'`
  const { value, epoch } = decodeRow(bytes, what)
  const { cells } = earlierShapeAt(operator, epoch) ?? operator
  return { cells: storedCells(store, rowKey, { cells, inline: value as unknown[], what }), epoch }
}

/** The cells of a key from its row, and from the rows of its large collections. */
export function storedCells(
  store: Store,
  rowKey: Uint8Array,
  row: {
    /** As in a StoredOperator. */
    readonly cells: readonly string[]
    readonly inline: readonly unknown[]
    /** Names the key in errors. */
    readonly what: string
  },
): readonly StoredCell[] {
  return row.cells.map((cell, i): StoredCell => {
    const colon = cell.lastIndexOf(':')
    const kind = cell.slice(colon + 1) as CellKind
    const content = contentOf(kind, row.inline[i], () => rowsOf(store, rowKey, i, row.what))
    return { name: cell.slice(0, colon), kind, content }
  })
}

/** What the job row says of an operator that keeps slices of windows: a row for each key and slice, none of the key's own. */
const SLICES = 'slices:slices'

/** Whether an operator keeps slices of windows. */
export const keepsSlices = ({ cells }: Pick<StoredOperator, 'cells'>): boolean =>
  cells[0] === SLICES

function slicesOf(
  store: Store,
  name: string,
  rowKey: Uint8Array,
  key: Key,
): StoredState | undefined {
  let newest = 0
  const slices = store.range('state', entryRange(rowKey, 0)).map((row): Entry => {
    const start = entryOf(row.key, rowKey)
    const what = `the window ${String(start)} of key ${JSON.stringify(key)} of operator '${name}'`
    const { value, epoch } = decodeRow(row.value, what)
    newest = Math.max(newest, epoch)
    return [start, value]
  })
  if (slices.length === 0) return undefined
  return { cells: [{ name: 'slices', kind: 'map', content: slices }], epoch: newest }
}

function contentOf(kind: CellKind, inline: unknown, rows: () => Entry[]): unknown {
  if (kind === 'value') return unstamped(inline)
  if (kind === 'timers') return timersOf(inline)
  if (kind === 'runs') {
    const runs = Array.isArray(inline) ? [inline] : rows().map(([, run]) => run as unknown[])
    return runs.flatMap(pairsOf)
  }
  // What is not there as a list has rows of its own.
  const entries = Array.isArray(inline) ? pairsOf(inline) : rows()
  if (kind !== 'list') return entries
  // A list's entries are under their indexes.
  return entries.toSorted(([a], [b]) => Number(a) - Number(b)).map(([, entry]) => entry)
}

function rowsOf(store: Store, rowKey: Uint8Array, cell: number, what: string): Entry[] {
  return store.range('state', entryRange(rowKey, cell)).map((row): Entry => {
    const entry = entryOf(row.key, rowKey)
    // Of an entry by time people see its time; the sequence is only there for the order.
    const shown = typeof entry === 'object' ? entry[0] : entry
    return [shown, unstamped(decodeRow(row.value, what).value)]
  })
}

const pairsOf = (flat: readonly unknown[]): Entry[] =>
  Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], unstamped(flat[2 * i + 1])])
