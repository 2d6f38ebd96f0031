import { describe, expect, it } from 'vitest'
import {
  byTime,
  list,
  type ListCell,
  map,
  type MapCell,
  namedTimers,
  Stamped,
  type TimeCell,
  type TimersCell,
  value,
  type ValueCell,
} from '../../operators/state.ts'
import { readState } from '../../runtime/state/state-entry.ts'
import { ActorCache } from '../../runtime/task/actor-cache.ts'
import { MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'

const cells = {
  one: value<unknown>(),
  all: list<unknown>(),
  byName: map<string, unknown>(),
  times: byTime<unknown>(),
  '(timers)': namedTimers(),
}
type Cells = [
  ValueCell<unknown>,
  ListCell<unknown>,
  MapCell<string, unknown>,
  TimeCell<unknown>,
  TimersCell,
]

/** A key's state as people see it, after `fill` was committed. */
async function shown(fill: (...of: Cells) => void): Promise<Record<string, unknown>> {
  const store = new MemoryStore(new MemoryDisk())
  const room = { entriesMax: 10, bytesMax: 1_000_000 }
  const state = { version: 1, cells }
  const of = {
    state,
    earlier: [],
    store,
    name: 'op',
    operator: 1,
    limits: room,
    mayHaveStored: false,
  }
  const cache = new ActorCache(of)
  fill(...(cache.activate('k').cells as unknown as Cells))
  await store.commit((writer) => cache.write(writer, 1))
  const names = Object.entries(cells).map(([name, { kind }]) => `${name}:${kind}`)
  const stored = readState(store, 'op', { number: 1, cells: names }, 'k')
  return Object.fromEntries((stored?.cells ?? []).map(({ name, content }) => [name, content]))
}

describe('the state of a key, as people see it', () => {
  it('is each cell by its name, small or large', async () => {
    for (const count of [3, 40]) {
      const numbers = Array.from({ length: count }, (_, i) => i)
      const seen = await shown((one, all, byName, times) => {
        one.set({ a: 1 })
        for (const n of numbers) {
          all.push(n)
          byName.set(`n${String(n).padStart(2, '0')}`, n)
          times.add(1_000 + Math.floor(n / 2), n)
        }
        all.shift()
      })
      expect(seen).toEqual({
        one: { a: 1 },
        all: numbers.slice(1),
        byName: numbers.map((n) => [`n${String(n).padStart(2, '0')}`, n]),
        times: numbers.map((n) => [1_000 + Math.floor(n / 2), n]),
        '(timers)': {},
      })
    }
  })

  it('shows the timers that the job set, and not for when the key is woken', async () => {
    const seen = await shown((_one, _all, _byName, _times, named) => {
      named.set('left', 1_800_000, 'event')
      named.set('ping', 5_000, 'processing')
      named.set(0, 99, 'event')
      named.setWakeTime('event', 99)
    })
    expect(seen['(timers)']).toEqual({
      left: { at: 1_800_000, clock: 'event' },
      ping: { at: 5_000, clock: 'processing' },
    })
  })

  it('shows values that live for a time without the times of their writing', async () => {
    for (const count of [2, 30]) {
      const seen = await shown((one, all, byName) => {
        one.set(new Stamped(5, 'x'))
        for (let n = 0; n < count; n++) {
          all.push(new Stamped(n, n))
          byName.set(`n${String(n).padStart(2, '0')}`, new Stamped(n, n))
        }
      })
      expect([seen['one'], (seen['all'] as unknown[])[1]]).toEqual(['x', 1])
      expect((seen['byName'] as unknown[])[1]).toEqual(['n01', 1])
    }
  })
})
