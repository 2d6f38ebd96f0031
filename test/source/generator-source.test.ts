import { expect, test } from 'vitest'
import { UserCodeError } from '../../runtime/errors.ts'
import { type Generate, GeneratorSource } from '../../runtime/source/generator-source.ts'
import { type SourceInput, Undecodable } from '../../runtime/source/source.ts'
import { ManualClock } from '../support/manual-clock.ts'

const numbers: Generate = function* () {
  for (let n = 1; n <= 5_000; n++) yield { n }
}

async function inputOf(generate: Generate, options?: unknown): Promise<SourceInput> {
  const source = new GeneratorSource({ name: 'made', generate, options, clock: new ManualClock() })
  const [input] = await source.inputs()
  if (input === undefined) throw new Error('a generator has one input')
  return input
}

test('a generator gives its records in batches, and goes on behind a position', async () => {
  const input = await inputOf(numbers)
  await input.open(undefined)
  const first = input.poll()
  if (typeof first === 'string') throw new Error(first)
  expect(first.values[0]).toEqual({ n: 1 })

  const again = await inputOf(numbers)
  await again.open(JSON.parse(JSON.stringify(first.after)))
  const seen: unknown[] = [...first.values]
  for (let batch = again.poll(); typeof batch !== 'string'; batch = again.poll()) {
    seen.push(...batch.values)
  }
  expect(seen).toEqual(Array.from({ length: 5_000 }, (_, i) => ({ n: i + 1 })))
})

test('a text is a raw line: broken ones cannot be decoded', async () => {
  const input = await inputOf(() => ['{"n":1}', '{"n":'])
  await input.open(undefined)
  const batch = input.poll()
  if (typeof batch === 'string') throw new Error(batch)
  expect(batch.values[0]).toEqual({ n: 1 })
  expect(batch.values[1]).toBeInstanceOf(Undecodable)
  expect(Buffer.from(batch.bytesOf(1)).toString()).toBe('{"n":')
})

test('a generator without options is given an empty object', async () => {
  const given: unknown[] = []
  const input = await inputOf((options) => {
    given.push(options)
    return []
  })
  await input.open(undefined)
  expect(given).toEqual([{}])
})

test('what a generator throws is its own fault, and says at which record', async () => {
  const input = await inputOf(function* () {
    yield 1
    throw new Error('no more ideas')
  })
  await input.open(undefined)
  expect(() => input.poll()).toThrow(UserCodeError)
  const early = await inputOf(() => {
    throw new Error('bad options')
  })
  await expect(async () => early.open(undefined)).rejects.toThrow(
    /the generator of source 'made' failed at record 1: bad options/,
  )
})
