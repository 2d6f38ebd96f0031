/**
 * Simulated runs as part of the tests: some seeds that are always the same and some that never were
 * before. `npm run simulate` runs as many as are wanted. MILLRACE_SEED=… runs one again.
 */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { newSeed } from '../support/random.ts'
import { findMutation, patched } from './mutate.ts'
import { MUTATIONS } from './mutations.ts'
import { drawPlan, planText } from './plan.ts'
import { simulate } from './simulate.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const isOne = process.env['MILLRACE_SEED'] !== undefined
const seedsFrom = (first: number, count: number): number[] =>
  Array.from({ length: isOne ? 1 : count }, (_, index) => first + index)

async function expectToPass(seeds: readonly number[]): Promise<void> {
  for (const seed of seeds) {
    const plan = drawPlan(seed)
    const { violation } = await simulate(plan)
    expect(violation?.message, planText(plan)).toBeUndefined()
  }
}

describe('the task under faults', () => {
  it('gives what the model gives, or refuses: seeds that are always the same', async () => {
    await expectToPass(seedsFrom(isOne ? newSeed() : 1, 200))
  }, 300_000)

  it('gives what the model gives, or refuses: seeds that are new', async () => {
    await expectToPass(seedsFrom(newSeed(), 100))
  }, 300_000)

  it('goes the same way whenever it is run with the same seed', async () => {
    for (const seed of seedsFrom(newSeed(), 20)) {
      const [first, second] = [await simulate(drawPlan(seed)), await simulate(drawPlan(seed))]
      expect(second.hash, `seed ${seed}`).toBe(first.hash)
      expect(second.events, `seed ${seed}`).toBe(first.events)
    }
  }, 60_000)
})

describe('bugs that are put in on purpose', () => {
  it.each(MUTATIONS.map((mutation) => [mutation.name, mutation] as const))(
    'have a place in the code: %s',
    (_, mutation) => {
      for (const patch of mutation.patches) {
        const source = readFileSync(join(ROOT, patch.file), 'utf8')
        expect(patched(source, mutation, patch)).not.toBe(source)
      }
    },
  )

  it.each([
    'results are handed over at the commit, not at the flush',
    'own stream: written without expectation',
  ])(
    'are found: %s',
    (name) => {
      const mutation = MUTATIONS.find((known) => known.name === name)
      expect(mutation).toBeDefined()
      if (mutation !== undefined) {
        expect(findMutation(mutation, { seeds: 500, from: 1 })).toBeDefined()
      }
    },
    300_000,
  )
})
