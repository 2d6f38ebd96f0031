/**
 * A task that is opened again, alone, knows of those who send to it what they have told it before: they do
 * not tell it again.
 */
import { job, map, tumbling, value } from 'millrace'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { ParallelWorld } from '../support/parallel-world.ts'

const Item = z.object({ id: z.number(), at: z.number() })
type Item = z.infer<typeof Item>

const tasksOf = (world: ParallelWorld, operator: string): string[] =>
  world.layout.tasks
    .filter(({ stage }) =>
      stage.graph.nodes.some((node) => node.kind === 'keyed' && node.name === operator),
    )
    .map(({ task }) => task)

test('who is idle holds back nobody who was opened again', async () => {
  const two = job('two', ({ source, sink }) => {
    const [web, app] = [source('web', Item), source('app', Item)]
    web
      .keyBy(({ id }) => id % 3)
      .coGroup(
        'grouped',
        app.keyBy(({ id }) => id % 3),
        tumbling(10),
        (lefts, rights) => [{ web: lefts.length, app: rights.length }],
      )
      .to(sink('groups'))
  })
  const world = new ParallelWorld(two, { parallelism: 2, idleAfterMs: 1_000 })
  world.push('app', ...[100, 101, 102].map((at) => ({ id: at, at })))
  world.push('web', { id: 0, at: 0 })
  await world.advance(200)
  for (let at = 1; at < 10; at++) {
    world.push('web', { id: at, at })
    await world.advance(200)
  }
  for (const task of tasksOf(world, 'grouped')) world.kill(task)
  await world.advance(200)
  world.push('web', ...[140, 141, 142, 143, 144, 145].map((at) => ({ id: at, at })))
  await world.advance(500)
  const groups = world.output('groups') as { web: number; app: number }[]
  expect(groups.reduce((sum, { app }) => sum + app, 0)).toBe(3)
})

test('what goes on for ever is not waited for by who was opened again', async () => {
  const rules = job('rules', ({ source, sink }) => {
    source('items', Item)
      .keyBy(({ id }) => id)
      .withBroadcast('checking', source('rules', Item), {
        shared: { rules: map<number, number>() },
        state: { seen: value<number>() },
        onBroadcast(rule: Item, shared) {
          shared.rules.set(rule.id, rule.at)
        },
        onRecord(item, key) {
          key.state.seen.set((key.state.seen.get() ?? 0) + 1)
          key.emit(item.id)
        },
      })
      .to(sink('out'))
  })
  const world = new ParallelWorld(rules, { parallelism: 2 })
  world.push('rules', { id: 1, at: 1 })
  world.push('items', { id: 1, at: 1 }, { id: 2, at: 2 })
  await world.advance(500)
  expect(numbersOf(world)).toEqual([1, 2])
  for (const task of tasksOf(world, 'checking')) world.kill(task)
  await world.advance(500)
  world.push('items', { id: 3, at: 3 }, { id: 4, at: 4 })
  await world.advance(500)
  expect(numbersOf(world)).toEqual([1, 2, 3, 4])
})

const numbersOf = (world: ParallelWorld): number[] =>
  (world.output('out') as number[]).toSorted((a, b) => a - b)
