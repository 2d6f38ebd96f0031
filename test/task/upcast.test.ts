/** State of earlier versions, brought over key by key: small and large collections, across evictions and restarts. */
import { describe, expect, it } from 'vitest'
import {
  byTime,
  type ListCell,
  list,
  map,
  type MapCell,
  namedTimers,
  type StateSpec,
  type TimeCell,
  type TimersCell,
  value,
  type ValueCell,
} from '../../operators/state.ts'
import { actor } from '../../operators/actor.ts'
import { UserCodeError } from '../../runtime/errors.ts'
import { ActorCache } from '../../runtime/task/actor-cache.ts'
import type { EarlierShape } from '../../runtime/task/meta.ts'
import { MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'
import { takeSteps } from '../../runtime/time/turns.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const FIRST: StateSpec = {
  version: 1,
  cells: { total: value(), seen: list(), byFilm: map(), when: byTime(), timers: namedTimers() },
}
/** The total becomes a text, the list a map, the map a list, times are doubled; another order of cells. */
const SECOND: StateSpec = {
  version: 2,
  cells: { timers: namedTimers(), seen: map(), byFilm: list(), total: value(), when: byTime() },
  upcasters: {
    1: ({ total, seen, byFilm, when }) => ({
      total: total === undefined ? undefined : `n${total as number}`,
      seen: new Map((seen as number[]).map((film, at) => [at, film])),
      byFilm: [...(byFilm as Map<number, number>)].map(([film, n]) => film * 1000 + n),
      when: (when as [number, number][]).map(([at, n]) => [at * 2, n]),
    }),
  },
}

class States {
  readonly store = new MemoryStore(new MemoryDisk())
  epoch = 0

  cache(state: StateSpec, earlier: readonly EarlierShape[], entriesMax = 1_000): ActorCache {
    const limits = { entriesMax, bytesMax: Number.POSITIVE_INFINITY }
    const common = { store: this.store, name: 'op', operator: 1, mayHaveStored: true }
    return new ActorCache({ ...common, state, earlier, limits })
  }

  async commit(cache: ActorCache): Promise<void> {
    this.epoch += 1
    await this.store.commit((writer) => cache.write(writer, this.epoch))
    await takeSteps(cache.evict(this.epoch), undefined)
  }
}

const shapeOf = ({ version, cells }: StateSpec, until: number): EarlierShape => ({
  version,
  cells: Object.entries(cells).map(([name, { kind }]) => `${name}:${kind}`),
  until,
})

interface Filled {
  total: number | undefined
  readonly seen: number[]
  readonly byFilm: Map<number, number>
  readonly when: [number, number][]
  timer: number | undefined
}

describe('state of an earlier version', () => {
  it('is what its upcaster makes of it, whatever the sizes, evictions and restarts', async () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const int = (max: number): number => Math.floor(random() * max)
    const states = new States()
    const old = states.cache(FIRST, [])
    const filled = new Map<number, Filled>()
    for (let key = 0; key < 40; key++) {
      const sizes = Array.from({ length: 3 }, () => (random() < 0.4 ? int(60) : int(4)))
      const [seen = 0, films = 0, times = 0] = sizes
      const filledKey: Filled = {
        total: random() < 0.8 ? int(100) : undefined,
        seen: Array.from({ length: seen }, () => int(1_000)),
        byFilm: new Map(Array.from({ length: films }, (_, film) => [film, int(100)])),
        when: Array.from({ length: times }, (_, i): [number, number] => [i * 10 + int(10), i]),
        timer: random() < 0.5 ? int(1_000) : undefined,
      }
      filled.set(key, filledKey)
      const cells = old.activate(key).cells as unknown as readonly [
        ValueCell<number>,
        ListCell<number>,
        MapCell<number, number>,
        TimeCell<number>,
        TimersCell,
      ]
      if (filledKey.total !== undefined) cells[0].set(filledKey.total)
      for (const film of filledKey.seen) cells[1].push(film)
      for (const [film, n] of filledKey.byFilm) cells[2].set(film, n)
      for (const [at, n] of filledKey.when) cells[3].add(at, n)
      if (filledKey.timer !== undefined) cells[4].set('left', filledKey.timer, 'event')
      if (random() < 0.3) await states.commit(old)
    }
    await states.commit(old)

    const earlier = [shapeOf(FIRST, states.epoch)]
    let now = states.cache(SECOND, earlier, 5)
    for (let round = 0; round < 120; round++) {
      const key = int(40)
      const cells = now.activate(key).cells as unknown as readonly [
        TimersCell,
        MapCell<number, number>,
        ListCell<number>,
        ValueCell<string>,
        TimeCell<number>,
      ]
      const { total, seen, byFilm, when, timer } = filled.get(key) as Filled
      const context = `seed ${seed}, key ${key}, round ${round}`
      expect(cells[0].get('left'), context).toBe(timer)
      expect([...cells[1].entries()], context).toEqual([...seen.entries()])
      expect(cells[2].toArray(), context).toEqual([...byFilm].map(([film, n]) => film * 1000 + n))
      expect(cells[3].get(), context).toBe(total === undefined ? undefined : `n${total}`)
      expect(cells[4].range(), context).toEqual(when.map(([at, n]) => [at * 2, n]))
      // It goes on in the shape of today.
      if (random() < 0.3) {
        seen.push(round)
        cells[1].set(seen.length - 1, round)
      }
      if (random() < 0.3) {
        filled.set(key, { ...(filled.get(key) as Filled), total: round })
        cells[3].set(`n${round}`)
      }
      if (random() < 0.3) await states.commit(now)
      else if (random() < 0.1) {
        await states.commit(now)
        now = states.cache(SECOND, earlier, 5)
      }
    }
  })

  it('goes through every version between', async () => {
    const states = new States()
    const one: StateSpec = { version: 1, cells: { n: value() } }
    const three: StateSpec = {
      version: 3,
      cells: { n: value() },
      upcasters: { 1: ({ n }) => ({ n: [n] }), 2: ({ n }) => ({ n: { was: n } }) },
    }
    const cache = states.cache(one, [])
    ;(cache.activate('k').cell as ValueCell<number>).set(7)
    await states.commit(cache)
    const now = states.cache(three, [shapeOf(one, 1)])
    expect((now.activate('k').cell as ValueCell<unknown>).get()).toEqual({ was: [7] })
  })

  it.each<[string, NonNullable<StateSpec['upcasters']>[number], RegExp]>([
    [
      'throws',
      () => {
        throw new Error('no film')
      },
      /the upcast of operator 'op' for key "k" failed at version 1: no film; 'millrace migrate --dry-run' finds all such keys/,
    ],
    ['gives nothing', () => undefined as never, /gave no state at version 1, but undefined/],
    ['gives a promise', () => Promise.resolve({}) as never, /but a promise/],
    ['gives another cell', () => ({ m: 1 }), /gave 'm', which is no cell of the state/],
    ['gives a list that is none', () => ({ all: 7 }), /gave no list for 'all': it is number/],
    ['gives times that are none', () => ({ at: [['x', 1]] }), /gave no byTime for 'at'/],
  ])('an upcaster that %s is refused with the key', async (_, upcaster, message) => {
    const states = new States()
    const one: StateSpec = { version: 1, cells: { n: value() } }
    const cells = { n: value(), all: list(), at: byTime() }
    const cache = states.cache(one, [])
    ;(cache.activate('k').cell as ValueCell<number>).set(7)
    await states.commit(cache)
    const now = states.cache({ version: 2, cells, upcasters: { 1: upcaster } }, [shapeOf(one, 1)])
    expect(() => now.activate('k')).toThrow(UserCodeError)
    expect(() => now.activate('k')).toThrow(message)
  })
})

describe('versions of an actor', () => {
  const define = (version: number, upcast: Record<number, () => object>): unknown =>
    actor('seen', { version, upcast: upcast as never, state: {}, onRecord: () => undefined })

  it.each([
    [0, {}, /version 0 must be a whole number above 0/],
    [1.5, {}, /version 1.5 must be/],
    [2, { 2: () => ({}) }, /upcast has '2', and its functions stand under .* from 1 to 1/],
    [2, { 0: () => ({}) }, /upcast has '0'/],
  ])('%d with %o is refused at its definition', (version, upcast, message) => {
    expect(() => define(version, upcast as never)).toThrow(message)
  })
})
