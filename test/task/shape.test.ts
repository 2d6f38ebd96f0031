import { expect, test } from 'vitest'
import { StateError } from '../../runtime/errors.ts'
import type { JobRow } from '../../runtime/task/meta.ts'
import { type OperatorShape, reconcile, type Shape } from '../../runtime/task/shape.ts'

const FRESH = { run: 'r', task: '0', createdAt: 1 }
const N = ['n:value']

const shape = (
  operators: Record<string, OperatorShape>,
  more: Partial<Pick<Shape, 'sources' | 'destinations' | 'dropped'>> = {},
): Shape => ({ job: 'j', operators, destinations: ['out'], sources: ['in'], ...more })

const first = shape({
  a: { version: 1, cells: N },
  b: { version: 1, cells: N, layout: 'tumbling' },
})
const stored: JobRow = reconcile(undefined, first, FRESH, 0)

test('a new version with a way to it remembers which rows are of the one before', () => {
  const b = first.operators['b'] as OperatorShape
  const second = reconcile(
    stored,
    shape({ a: { version: 2, cells: ['m:map'], upcasts: [1] }, b }),
    FRESH,
    7,
  )
  expect(second.operators['a']).toEqual({
    number: 0,
    version: 2,
    cells: ['m:map'],
    earlier: [{ version: 1, cells: N, until: 7 }],
  })
  const third = { version: 3, cells: N, upcasts: [1, 2] }
  expect(reconcile(second, shape({ a: third, b }), FRESH, 9).operators['a']?.earlier).toEqual([
    { version: 1, cells: N, until: 7 },
    { version: 2, cells: ['m:map'], until: 9 },
  ])
  // Keys of version 1 may still be there: the way from there must not be taken away.
  expect(() => reconcile(second, shape({ a: { ...third, upcasts: [2] }, b }), FRESH, 9)).toThrow(
    /no upcast from version 1/,
  )
  const without = shape({ a: { version: 2, cells: ['m:map'] }, b })
  expect(() => reconcile(second, without, FRESH, 9)).toThrow(/'millrace migrate' brings all keys/)
})

test.each<[string, Shape, RegExp]>([
  [
    'no way to the version',
    shape({ ...first.operators, a: { version: 3, cells: N, upcasts: [2] } }),
    /operator 'a' has version 1 in the state and 3 in the job, and no upcast from version 1/,
  ],
  [
    'an older version',
    shape({ ...first.operators, a: { version: 0, cells: N } }),
    /written by newer code/,
  ],
  [
    'other cells under the same version',
    shape({ ...first.operators, a: { version: 1, cells: ['n:list'] } }),
    /keeps \[n:value\] in the state and \[n:list\] in the job/,
  ],
  [
    'other windows',
    shape({ ...first.operators, b: { version: 1, cells: N, layout: 'sliding' } }),
    /operator 'b' keeps \(tumbling\) in the state and \(sliding\) in the job/,
  ],
  [
    'an operator that is gone',
    shape({ b: first.operators['b'] as OperatorShape }),
    /operator 'a' is in the state and not in the job.*--drop-state NAME/,
  ],
  [
    'a source and a sink that are gone',
    shape(first.operators, { sources: [], destinations: [] }),
    /source 'in' is in the state and not in the job; sink 'out' is in the state/,
  ],
  [
    'dropping what is not there',
    shape(first.operators, { dropped: ['x'] }),
    /--drop-state x: .* has no operator, source or sink of that name.*It has a, b, in, out/,
  ],
  [
    'dropping a source that is used',
    shape(first.operators, { dropped: ['in'] }),
    /the job still has this source or sink/,
  ],
])('%s: refused, with every difference', (_, now, message) => {
  expect(() => reconcile(stored, now, FRESH, 7)).toThrow(StateError)
  expect(() => reconcile(stored, now, FRESH, 7)).toThrow(message)
})

test('what is dropped is gone at once, and its number not given again before its rows are', () => {
  const b = first.operators['b'] as OperatorShape
  const gone = reconcile(stored, shape({ b }, { dropped: ['a'] }), FRESH, 7)
  expect(gone.operators).toEqual({ b: { number: 1, ...b } })
  expect(gone.dropped).toEqual({ operators: [0], destinations: [] })
  // Cut short there, the next opening goes on; and the name is free.
  const again = reconcile(gone, shape({ b, a: { version: 1, cells: N } }), FRESH, 8)
  expect(again.operators['a']?.number).toBe(2)
  expect(again.dropped).toEqual({ operators: [0], destinations: [] })
})

test('an operator that is dropped and still there begins afresh', () => {
  const afresh = reconcile(stored, shape(first.operators, { dropped: ['a'] }), FRESH, 7)
  expect(afresh.operators['a']?.number).toBe(2)
  expect(afresh.dropped?.operators).toEqual([0])
})
