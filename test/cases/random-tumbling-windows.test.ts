import { expect, it } from 'vitest'
import { runMany } from './random-windows.ts'

const RUNS = 500
const PATIENCE_MS = 240_000

it(
  'tumbling-windows give on random streams, over crashes, what looking at all records gives',
  async () => {
    await expect(runMany('tumbling', RUNS)).resolves.toBeUndefined()
  },
  PATIENCE_MS,
)
