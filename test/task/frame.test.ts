import { describe, expect, it, test } from 'vitest'
import type { Key } from '../../operators/operator.ts'
import {
  type Frame,
  FRAME_RECORDS_MAX,
  FrameReader,
  FrameWriter,
  type SenderTime,
} from '../../runtime/task/frame.ts'
import { whatCannotTravel } from '../../runtime/task/travelling.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const TIME: SenderTime = { watermark: 7, idle: false, ended: false, bounded: true }

function through(values: readonly unknown[], writer = new FrameWriter()): readonly unknown[] {
  for (const [i, value] of values.entries()) writer.add(value, i, i, 0)
  return new FrameReader().read(writer.take(TIME)).values
}

describe('values', () => {
  it.each<[string, unknown]>([
    ['numbers', [0, 1, -1, 1.5, 2 ** 53, -(2 ** 40), Number.NaN, Number.POSITIVE_INFINITY]],
    ['texts', ['', 'a', 'ä', '\u{1f600}', 'x'.repeat(100_000)]],
    ['nothing', [undefined, null, {}, [], { a: undefined }, [undefined]]],
    ['big integers', [0n, 12345678901234n, -(2n ** 62n)]],
    ['dates', [new Date(0), new Date(Number.NaN), new Date(-1)]],
    [
      'maps and sets',
      [
        new Map<unknown, unknown>([
          [1, { a: 1 }],
          ['1', new Set([1])],
        ]),
        new Map(),
        new Set(),
      ],
    ],
    ['odd fields', [{ constructor: 1 }, { '': 2 }, { 1: 'a', b: 'c' }, { toString: 3, length: 4 }]],
    ['depth', [{ a: { b: { c: [{ d: [{ e: 1 }] }] } } }]],
  ])('arrive as they left: %s', (_, values) => {
    expect(through(values as unknown[])).toStrictEqual(values)
  })

  it('arrive as they were when they were handed over', () => {
    const writer = new FrameWriter()
    const value = { total: 1, list: [1] }
    writer.add(value, 0, 'a', 0)
    value.total = 2
    value.list.push(2)
    expect(new FrameReader().read(writer.take(TIME)).values).toEqual([{ total: 1, list: [1] }])
  })

  it.each<[string, unknown, RegExp]>([
    ['a function', { deep: [() => 1] }, /a function/],
    ['a symbol', Symbol('x'), /a symbol/],
    ['an instance of a class', { url: new URL('http://a.b') }, /class URL/],
    ['bytes', { raw: new Uint8Array(2) }, /class Uint8Array/],
  ])('that would not are refused: %s', (_, value, message) => {
    expect(whatCannotTravel(value)).toMatch(message)
    const writer = new FrameWriter()
    writer.add('before', 1, 1, 0)
    expect(() => writer.add(value, 1, 1, 0)).toThrow(message)
    expect(new FrameReader().read(writer.take(TIME)).values).toEqual(['before'])
  })

  it('in a circle are refused', () => {
    const circle: { self?: unknown } = {}
    circle.self = circle
    expect(whatCannotTravel(circle)).toMatch(/circle/)
  })

  it('of many shapes arrive too, frame after frame', () => {
    const writer = new FrameWriter()
    for (let round = 0; round < 4; round++) {
      const values = Array.from({ length: 60 }, (_, i) => ({
        [`a${(round * 31 + i) % 90}`]: i,
        nested: { [`b${i}`]: [{ [`c${i % 7}`]: i }] },
      }))
      expect(through(values, writer)).toStrictEqual(values)
    }
  })
})

describe('a frame', () => {
  it('is full at a number of records, or of bytes', () => {
    const writer = new FrameWriter()
    for (let i = 1; i < FRAME_RECORDS_MAX; i++) expect(writer.add(i, 0, i, 0)).toBe(false)
    expect(writer.add(0, 0, 0, 0)).toBe(true)
    writer.take(TIME)
    expect(writer.add('x'.repeat(70_000), 0, 0, 0)).toBe(true)
  })

  it('without records tells how far time is', () => {
    for (const time of [
      { watermark: Number.NEGATIVE_INFINITY, idle: true, ended: false, bounded: false },
      { watermark: Number.POSITIVE_INFINITY, idle: false, ended: true, bounded: true },
    ]) {
      expect(new FrameReader().read(new FrameWriter().take(time))).toMatchObject({
        ...time,
        values: [],
      })
    }
  })

  it('of another format is refused', () => {
    const frame = new FrameWriter().take(TIME)
    frame[0] = 9
    expect(() => new FrameReader().read(frame)).toThrow(/format 9/)
  })
})

const seed = newSeed()

test(`random frames arrive as they left (seed ${seed})`, () => {
  const random = randomFrom(seed)
  const pick = <Of>(from: readonly Of[]): Of => from[Math.floor(random() * from.length)] as Of
  const value = (depth: number): unknown => {
    const kind = depth > 3 ? random() * 5 : random() * 8
    if (kind < 1) return Math.floor((random() - 0.5) * 2 ** (random() * 60)) + 0
    if (kind < 2) return random()
    if (kind < 3) return 'abcäöü\u{1f600}'.slice(0, Math.floor(random() * 6))
    if (kind < 4) return pick([true, false, null, undefined])
    if (kind < 5) return new Date(Math.floor(random() * 1e12))
    if (kind < 6) return Array.from({ length: random() * 4 }, () => value(depth + 1))
    const fields = Array.from({ length: random() * 5 }, () => `f${Math.floor(random() * 12)}`)
    if (kind < 6.5) return new Map(fields.map((field) => [field, value(depth + 1)]))
    return Object.fromEntries(fields.map((field) => [field, value(depth + 1)]))
  }
  const writer = new FrameWriter()
  const reader = new FrameReader()
  for (let round = 0; round < 200; round++) {
    const records = Array.from({ length: random() * 40 }, () => ({
      value: value(0),
      time: Math.floor(random() * 1e12),
      key: pick<Key | undefined>([Math.floor(random() * 10), 1.5, 'a', 'ü', undefined]),
      watermark: pick([1, 2, 3, round]),
    }))
    for (const { value: of, time, key, watermark } of records) writer.add(of, time, key, watermark)
    const last = records.at(-1)?.watermark ?? round
    const frame = reader.read(writer.take({ ...TIME, watermark: last }))
    const found = records.map((_, i) => ({
      value: frame.values[i],
      time: frame.times[i],
      key: frame.keyOf(i),
      ...stepOf(frame, i),
    }))
    const isMoving = frame.watermarks !== undefined
    expect(found).toStrictEqual(
      records.map(({ watermark, ...record }) => (isMoving ? { ...record, watermark } : record)),
    )
  }
})

const stepOf = ({ watermarks }: Frame, i: number) =>
  watermarks === undefined ? {} : { watermark: watermarks[i] }
