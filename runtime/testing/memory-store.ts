/**
 * A store in memory that forgets on a crash what was committed and not flushed: what a machine that
 * loses power does, and more than a killed process does.
 */
import {
  type Store,
  STORE_TABLES,
  type StoreRange,
  type StoreRow,
  type StoreTable,
  type StoreView,
  type StoreWriter,
} from '../state/store.ts'
import { type Steps, takeSteps, type Turns } from '../time/turns.ts'

type Tables = Readonly<Record<StoreTable, Map<string, StoreRow>>>
type Change = {
  readonly table: StoreTable
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
}

const nameOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1')
const emptyTables = (): Tables =>
  Object.fromEntries(
    STORE_TABLES.map((name) => [name, new Map<string, StoreRow>()]),
  ) as unknown as Tables

/** The disk under a MemoryStore: survives crashes as far as it was flushed. */
export class MemoryDisk {
  readonly durable: Tables = emptyTables()
  committed: Change[][] = []
  /** When set, the next flush fails with it once. */
  flushFailure: Error | undefined

  /** The disk as it is now, for the next process: what the last one still does no longer reaches it. */
  copy(): MemoryDisk {
    const copy = new MemoryDisk()
    for (const name of STORE_TABLES) {
      for (const [key, row] of this.durable[name]) copy.durable[name].set(key, row)
    }
    copy.committed = [...this.committed]
    return copy
  }

  /** Loses what was not flushed, except the first `keep` unflushed commits. */
  losePower(keep = 0): void {
    for (const commit of this.committed.slice(0, keep)) apply(this.durable, commit)
    this.committed = []
  }
}

function apply(tables: Tables, commit: readonly Change[]): void {
  for (const { table, key, value } of commit) {
    if (value === undefined) tables[table].delete(nameOf(key))
    else
      tables[table].set(nameOf(key), { key: Uint8Array.from(key), value: Uint8Array.from(value) })
  }
}

export class MemoryStore implements Store {
  readonly #disk: MemoryDisk
  readonly #visible: Tables = emptyTables()
  readonly #sorted = new Map<StoreTable, string[]>()

  /** Opens at the newest commit: after a killed process that is more than what is durable. */
  constructor(disk: MemoryDisk) {
    this.#disk = disk
    for (const name of STORE_TABLES) {
      for (const [key, row] of disk.durable[name]) this.#visible[name].set(key, row)
    }
    for (const commit of disk.committed) apply(this.#visible, commit)
  }

  get(table: StoreTable, key: Uint8Array): Uint8Array | undefined {
    return this.#visible[table].get(nameOf(key))?.value
  }

  range(
    table: StoreTable,
    { start, end, limit = Number.POSITIVE_INFINITY }: StoreRange,
  ): StoreRow[] {
    let names = this.#sorted.get(table)
    if (names === undefined) {
      names = [...this.#visible[table].keys()].toSorted((a, b) => (a < b ? -1 : 1))
      this.#sorted.set(table, names)
    }
    const [from, to] = [nameOf(start), nameOf(end)]
    const rows: StoreRow[] = []
    for (let i = firstAtLeast(names, from); i < names.length && rows.length < limit; i++) {
      const name = names[i] as string
      if (name >= to) break
      rows.push(this.#visible[table].get(name) as StoreRow)
    }
    return rows
  }

  count(table: StoreTable): number {
    return this.#visible[table].size
  }

  view(): StoreView {
    const disk = new MemoryDisk()
    for (const name of STORE_TABLES) {
      for (const [key, row] of this.#visible[name]) disk.durable[name].set(key, row)
    }
    const frozen = new MemoryStore(disk)
    return {
      get: (table, key) => frozen.get(table, key),
      range: (table, range) => frozen.range(table, range),
      close: () => undefined,
    }
  }

  async commit(write: (writer: StoreWriter) => Steps | void, turns?: Turns): Promise<void> {
    const changes: Change[] = []
    const steps = write({
      put: (table, key, value) =>
        void changes.push({ table, key: Uint8Array.from(key), value: Uint8Array.from(value) }),
      remove: (table, key) =>
        void changes.push({ table, key: Uint8Array.from(key), value: undefined }),
    })
    await takeSteps(steps ?? [], turns)
    this.#disk.committed.push(changes)
    apply(this.#visible, changes)
    for (const { table } of changes) this.#sorted.delete(table)
  }

  async flushed(): Promise<void> {
    await Promise.resolve()
    const failure = this.#disk.flushFailure
    if (failure !== undefined) {
      this.#disk.flushFailure = undefined
      throw failure
    }
    this.#disk.losePower(this.#disk.committed.length)
  }

  async close(): Promise<void> {
    await Promise.resolve()
  }
}

function firstAtLeast(names: readonly string[], name: string): number {
  let [low, high] = [0, names.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((names[middle] as string) < name) low = middle + 1
    else high = middle
  }
  return low
}
