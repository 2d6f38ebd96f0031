/** Batch = live = batch and then live, killed around the switch. Many switches: replay-full.ts. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newSeed, randomFrom } from '../support/random.ts'
import { testInput } from './ratings.ts'
import { SwitchScene } from './switch-scene.ts'

const SWITCHES = 3
const PATIENCE_MS = 300_000

test(
  'the same ratings give the same results, also over a kill at the switch',
  async () => {
    const seed = newSeed()
    console.log(`seed ${seed} (MILLRACE_SEED=${seed} repeats it)`)
    const random = randomFrom(seed)
    const folder = await mkdtemp(join(tmpdir(), 'millrace-replay-'))
    try {
      const { ratings } = testInput(2_000, seed)
      const scene = new SwitchScene(folder, ratings)
      expect(await scene.straight('batch')).toEqual([])
      expect(await scene.straight('live')).toEqual([])
      for (let round = 1; round <= SWITCHES; round++) {
        const { problems } = await scene.switchedAt(
          Math.floor(random() * ratings.length),
          seed + round,
        )
        expect(problems).toEqual([])
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
  PATIENCE_MS,
)
