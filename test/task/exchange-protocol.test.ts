/**
 * What travels between tasks survives everything: single tasks killed, power that fails for all, disks that
 * keep what they like of what was not flushed, flushes that fail. User code gives other values in each life,
 * so two histories of one record would show.
 */
import { actor, count, job, tumbling, value } from 'millrace'
import { describe, expect, it, test } from 'vitest'
import * as z from 'zod'
import { readState } from '../../runtime/state/state-entry.ts'
import { readJobRow } from '../../runtime/task/meta.ts'
import { MOMENTS, type Moment } from '../../runtime/task/task-parts.ts'
import { ParallelWorld } from '../support/parallel-world.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const Item = z.object({ id: z.number(), at: z.number() })
type Item = z.infer<typeof Item>

/** Changes with every death: what is made again is not what it was. */
let life = 0

interface Marked {
  readonly id: number
  readonly mark: number
  readonly group: number
}

const marked = { mark: value<number>() }
const marking = actor<typeof marked, Item, Marked>('marking', {
  state: marked,
  onRecord(item, key) {
    key.state.mark.set(life)
    key.emit({ id: item.id, mark: life, group: item.id % 5 })
  },
})

const seen = { seen: value<number>() }
const passing = actor<typeof seen, Marked, Marked>('passing', {
  state: seen,
  onRecord(item, key) {
    key.state.seen.set((key.state.seen.get() ?? 0) + 1)
    key.emit(item)
  },
})

const marks = job('marks', ({ source, sink }) => {
  const byGroup = source('items', Item)
    .keyBy(({ id }) => id)
    .process(marking)
    .keyBy(({ group }) => group)
  byGroup.process(passing).to(sink('passed'))
  byGroup
    .window(tumbling(10))
    .aggregate('counted', { items: count() })
    .map(({ key, window, value: { items } }) => ({ key, start: window.start, items }))
    .to(sink('counts'))
})

const ITEMS = 60

/** What went wrong, or nothing. */
function problemsOf(world: ParallelWorld): string[] {
  const passed = world.output('passed') as { id: number; mark: number }[]
  const problems: string[] = []
  for (let id = 0; id < ITEMS; id++) {
    const found = passed.filter((item) => item.id === id)
    if (found.length !== 1) problems.push(`item ${id} came ${found.length} times`)
    const kept = markOf(world, id)
    if (kept !== found[0]?.mark)
      problems.push(
        `item ${id} has mark ${String(kept)} where it was made, and came as ${found[0]?.mark}`,
      )
  }
  const expected = new Map<string, number>()
  for (let id = 0; id < ITEMS; id++) {
    const window = `${id % 5} ${Math.floor(id / 10) * 10}`
    expected.set(window, (expected.get(window) ?? 0) + 1)
  }
  const counts = world.output('counts') as { key: number; start: number; items: number }[]
  for (const { key, start, items } of counts) {
    const window = `${key} ${start}`
    if (expected.get(window) !== items) problems.push(`window ${window} has ${items}`)
    expected.delete(window)
  }
  for (const window of expected.keys()) problems.push(`window ${window} is missing`)
  return problems
}

/** The mark of an item as the task that made it keeps it. */
function markOf(world: ParallelWorld, id: number): unknown {
  for (const task of world.tasks) {
    const store = world.store(task)
    const row = readJobRow(store)?.operators['marking']
    const state = row && readState(store, 'marking', row, id)
    if (state !== undefined) return state.cells[0]?.content
  }
  return undefined
}

const itemsFrom = (from: number, to: number): Item[] =>
  Array.from({ length: to - from }, (_, i) => ({ id: from + i, at: from + i }))

async function finish(world: ParallelWorld): Promise<void> {
  world.releaseFlushes()
  world.end('items')
  for (let i = 0; i < 20 && !world.isFinished; i++) await world.advance(200)
  if (!world.isFinished) throw new Error(`it does not come to its end:\n${world.standing}`)
}

describe.each([2, 3])('with parallelism %i', (parallelism) => {
  it('each item comes once and every window is whole, when nothing happens', async () => {
    const world = new ParallelWorld(marks, { parallelism })
    world.push('items', ...itemsFrom(0, ITEMS))
    await finish(world)
    expect(problemsOf(world)).toEqual([])
  })

  it('a small outbox only makes it slower', async () => {
    const world = new ParallelWorld(marks, {
      parallelism,
      outboxBytesMax: 200,
      commitRecordsMax: 5,
    })
    world.push('items', ...itemsFrom(0, ITEMS))
    await finish(world)
    expect(problemsOf(world)).toEqual([])
  })
})

describe('a row that is committed and not durable', () => {
  it('is not read by the next task', async () => {
    const world = new ParallelWorld(marks, { parallelism: 2 })
    await world.settle()
    const makers = tasksOf(world, 'marking')
    for (const task of makers) world.holdFlushes(task)
    world.push('items', ...itemsFrom(0, ITEMS))
    await world.advance(200)
    expect(world.output('passed')).toEqual([])
    // The disks of the makers forget it; what has read it would have kept it.
    life += 1
    world.losePower(() => 0)
    await finish(world)
    expect(problemsOf(world)).toEqual([])
  })

  it('is not read after a kill either, before its flush', async () => {
    const world = new ParallelWorld(marks, { parallelism: 2 })
    await world.settle()
    for (const task of tasksOf(world, 'marking')) world.holdFlushes(task)
    world.push('items', ...itemsFrom(0, ITEMS))
    await world.advance(200)
    life += 1
    for (const task of tasksOf(world, 'marking')) world.kill(task)
    // In its next life the task hands over what it finds. Power fails right when that has been read.
    await world.settle()
    life += 1
    world.losePower(() => 0)
    await finish(world)
    expect(problemsOf(world)).toEqual([])
  })
})

it('what the next task has taken, and not made durable, is still there', async () => {
  const world = new ParallelWorld(marks, { parallelism: 2 })
  await world.settle()
  const readers = tasksOf(world, 'passing')
  for (const task of readers) world.holdFlushes(task)
  world.push('items', ...itemsFrom(0, 30))
  await world.advance(200)
  // Work of their own lets the makers trim what they may.
  world.push('items', ...itemsFrom(30, ITEMS))
  await world.advance(200)
  life += 1
  world.losePower(() => 0)
  await finish(world)
  expect(problemsOf(world)).toEqual([])
})

it('a flush that fails takes back what the next task must not have', async () => {
  const world = new ParallelWorld(marks, { parallelism: 2 })
  await world.settle()
  for (const task of tasksOf(world, 'marking')) {
    world.holdFlushes(task)
    world.failFlush(task)
  }
  world.push('items', ...itemsFrom(0, ITEMS))
  await world.advance(200)
  life += 1
  await finish(world)
  expect(problemsOf(world)).toEqual([])
})

const tasksOf = (world: ParallelWorld, operator: string): string[] =>
  world.layout.tasks
    .filter(({ stage }) =>
      stage.graph.nodes.some((node) => node.kind === 'keyed' && node.name === operator),
    )
    .map(({ task }) => task)

const RUNS = 40
const first = newSeed()

test(`random deaths (seed ${first})`, { timeout: 120_000 }, async () => {
  for (let seed = first; seed < first + RUNS; seed++) {
    const problems = await randomRun(seed).catch((error: unknown) => [String(error)])
    expect(problems, `MILLRACE_SEED=${seed}`).toEqual([])
  }
})

async function randomRun(seed: number): Promise<string[]> {
  const random = randomFrom(seed)
  const upTo = (end: number): number => Math.floor(random() * end)
  let armed: { readonly task: string; readonly moment: Moment; readonly power: boolean } | undefined
  const keep = (unflushed: number): number => upTo(unflushed + 1)
  const world = new ParallelWorld(marks, {
    parallelism: 1 + upTo(4) || 2,
    commitRecordsMax: 1 + upTo(20),
    outboxBytesMax: 100 + upTo(3_000),
    onMoment(task, moment) {
      if (armed?.task !== task || armed.moment !== moment) return
      const { power } = armed
      armed = undefined
      life += 1
      if (power) world.losePower(keep)
      else world.kill(task)
    },
  })
  const anyTask = (): string => world.tasks[upTo(world.tasks.length)] as string
  let pushed = 0
  while (pushed < ITEMS) {
    const next = Math.min(ITEMS, pushed + 1 + upTo(12))
    world.push('items', ...itemsFrom(pushed, next))
    pushed = next
    const event = upTo(8)
    if (event === 0) world.holdFlushes(anyTask())
    if (event === 1) world.releaseFlushes()
    if (event === 2) {
      life += 1
      world.kill(anyTask())
    }
    if (event === 3) {
      life += 1
      world.losePower(keep)
    }
    if (event === 4) world.failFlush(anyTask())
    if (event >= 5) {
      const moment = MOMENTS[upTo(MOMENTS.length)] as Moment
      armed = { task: anyTask(), moment, power: event === 7 }
    }
    if (random() < 0.7) await world.advance(upTo(150))
  }
  armed = undefined
  await finish(world)
  return problemsOf(world)
}
