import { describe, expect, it } from 'vitest'
import {
  byTime,
  list,
  type ListCell,
  map,
  type MapCell,
  type TimeCell,
  value,
  type ValueCell,
} from '../../operators/state.ts'
import { MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'
import { ActorCache, type CacheLimits } from '../../runtime/task/actor-cache.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const state = {
  version: 1,
  cells: {
    one: value<number>(),
    all: list<number>(),
    byKey: map<number, number>(),
    times: byTime<number>(),
  },
}
type Cells = readonly [
  ValueCell<number>,
  ListCell<number>,
  MapCell<number, number>,
  TimeCell<number>,
]

class CacheOnDisk {
  readonly store = new MemoryStore(new MemoryDisk())
  epoch = 0
  cache: ActorCache
  readonly #limits: CacheLimits

  constructor(limits: CacheLimits) {
    this.#limits = limits
    this.cache = this.#make()
  }

  #make(): ActorCache {
    return new ActorCache({
      store: this.store,
      name: 'op',
      operator: 1,
      state,
      earlier: [],
      limits: this.#limits,
      mayHaveStored: this.epoch > 0,
    })
  }

  cellsOf(key: string | number): Cells {
    return this.cache.activate(key).cells as unknown as Cells
  }

  async commit(): Promise<void> {
    this.epoch += 1
    await this.store.commit((writer) => this.cache.write(writer, this.epoch))
  }

  evict(committedEpoch: number): void {
    for (const _ of this.cache.evict(committedEpoch));
  }

  restart(): void {
    this.cache = this.#make()
  }
}

const UNBOUNDED = { entriesMax: Number.POSITIVE_INFINITY, bytesMax: Number.POSITIVE_INFINITY }
const contents = ([one, all, byNumber, times]: Cells) => ({
  one: one.get(),
  all: all.toArray(),
  byNumber: [...byNumber],
  times: times.range(),
})

describe('the actor cache', () => {
  it('evicts down to its bound of entries, and loads again what it evicted', async () => {
    const onDisk = new CacheOnDisk({ entriesMax: 10, bytesMax: Number.POSITIVE_INFINITY })
    for (let key = 0; key < 100; key++) onDisk.cellsOf(key)[0].set(key)
    expect(onDisk.cache.dirtyCount).toBe(100)
    expect(onDisk.cache.isCrowded).toBe(true)
    await onDisk.commit()
    onDisk.evict(onDisk.epoch)
    expect(onDisk.cache.size).toBe(10)
    for (let key = 0; key < 100; key++) expect(onDisk.cellsOf(key)[0].get()).toBe(key)
  })

  it('evicts down to its bound of bytes', async () => {
    const onDisk = new CacheOnDisk({ entriesMax: 1_000, bytesMax: 20_000 })
    for (let key = 0; key < 100; key++) {
      for (let n = 0; n < 20; n++) onDisk.cellsOf(key)[1].push(n)
    }
    await onDisk.commit()
    onDisk.evict(onDisk.epoch)
    expect(onDisk.cache.bytes).toBeLessThanOrEqual(20_000)
    expect(onDisk.cache.size).toBeGreaterThan(0)
    expect(onDisk.cellsOf(5)[1].length).toBe(20)
  })

  it('keeps what is changed, or on its way to the disk (A1)', async () => {
    const onDisk = new CacheOnDisk({ entriesMax: 1, bytesMax: 1 })
    onDisk.cellsOf('a')[0].set(1)
    onDisk.cellsOf('b')[0].set(1)
    onDisk.evict(0)
    expect(onDisk.cache.size).toBe(2)
    await onDisk.commit()
    // Written by epoch 1, which is not known to be committed yet.
    onDisk.evict(0)
    expect(onDisk.cache.size).toBe(2)
    onDisk.cellsOf('a')[0].set(2)
    onDisk.evict(1)
    expect(onDisk.cellsOf('a')[0].get()).toBe(2)
  })

  it('gives what was used a second chance before it evicts it', async () => {
    const onDisk = new CacheOnDisk({ entriesMax: 2, bytesMax: Number.POSITIVE_INFINITY })
    for (const key of ['old', 'used', 'new']) onDisk.cellsOf(key)[0].set(1)
    await onDisk.commit()
    onDisk.evict(1)
    const loads = onDisk.cache.loads
    onDisk.cellsOf('new')
    onDisk.cellsOf('used')
    expect(onDisk.cache.loads).toBe(loads)
  })

  it('leaves no row behind for a key that was emptied, and writes none for one that came and went', async () => {
    const onDisk = new CacheOnDisk(UNBOUNDED)
    const [one, all, byNumber, times] = onDisk.cellsOf('a')
    one.set(1)
    for (let n = 0; n < 50; n++) {
      all.push(n)
      byNumber.set(n, n)
      times.add(n % 7, n)
    }
    await onDisk.commit()
    expect(onDisk.store.count('state')).toBe(151)
    one.clear()
    all.clear()
    byNumber.clear()
    times.clear()
    onDisk.cellsOf('b')[0].set(1)
    onDisk.cellsOf('b')[0].clear()
    await onDisk.commit()
    expect(onDisk.store.count('state')).toBe(0)
    onDisk.restart()
    expect(contents(onDisk.cellsOf('a'))).toEqual({
      one: undefined,
      all: [],
      byNumber: [],
      times: [],
    })
  })

  it('reads of the values by time of a key those that it is asked for', async () => {
    const onDisk = new CacheOnDisk(UNBOUNDED)
    for (let n = 0; n < 20_000; n++) onDisk.cellsOf('a')[3].add(n, n)
    await onDisk.commit()
    expect(onDisk.cache.bytes).toBeGreaterThan(20_000 * 15)
    onDisk.restart()
    const times = onDisk.cellsOf('a')[3]
    expect([times.size, times.last, times.at(7_000)]).toEqual([20_000, 19_999, [7_000]])
    expect(times.entriesInMemory).toBe(1)
    expect(onDisk.cache.bytes).toBeLessThan(1_000)
    // What was committed since and what is on its way are seen like the rest.
    times.add(7_500, -1)
    await onDisk.commit()
    times.add(7_500, -2)
    expect(times.at(7_500)).toEqual([7_500, -1, -2])
    expect(times.deleteBefore(19_990)).toBe(19_992)
    await onDisk.commit()
    onDisk.restart()
    expect(
      onDisk
        .cellsOf('a')[3]
        .range()
        .map(([, n]) => n),
    ).toEqual([19_990, 19_991, 19_992, 19_993, 19_994, 19_995, 19_996, 19_997, 19_998, 19_999])
    expect(onDisk.store.count('state')).toBe(11)
  })

  it('counts the bytes of entries that have rows of their own', async () => {
    const onDisk = new CacheOnDisk(UNBOUNDED)
    for (let n = 0; n < 1_000; n++) onDisk.cellsOf('a')[2].set(n, n)
    await onDisk.commit()
    const whole = onDisk.cache.bytes
    expect(whole).toBeGreaterThan(1_000 * 4 * 12)
    onDisk.cellsOf('a')[2].set(5, -5)
    await onDisk.commit()
    expect(onDisk.cache.bytes / whole).toBeCloseTo(1, 0)
    for (let n = 10; n < 1_000; n++) onDisk.cellsOf('a')[2].delete(n)
    await onDisk.commit()
    expect(onDisk.cache.bytes).toBeLessThan(whole / 10)
  })

  it('writes of a large collection what changed', async () => {
    const onDisk = new CacheOnDisk(UNBOUNDED)
    for (let n = 0; n < 1_000; n++) onDisk.cellsOf('a')[2].set(n, n)
    await onDisk.commit()
    onDisk.cellsOf('a')[2].set(5, -5)
    const written: string[] = []
    const writer = {
      put: (table: string) => void written.push(`put ${table}`),
      remove: (table: string) => void written.push(`remove ${table}`),
    }
    for (const _ of onDisk.cache.write(writer, 2));
    expect(written).toEqual(['put state', 'put state'])
  })

  it('with room for one key is the same as one without bounds', async () => {
    const seed = newSeed()
    for (let round = 0; round < 15; round++) {
      const random = randomFrom(seed + round)
      const below = (limit: number): number => Math.floor(random() * limit)
      const tiny = new CacheOnDisk({ entriesMax: 1, bytesMax: 1 })
      const roomy = new CacheOnDisk(UNBOUNDED)
      const both = [tiny, roomy]
      for (let step = 0; step < 150; step++) {
        const key = below(2) === 0 ? below(20) : `${below(20)}`
        const [choice, n] = [random(), below(60)]
        for (const { cellsOf } of both.map((each) => ({ cellsOf: each.cellsOf.bind(each) }))) {
          const [one, all, byNumber, times] = cellsOf(key)
          if (step % 3 === 0) {
            if (choice < 0.5) for (let i = 0; i < n; i++) times.add((i * 13) % 50, step + i)
            else if (choice < 0.7) times.deleteBefore(n)
            else if (choice < 0.8) times.delete(n)
            else if (choice < 0.83) times.clear()
            else times.range(n, n + 5)
          } else if (choice < 0.2) one.set(n)
          else if (choice < 0.25) one.clear()
          else if (choice < 0.5) for (let i = 0; i < n; i++) all.push(step)
          else if (choice < 0.6) for (let i = 0; i < n; i++) all.shift()
          else if (choice < 0.85) for (let i = 0; i < n; i++) byNumber.set(i * 7, step)
          else if (choice < 0.95) byNumber.delete(n)
          else {
            all.clear()
            byNumber.clear()
          }
        }
        if (random() < 0.3) {
          for (const each of both) await each.commit()
          tiny.evict(tiny.epoch)
          expect(tiny.cache.size).toBeLessThanOrEqual(1)
          if (random() < 0.3) tiny.restart()
        }
      }
      for (let n = 0; n < 20; n++) {
        for (const key of [n, `${n}`]) {
          expect(contents(tiny.cellsOf(key)), `seed ${seed + round}, key ${key}`).toEqual(
            contents(roomy.cellsOf(key)),
          )
        }
      }
      expect(roomy.cache.evictions).toBe(0)
    }
  })
})
