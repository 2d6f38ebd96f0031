/** What every Store keeps (S1 to S4 of store.ts), as tests that each implementation runs. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Store,
  STORE_TABLES,
  type StoreTable,
  type StoreWriter,
} from '../../runtime/state/store.ts'
import { StateError } from '../../runtime/errors.ts'
import { systemClock } from '../../runtime/time/clock.ts'
import { Turns } from '../../runtime/time/turns.ts'
import { newSeed, randomFrom } from '../support/random.ts'

/** A store on a place of its own, empty at first. */
export interface StoreFixture {
  /** Opens the store on its place; the one before was closed. */
  open(): Store
  /** Ends everything and removes the place. */
  close(): Promise<void>
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString('latin1')

/** More than any store takes in one piece. */
const MANY_ROWS = 20_000

const ALL = { start: bytes('\u0000'), end: bytes('\u00ff\u00ff') }

export function storeConformance(name: string, make: () => Promise<StoreFixture>): void {
  describe(`${name} as a store`, () => {
    let fixture: StoreFixture
    let store: Store

    beforeEach(async () => {
      fixture = await make()
      store = fixture.open()
    })
    afterEach(async () => {
      await store.close()
      await fixture.close()
    })

    const put = (table: StoreTable, key: string, value: string): Promise<void> =>
      store.commit((writer) => writer.put(table, bytes(key), bytes(value)))
    const rows = (table: StoreTable, range = ALL): string[] =>
      store.range(table, range).map(({ key, value }) => `${text(key)}=${text(value)}`)

    it('starts empty', () => {
      for (const table of STORE_TABLES) {
        expect(rows(table)).toEqual([])
        expect(store.count(table)).toBe(0)
        expect(store.get(table, bytes('a'))).toBeUndefined()
      }
    })

    it('reads what was committed, in the tables in which it was', async () => {
      await store.commit((writer) => {
        for (const table of STORE_TABLES) writer.put(table, bytes('k'), bytes(table))
      })
      for (const table of STORE_TABLES) expect(text(store.get(table, bytes('k')))).toBe(table)
    })

    it('shows a commit whole once it has resolved, and nothing of it before (S1, S3)', async () => {
      await put('state', 'a', 'before')
      const committed = store.commit((writer) => {
        writer.put('state', bytes('a'), bytes('after'))
        writer.put('meta', bytes('m'), bytes('after'))
        writer.remove('outbox', bytes('o'))
      })
      const [a, m] = [text(store.get('state', bytes('a'))), text(store.get('meta', bytes('m')))]
      expect([
        ['before', undefined],
        ['after', 'after'],
      ]).toContainEqual([a, m])
      await committed
      expect(text(store.get('state', bytes('a')))).toBe('after')
      expect(text(store.get('meta', bytes('m')))).toBe('after')
    })

    it('shows nothing of a commit in steps before all of it is committed (S1, S3)', async () => {
      await put('state', 'k0', 'before')
      const turns = new Turns(systemClock, 0)
      const seen = new Set<string>()
      const committed = store.commit(function* (writer) {
        for (let i = 0; i < MANY_ROWS; i++) {
          writer.put('state', bytes(`k${i}`), bytes('after'))
          if (i % 1_000 !== 0) continue
          seen.add(`${text(store.get('state', bytes('k0')))} ${store.range('state', ALL).length}`)
          yield
        }
        writer.remove('state', bytes('k1'))
        writer.put('outbox', bytes('large'), Buffer.alloc(600_000, 7))
      }, turns)
      // Whoever else has a turn sees nothing either.
      for (let turn = 0; turn < 5; turn++) {
        await systemClock.breathe()
        seen.add(`${text(store.get('state', bytes('k0')))} ${store.range('state', ALL).length}`)
      }
      await committed
      expect(seen).toEqual(new Set(['before 1']))
      expect(text(store.get('state', bytes('k0')))).toBe('after')
      expect(store.range('state', ALL)).toHaveLength(MANY_ROWS - 1)
      expect(store.get('outbox', bytes('large'))).toHaveLength(600_000)
      await store.flushed()
      await store.close()
      store = fixture.open()
      expect(store.range('state', ALL)).toHaveLength(MANY_ROWS - 1)
    })

    it.each([5, MANY_ROWS])(
      'commits nothing when a step throws behind %d rows, and goes on (S1)',
      async (count) => {
        await put('state', 'k0', 'before')
        const failing = store.commit(
          function* (writer) {
            for (let i = 0; i < count; i++) {
              writer.put('state', bytes(`k${i}`), bytes('after'))
              if (i % 1_000 === 0) yield
            }
            throw new Error('a step failed')
          },
          new Turns(systemClock, 0),
        )
        await expect(failing).rejects.toThrow('a step failed')
        expect(store.range('state', ALL)).toHaveLength(1)
        expect(text(store.get('state', bytes('k0')))).toBe('before')
        await put('state', 'k1', 'next')
        expect(rows('state')).toEqual(['k0=before', 'k1=next'])
      },
    )

    it.each([5, MANY_ROWS])(
      'throws as it is what a step throws behind %d rows: it is no fault of the disk',
      async (count) => {
        const fault = new StateError('a row is damaged')
        const failing = store.commit(function* (writer) {
          for (let i = 0; i < count; i++) writer.put('state', bytes(`k${i}`), bytes('after'))
          yield
          throw fault
        })
        await expect(failing).rejects.toBe(fault)
      },
    )

    it('gives a view that stays as it was, whatever is committed after', async () => {
      await put('state', 'a', 'before')
      await put('meta', 'm', 'before')
      const view = store.view()
      await put('state', 'a', 'after')
      await put('state', 'b', 'after')
      await store.commit((writer) => writer.remove('meta', bytes('m')))
      await store.flushed()
      const seen = view.range('state', ALL).map(({ key, value }) => `${text(key)}=${text(value)}`)
      expect(seen).toEqual(['a=before'])
      expect(text(view.get('meta', bytes('m')))).toBe('before')
      expect(view.get('state', bytes('b'))).toBeUndefined()
      expect(rows('state')).toEqual(['a=after', 'b=after'])
      view.close()
    })

    it('keeps the last of several writes of a key in one commit', async () => {
      await store.commit((writer) => {
        writer.put('state', bytes('a'), bytes('1'))
        writer.remove('state', bytes('a'))
        writer.put('state', bytes('b'), bytes('1'))
        writer.put('state', bytes('b'), bytes('2'))
        writer.put('state', bytes('c'), bytes('1'))
        writer.remove('state', bytes('c'))
        writer.put('state', bytes('c'), bytes('3'))
      })
      expect(rows('state')).toEqual(['b=2', 'c=3'])
    })

    it('orders rows by the bytes of their keys', async () => {
      const keys = ['b', '\u0001', '\u0080', 'a', 'a\u0000', '\u00ff', 'aa', '\u007f']
      await store.commit((writer) => {
        for (const key of keys) writer.put('timers', bytes(key), bytes('x'))
      })
      const read = store.range('timers', ALL).map(({ key }) => text(key))
      expect(read).toEqual(['\u0001', 'a', 'a\u0000', 'aa', 'b', '\u007f', '\u0080', '\u00ff'])
    })

    it('gives ranges from their start, up to their end, and no more than asked for', async () => {
      await store.commit((writer) => {
        for (const key of 'abcdef') writer.put('state', bytes(key), bytes(key))
      })
      const keys = (start: string, end: string, limit?: number): string =>
        store
          .range('state', {
            start: bytes(start),
            end: bytes(end),
            ...(limit !== undefined && { limit }),
          })
          .map(({ key }) => text(key))
          .join('')
      expect(keys('b', 'e')).toBe('bcd')
      expect(keys('b', 'b')).toBe('')
      expect(keys('bb', 'dd')).toBe('cd')
      expect(keys('a', 'z', 2)).toBe('ab')
      expect(keys('a', 'z', 100)).toBe('abcdef')
      expect(keys('g', 'z')).toBe('')
    })

    it('keeps keys and values of any bytes and size', async () => {
      const key = Buffer.alloc(1_100, 0)
      const value = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i & 255))
      await store.commit((writer) => {
        writer.put('state', key, value)
        writer.put('state', Buffer.from([0]), new Uint8Array())
      })
      expect(value.equals(store.get('state', key) ?? Buffer.alloc(0))).toBe(true)
      expect(store.get('state', Buffer.from([0]))?.length).toBe(0)
      expect(store.count('state')).toBe(2)
    })

    it('does not mind that the bytes it was given change later', async () => {
      const value = Buffer.from('before')
      await store.commit((writer) => writer.put('state', bytes('a'), value))
      value.fill(0)
      expect(text(store.get('state', bytes('a')))).toBe('before')
    })

    it('hands out bytes that belong to the caller', async () => {
      await put('state', 'a', 'before')
      const read = store.get('state', bytes('a'))
      await put('state', 'a', 'after!')
      expect(text(read)).toBe('before')
    })

    it('makes commits visible in the order in which they came (S2)', async () => {
      for (let n = 1; n <= 20; n++) await put('meta', 'n', String(n))
      expect(text(store.get('meta', bytes('n')))).toBe('20')
    })

    it('has after an orderly end what was committed', async () => {
      await put('state', 'a', '1')
      await store.flushed()
      await put('state', 'b', '2')
      await store.flushed()
      await store.close()
      store = fixture.open()
      expect(rows('state')).toEqual(['a=1', 'b=2'])
    })

    it('agrees with a map under random writes and reopenings', async () => {
      const seed = newSeed()
      const random = randomFrom(seed)
      const below = (limit: number): number => Math.floor(random() * limit)
      const expected = new Map<string, string>()
      const write = (writer: StoreWriter): void => {
        for (let i = below(8); i >= 0; i--) {
          const key = String.fromCharCode(1 + below(40))
          if (random() < 0.3) {
            writer.remove('state', bytes(key))
            expected.delete(key)
          } else {
            const value = `${below(1_000)}`
            writer.put('state', bytes(key), bytes(value))
            expected.set(key, value)
          }
        }
      }
      for (let step = 0; step < 60; step++) {
        await store.commit(write)
        await store.flushed()
        if (random() < 0.1) {
          await store.close()
          store = fixture.open()
        }
        const sorted = [...expected].toSorted(([a], [b]) => (a < b ? -1 : 1))
        expect(rows('state'), `seed ${seed}`).toEqual(sorted.map(([k, v]) => `${k}=${v}`))
        expect(store.count('state')).toBe(expected.size)
      }
    })
  })
}
