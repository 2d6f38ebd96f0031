import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { plainCheck } from '../../runtime/task/plain-schema.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const plain = z.object({ n: z.number(), text: z.string(), yes: z.boolean() })

describe('the short cut of plain schemas', () => {
  it('is there for objects of plain numbers, texts and booleans only', () => {
    expect(plainCheck(plain)).toBeTypeOf('function')
    const others = [
      z.object({ n: z.number().min(1) }),
      z.object({ n: z.int() }),
      z.object({ n: z.coerce.number() }),
      z.object({ n: z.number().optional() }),
      z.object({ n: z.number().default(1) }),
      z.object({ n: z.number().transform((n) => n + 1) }),
      z.object({ text: z.string().trim() }),
      z.object({ text: z.email() }),
      z.object({ inner: z.object({ n: z.number() }) }),
      z.object({ n: z.number() }).refine(({ n }) => n > 1),
      z.object({ n: z.number() }).transform(({ n }) => n),
      z.strictObject({ n: z.number() }),
      z.looseObject({ n: z.number() }),
      z.object({ constructor: z.number() }),
      z.object({ n: z.number(), ['__proto__x']: z.any() }),
      z.number(),
      z.array(z.number()),
    ]
    for (const schema of others) expect(plainCheck(schema)).toBeUndefined()
  })

  it('takes a value only when the schema would give the same back', () => {
    const check = plainCheck(plain)
    const seed = newSeed()
    const random = randomFrom(seed)
    const of = <Choice>(choices: readonly Choice[]): Choice =>
      choices[Math.floor(random() * choices.length)] as Choice
    const scalars = [0, -0, 1.5, NaN, Infinity, '', 'a', true, false, null, undefined, 1n, {}, []]
    let taken = 0
    for (let n = 0; n < 20_000; n++) {
      const names = of([
        ['n', 'text', 'yes'],
        ['text', 'n', 'yes'],
        ['n', 'text', 'yes', 'more'],
        ['n', 'text'],
        ['n', 'text', '__proto__'],
      ])
      const entries = names.map((name) => [name, of(scalars)])
      const fitting = [
        ['n', of([1.5, 0])],
        ['text', of(['', 'a'])],
        ['yes', of([true, false])],
      ]
      const value = of<() => unknown>([
        () => Object.fromEntries(entries),
        () => Object.fromEntries(fitting),
        () => of(scalars),
        () => Object.create(Object.fromEntries(fitting)) as unknown,
      ])()
      if (check?.(value) !== true) continue
      taken += 1
      const result = plain.safeParse(value)
      expect(result.success, `seed ${seed}`).toBe(true)
      expect(JSON.stringify(result.data), `seed ${seed}`).toBe(JSON.stringify(value))
    }
    expect(taken).toBeGreaterThan(1_000)
  })
})
