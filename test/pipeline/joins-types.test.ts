/** The types of joins, checked by the compiler: every line under `@ts-expect-error` must not compile. */
import { describe, expect, expectTypeOf, it } from 'vitest'
import { job, type KeyedStream, map, side, tumbling, value, type JobDefinition } from 'millrace'
import * as z from 'zod'

const Shown = z.object({ id: z.number(), itemId: z.string(), timestamp: z.number() })
const Click = z.object({ id: z.number(), at: z.number(), timestamp: z.number() })
type Shown = z.infer<typeof Shown>
type Click = z.infer<typeof Click>

interface Sides {
  readonly shown: KeyedStream<Shown, number>
  readonly clicked: KeyedStream<Click, number>
  readonly byItem: KeyedStream<Shown, string>
}

const define = (use: (sides: Sides) => KeyedStream<unknown, number>): JobDefinition =>
  job('typed', ({ source, sink }) => {
    const impressions = source('impressions', Shown)
    const shown = impressions.keyBy(({ id }) => id)
    const clicked = source('clicks', Click).keyBy(({ id }) => id)
    const byItem = impressions.keyBy(({ itemId }) => itemId)
    use({ shown, clicked, byItem }).to(sink('out'))
    byItem.to(sink('items'))
  })

const within = ['0s', '10m'] as const

describe('the types of joins', () => {
  it('say by the kind of the join who may be missing', () => {
    define(({ shown, clicked }) => {
      shown.intervalJoin('default', clicked, { within }, (l, r) => {
        expectTypeOf(l).toEqualTypeOf<Shown>()
        expectTypeOf(r).toEqualTypeOf<Click>()
        return 1
      })
      shown.intervalJoin('outer', clicked, { within, kind: 'outer' }, (l, r) => {
        expectTypeOf(l).toEqualTypeOf<Shown | undefined>()
        expectTypeOf(r).toEqualTypeOf<Click | undefined>()
        return 1
      })
      shown.rightJoin('right', clicked, { within }, (l, r) => {
        expectTypeOf(l).toEqualTypeOf<Shown | undefined>()
        expectTypeOf(r).toEqualTypeOf<Click>()
        return 1
      })
      shown.windowJoin('window', clicked, tumbling('1s'), { kind: 'left' }, (l, r, { key }) => {
        expectTypeOf(l).toEqualTypeOf<Shown>()
        expectTypeOf(r).toEqualTypeOf<Click | undefined>()
        expectTypeOf(key).toEqualTypeOf<number>()
        return 1
      })
      shown.asOfJoin('asOf', clicked, { kind: 'left', tolerance: '1h' }, (l, r) => {
        expectTypeOf(l).toEqualTypeOf<Shown>()
        expectTypeOf(r).toEqualTypeOf<Click | undefined>()
        return 1
      })
      const deletable = clicked.map((click): Click | null => (click.at > 0 ? click : null))
      shown.joinTable('table', deletable, {}, (l, row) => {
        expectTypeOf(l).toEqualTypeOf<Shown>()
        expectTypeOf(row).toEqualTypeOf<Click>()
        return 1
      })
      const table = shown.joinTables('tables', deletable, { kind: 'left' }, (l, r) => {
        expectTypeOf(l).toEqualTypeOf<Shown>()
        expectTypeOf(r).toEqualTypeOf<Click | undefined>()
        return 1
      })
      expectTypeOf(table).toEqualTypeOf<KeyedStream<number | null, number>>()
      const results = shown.leftJoin('left', clicked, { within, time: 'left' }, (l, r) => {
        expectTypeOf(r).toEqualTypeOf<Click | undefined>()
        return { itemId: l.itemId, clicked: r !== undefined }
      })
      results.late.map((late) => {
        if (late.side === 'left') expectTypeOf(late.value).toEqualTypeOf<Shown>()
        else expectTypeOf(late.value).toEqualTypeOf<Click>()
        return late
      })
      return results.map(({ itemId, clicked: isClicked }) => `${itemId} ${isClicked}`)
    })
  })

  it('follow through coGroup, connect and broadcast', () => {
    define(({ shown, clicked }) => {
      shown.coGroup('group', clicked, tumbling('1s'), (lefts, rights) => {
        expectTypeOf(lefts).toEqualTypeOf<readonly Shown[]>()
        expectTypeOf(rights).toEqualTypeOf<readonly Click[]>()
        return [lefts.length]
      })
      const connected = shown.connect('connect', clicked, {
        state: { last: value<Click>() },
        sides: { alone: side<Shown>() },
        onLeft(seen, key) {
          expectTypeOf(seen).toEqualTypeOf<Shown>()
          key.emitTo('alone', seen)
        },
        onRight(click, key) {
          expectTypeOf(click).toEqualTypeOf<Click>()
          key.state.last.set(click)
        },
      })
      connected.side('alone').map(({ itemId }) => itemId)
      return shown.withBroadcast('broadcast', clicked, {
        shared: { clicks: map<number, Click>() },
        onBroadcast(click, shared) {
          expectTypeOf(click).toEqualTypeOf<Click>()
          shared.clicks.set(click.id, click)
        },
        onRecord(seen, key, shared) {
          expectTypeOf(shared.clicks.get(seen.id)).toEqualTypeOf<Click | undefined>()
          // @ts-expect-error a key cannot change what all share
          expect(shared.clicks.set).toBeDefined()
          key.emit(1)
        },
      })
    })
  })

  it('find keys of different types and fields that are not there', () => {
    define(({ shown, clicked, byItem }) => {
      // @ts-expect-error numbers and texts never meet
      shown.innerJoin('a', byItem, { within }, () => 1)
      // @ts-expect-error numbers and texts never meet
      shown.windowJoin('b', byItem, tumbling(1), {}, () => 1)
      // @ts-expect-error numbers and texts never meet
      shown.coGroup('c', byItem, tumbling(1), () => [])
      // @ts-expect-error numbers and texts never meet
      shown.asOfJoin('d', byItem, {}, () => 1)
      // @ts-expect-error numbers and texts never meet
      shown.joinTable('e', byItem, {}, () => 1)
      // @ts-expect-error a click may be missing in a left join
      shown.leftJoin('f', clicked, { within }, (_, click) => click.at)
      // @ts-expect-error a click has no item
      shown.innerJoin('g', clicked, { within }, (_, click) => click.itemId)
      // @ts-expect-error the kind of a left join is left
      shown.leftJoin('h', clicked, { within, kind: 'inner' }, () => 1)
      return shown
    })
  })
})

describe('a join', () => {
  it('of streams of two jobs, or of something else, is refused', () => {
    let stray: KeyedStream<Click, number> | undefined
    define(({ shown, clicked }) => {
      stray = clicked
      return shown
    })
    for (const other of [stray, undefined, {}]) {
      const joining = (): JobDefinition =>
        define(({ shown }) => shown.innerJoin('join', other as never, { within }, () => 1))
      expect(joining).toThrow(/operator 'join' is given something that is no stream of this job/)
    }
  })

  it('needs a name of its own, also for what its keys share', () => {
    expect(() =>
      define(({ shown, clicked }) => {
        shown.innerJoin('twice', clicked, { within }, () => 1)
        return shown.innerJoin('twice', clicked, { within }, () => 1)
      }),
    ).toThrow(/two operators have the name 'twice'/)
    expect(() =>
      define(({ shown, clicked }) => {
        shown.innerJoin('rules.shared', clicked, { within }, () => 1)
        return shown.withBroadcast('rules', clicked, {
          shared: {},
          onBroadcast: () => undefined,
          onRecord: () => undefined,
        })
      }),
    ).toThrow(/two operators have the name 'rules.shared'/)
  })
})
