import { expect, it } from 'vitest'
import { runMany } from './random-windows.ts'

const RUNS = 300
const PATIENCE_MS = 240_000

it(
  'global-windows give on random streams, over crashes, what looking at all records gives',
  async () => {
    await expect(runMany('global', RUNS)).resolves.toBeUndefined()
  },
  PATIENCE_MS,
)
