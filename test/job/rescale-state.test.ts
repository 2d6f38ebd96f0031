/** A move to another parallelism that is cut short, at every step of putting the new stores into their places. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { finishRescale } from '../../runtime/job/rescale-state.ts'

/** When set, a folder is removed no further than its first entry: the process is killed then. */
let diesRemoving = false
vi.mock(import('node:fs'), async (load) => {
  const fs = await load()
  const remove: typeof fs.rmSync = (path, options) => {
    if (!diesRemoving) return fs.rmSync(path, options)
    const [first] = fs.readdirSync(path, 'utf8')
    if (first !== undefined) fs.rmSync(join(String(path), first), options)
    throw new Error('killed')
  }
  return { ...fs, rmSync: remove }
})

const root = mkdtempSync(join(tmpdir(), 'millrace-rescale-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** What a kill may leave: old stores, new ones in their places, new ones that wait, and marks of the move. */
interface Left {
  readonly old: readonly number[]
  readonly inPlace: readonly number[]
  readonly waiting: readonly number[]
  readonly marked: readonly number[]
}

function stateOf(name: string, { old, inPlace, waiting, marked }: Left): string {
  const state = join(root, name)
  const put = (folder: string, text: string): void => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'data.mdb'), text)
  }
  for (const task of old) put(join(state, `task-${task}`), 'old')
  for (const task of inPlace) put(join(state, `task-${task}`), 'new')
  for (const task of waiting) put(join(state, 'rescaled', `task-${task}`), 'new')
  for (const task of marked)
    mkdirSync(join(state, 'rescaled', `moved-${task}`), { recursive: true })
  return state
}

// From four tasks to two, and from one to two.
test.each<[string, Left]>([
  ['before anything', { old: [0, 1, 2, 3], inPlace: [], waiting: [0, 1], marked: [] }],
  ['with some old ones gone', { old: [2, 3], inPlace: [], waiting: [0, 1], marked: [] }],
  ['with all old ones gone', { old: [], inPlace: [], waiting: [0, 1], marked: [] }],
  ['with the first marked', { old: [], inPlace: [], waiting: [0, 1], marked: [0] }],
  ['with the first moved', { old: [], inPlace: [0], waiting: [1], marked: [0] }],
  ['with all moved', { old: [], inPlace: [0, 1], waiting: [], marked: [0, 1] }],
  ['of one task', { old: [0], inPlace: [], waiting: [0, 1], marked: [] }],
])('a start finishes a move that was cut short %s', async (name, left) => {
  const state = stateOf(name, left)
  await finishRescale(state)
  expect(readdirSync(state).toSorted()).toEqual(['task-0', 'task-1'])
  for (const task of ['task-0', 'task-1']) {
    expect(readFileSync(join(state, task, 'data.mdb'), 'utf8')).toBe('new')
  }
})

test('a start leaves a state alone that is not being moved', async () => {
  const state = stateOf('as it is', { old: [0], inPlace: [], waiting: [], marked: [] })
  // What was being built when the process was killed is no state yet.
  mkdirSync(join(state, 'rescaling', 'task-0'), { recursive: true })
  await finishRescale(state)
  expect(readFileSync(join(state, 'task-0', 'data.mdb'), 'utf8')).toBe('old')
})

test('a start finishes a move that was cut short while its marks were removed', async () => {
  const left = { old: [], inPlace: [0, 1], waiting: [], marked: [0, 1] }
  const state = stateOf('with some marks removed', left)
  diesRemoving = true
  await expect(finishRescale(state)).rejects.toThrow('killed')
  diesRemoving = false
  await finishRescale(state)
  for (const task of ['task-0', 'task-1']) {
    expect(readFileSync(join(state, task, 'data.mdb'), 'utf8')).toBe('new')
  }
})
