import { expect, test } from 'vitest'
import { nearestName } from '../../config/nearest.ts'

const known = ['source', 'sources', 'sinks', 'state', 'commit', 'restart', 'mode']

test.each([
  ['comit', 'commit'],
  ['sinsk', 'sinks'],
  ['Mode', 'mode'],
  ['restarts', 'restart'],
  ['sorces', 'sources'],
])('%s probably means %s', (written, meant) => {
  expect(nearestName(written, known)).toBe(meant)
})

test.each(['', 'x', 'parallelism', 'checkpoint'])('nothing is near to %j', (written) => {
  expect(nearestName(written, known)).toBeUndefined()
})
