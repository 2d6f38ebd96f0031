import { expect, it } from 'vitest'
import { runMany } from './random-windows.ts'

const RUNS = 450
const PATIENCE_MS = 240_000

it(
  'sliding-windows give on random streams, over crashes, what looking at all records gives',
  async () => {
    await expect(runMany('sliding', RUNS)).resolves.toBeUndefined()
  },
  PATIENCE_MS,
)
