import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../../runtime/task/byte-writer.ts'
import { writeJson } from '../../runtime/sink/json-bytes.ts'
import { newSeed, randomFrom } from '../support/random.ts'

function jsonText(value: unknown): string {
  const out = new ByteWriter()
  writeJson(out, value)
  return Buffer.from(out.take()).toString('utf8')
}

const TEXTS = [
  '',
  'a',
  '"',
  '\\',
  '\n',
  '\u0000',
  '\u001f',
  '\u007f',
  '\u2028',
  'é',
  '😀',
  '\ud800',
  '\udc00x',
  '</script>',
]
const NUMBERS = [
  0,
  -0,
  1,
  -1.5,
  1e21,
  1e-7,
  2 ** 53,
  1_500_000_000_123,
  999_999_999,
  1e9,
  1_500_000_000.5,
  NaN,
  Infinity,
  -Infinity,
]

describe('JSON text', () => {
  it('is what JSON.stringify gives, for random values', () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const of = <Choice>(choices: readonly Choice[]): Choice =>
      choices[Math.floor(random() * choices.length)] as Choice
    const scalar = (): unknown =>
      of<() => unknown>([
        () => of(TEXTS),
        () => of(TEXTS) + of(TEXTS),
        () => of(NUMBERS),
        () => Math.floor(random() * 2 ** 42),
        () =>
          Math.round((random() - 0.5) * 10 ** Math.floor(random() * 14)) /
          10 ** Math.floor(random() * 5),
        () => (random() - 0.5) * 100,
        () => of([true, false, null]),
        () => of([undefined, () => 1, Symbol('s')]),
      ])()
    const value = (depth: number): unknown => {
      const choice = random()
      if (depth === 0 || choice < 0.3) return scalar()
      const length = Math.floor(random() * 5)
      const members = Array.from({ length }, () => (choice < 0.8 ? scalar() : value(depth - 1)))
      if (choice > 0.9) return members
      if (choice > 0.87) return new Date(Math.floor(random() * 2e12))
      const entries = members.map((member) => [of([...TEXTS, 'b', '1', '0', 'toJSON2']), member])
      return Object.fromEntries(entries) as unknown
    }
    for (let n = 0; n < 20_000; n++) {
      const candidate = value(3)
      expect(jsonText(candidate), `seed ${seed}`).toBe(JSON.stringify(candidate) ?? 'null')
    }
  })

  it('has the right long numbers where results share some of them', () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const long = [1e9, 999_999_999, 1_700_000_000_000, 2 ** 53 - 1, -1_700_000_000_000, 1e9 + 0.5]
    const number = (): number => long[Math.floor(random() * long.length)] as number
    const out = new ByteWriter()
    let expected = ''
    // Enough for the writer to grow in the middle.
    for (let n = 0; n < 10_000; n++) {
      const value = random() < 0.5 ? { end: number(), at: number() } : { at: number(), n }
      writeJson(out, value)
      expected += JSON.stringify(value)
    }
    expect(Buffer.from(out.take()).toString('latin1') === expected, `seed ${seed}`).toBe(true)
  })

  it('asks what an object wants to be instead', () => {
    expect(jsonText({ toJSON: () => 5 })).toBe('5')
    expect(jsonText({ at: new Date(0) })).toBe('{"at":"1970-01-01T00:00:00.000Z"}')
    class Point {
      x = 1
      get y(): number {
        return 2
      }
    }
    expect(jsonText(new Point())).toBe('{"x":1}')
  })

  it('leaves inherited and hidden members out', () => {
    const hidden = Object.defineProperty({ a: 1 }, 'b', { value: 2, enumerable: false })
    expect(jsonText(hidden)).toBe('{"a":1}')
    expect(jsonText(Object.create({ inherited: 1 }))).toBe('{}')
    expect(jsonText(Object.assign(Object.create(null) as object, { a: 1 }))).toBe('{"a":1}')
  })

  it('refuses what has no JSON', () => {
    const round: Record<string, unknown> = {}
    round['self'] = round
    expect(() => jsonText(round)).toThrow(TypeError)
    expect(() => jsonText({ n: 1n })).toThrow(TypeError)
  })
})
