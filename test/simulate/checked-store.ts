/**
 * A store on the simulated disk: slow, full or failing as the weather says, and watched. Every commit
 * is checked as it is made: epochs in order and each once, none before the one before it is durable
 * (I1); outbox rows without holes, exactly those that are not taken (I2, I4); no watermark behind
 * the last one (I5).
 */
import { UnavailableError } from '../../runtime/errors.ts'
import type {
  Store,
  StoreRange,
  StoreRow,
  StoreTable,
  StoreView,
  StoreWriter,
} from '../../runtime/state/store.ts'
import { type EpochRow, type JobRow, readEpochRow, readJobRow } from '../../runtime/task/meta.ts'
import { type MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'
import type { Steps } from '../../runtime/time/turns.ts'
import type { Chance } from './chance.ts'
import { ensure } from './ensure.ts'
import type { Life } from './life.ts'
import type { Weather } from './weather.ts'

export interface CheckedStoreOptions {
  readonly disk: MemoryDisk
  readonly life: Life
  readonly chance: Chance
  readonly weather: () => Weather
  readonly isFull: () => boolean
  readonly onFault: (kind: string) => void
}

interface Change {
  readonly table: StoreTable
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
}

export class CheckedStore implements Store {
  readonly #options: CheckedStoreOptions
  readonly #inner: MemoryStore
  #commits = 0
  #last: EpochRow | undefined
  #job: JobRow | undefined

  constructor(options: CheckedStoreOptions) {
    this.#options = options
    this.#inner = new MemoryStore(options.disk)
    try {
      this.#last = readEpochRow(this.#inner)
      this.#job = readJobRow(this.#inner)
    } catch {
      // Damaged rows are for the code under test to find.
    }
  }

  get(table: StoreTable, key: Uint8Array): Uint8Array | undefined {
    return this.#inner.get(table, key)
  }

  range(table: StoreTable, range: StoreRange): StoreRow[] {
    return this.#inner.range(table, range)
  }

  count(table: StoreTable): number {
    return this.#inner.count(table)
  }

  view(): StoreView {
    return this.#inner.view()
  }

  async commit(write: (writer: StoreWriter) => Steps | void): Promise<void> {
    const { disk, life, chance, weather, isFull, onFault } = this.#options
    const changes: Change[] = []
    const steps = write({
      put: (table, key, value) => void changes.push({ table, key, value }),
      remove: (table, key) => void changes.push({ table, key, value: undefined }),
    })
    // A long commit is put together in turns: what else there is to do happens in between.
    for (const _ of steps ?? []) if (chance.is(0.03)) await life.wait(0, 'turn')
    if (this.#commits > 0) {
      ensure(disk.committed.length === 0, 'I1: a commit waits until the one before it is durable')
    }
    const { commitMsMax, commitFails } = weather()
    await life.wait(chance.below(commitMsMax + 1), 'commit')
    if (isFull() || chance.is(commitFails)) {
      onFault('commit fails')
      throw new UnavailableError('the store could not write a commit: the simulated disk is full')
    }
    await this.#inner.commit((writer) => {
      for (const { table, key, value } of changes) {
        if (value === undefined) writer.remove(table, key)
        else writer.put(table, key, value)
      }
    })
    this.#commits += 1
    this.#check(changes)
  }

  async flushed(): Promise<void> {
    const { life, chance, weather, onFault } = this.#options
    const { flushMsMax, flushFails } = weather()
    await life.wait(chance.below(flushMsMax + 1), 'flush')
    if (chance.is(flushFails)) {
      onFault('flush fails')
      throw new UnavailableError('the store could not write a commit: the simulated disk failed')
    }
    await this.#inner.flushed()
  }

  async close(): Promise<void> {
    await this.#inner.close()
  }

  #check(changes: readonly Change[]): void {
    const epochRows = changes.filter(({ table }) => table === 'epochs')
    ensure(
      epochRows.filter(({ value }) => value !== undefined).length === 1,
      'I2: a commit has one epoch row',
    )
    const row = readEpochRow(this.#inner)
    const job = readJobRow(this.#inner) ?? this.#job
    ensure(row !== undefined && job !== undefined, 'I2: a commit has an epoch row')
    const before = this.#last
    const expected = (before?.epoch ?? 0) + 1
    ensure(row.epoch === expected, `I1: epoch ${row.epoch} is committed, ${expected} is next`)
    for (const { table, value } of changes) {
      // Behind checksum and format; outbox rows have no epoch of their own.
      if (value === undefined || table === 'outbox') continue
      const epoch = Buffer.from(value.buffer, value.byteOffset).readUIntBE(5, 6)
      ensure(epoch === row.epoch, `I2: a row of epoch ${epoch} is in the commit of ${row.epoch}`)
    }
    for (const [id, { watermark }] of Object.entries(before?.inputs ?? {})) {
      const now = row.inputs[id]?.watermark ?? Number.NEGATIVE_INFINITY
      ensure(now >= watermark, `I5: the watermark of ${id} goes back from ${watermark} to ${now}`)
    }
    for (const [place, time] of Object.entries(before?.times ?? {})) {
      const now = row.times?.[place] ?? Number.NEGATIVE_INFINITY
      ensure(now >= time, `I5: time at ${place} goes back from ${time} to ${now}`)
    }
    for (const [name, destination] of Object.entries(job.destinations)) {
      this.#checkOutbox(name, destination, row.sinks[name]?.number ?? 0)
    }
    this.#last = row
  }

  #checkOutbox(name: string, destination: number, taken: number): void {
    const rows = outboxRows(this.#inner, destination)
    let next: number | undefined
    for (const { first, count } of rows) {
      const isNext = next === undefined ? first <= taken + 1 : first === next
      ensure(isNext, `I4: the outbox to ${name} has ${first} behind ${(next ?? taken + 1) - 1}`)
      next = first + count
      ensure(next - 1 > taken, `I2: row ${first} to ${name} is taken up to ${taken} and kept`)
    }
  }
}

interface StoredRow {
  readonly first: number
  readonly count: number
  readonly value: Uint8Array
}

/** The rows that wait for a destination. */
export function outboxRows(
  store: { range(table: StoreTable, range: StoreRange): StoreRow[] },
  destination: number,
): StoredRow[] {
  const at = (number: number): Uint8Array => {
    const key = Buffer.alloc(8)
    key.writeUInt16BE(number, 0)
    return key
  }
  return store
    .range('outbox', { start: at(destination), end: at(destination + 1) })
    .map(({ key, value }) => ({
      first: Buffer.from(key).readUIntBE(2, 6),
      count: Buffer.from(value).readUInt32LE(4),
      value,
    }))
}
