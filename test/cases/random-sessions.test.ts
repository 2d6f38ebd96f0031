import { expect, it } from 'vitest'
import { runMany } from './random-windows.ts'

const RUNS = 600
const PATIENCE_MS = 240_000

it(
  'sessions give on random streams, over crashes, what looking at all records gives',
  async () => {
    await expect(runMany('session', RUNS)).resolves.toBeUndefined()
  },
  PATIENCE_MS,
)
