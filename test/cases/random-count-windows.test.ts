import { expect, it } from 'vitest'
import { runMany } from './random-windows.ts'

const RUNS = 200
const PATIENCE_MS = 240_000

it(
  'count-windows give on random streams, over crashes, what looking at all records gives',
  async () => {
    await expect(runMany('count', RUNS)).resolves.toBeUndefined()
  },
  PATIENCE_MS,
)
