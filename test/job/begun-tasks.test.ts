/** A state folder with the stores of some tasks only: not all had begun, or one of them is gone. */
import { actor, job, value } from 'millrace'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { type BegunTask, refuseOtherTasks } from '../../runtime/job/begun-tasks.ts'
import { keyedOperators } from '../../runtime/task/chain.ts'
import { layOut, type Layout, linksOf, placeRowOf } from '../../runtime/task/layout.ts'
import { NO_COUNTERS } from '../../runtime/task/meta.ts'
import { DEAD_LETTER, outboxName } from '../../runtime/task/open-task.ts'

const Item = z.object({ id: z.number(), at: z.number() })
const counted = job('counted', ({ source, sink }) => {
  source('items', Item)
    .keyBy(({ id }) => id)
    .process(
      actor('count', {
        state: { count: value<number>() },
        onRecord(item: z.infer<typeof Item>, key) {
          key.emit(item.id)
        },
      }),
    )
    .to(sink('out'))
})

const layoutOf = (parallelism: number): Layout =>
  layOut(counted.graph, {
    parallelism,
    operators: keyedOperators(counted.graph, new Map()),
    sinksOfEach: new Set(),
    singleInputs: new Set(['items']),
    deadLetter: DEAD_LETTER,
  })
const layout = layoutOf(3)

function begun(
  task: string,
  {
    sinks = {},
    inputs = {},
    of = layout,
  }: Partial<Pick<BegunTask['last'], 'sinks' | 'inputs'>> & { readonly of?: Layout } = {},
): BegunTask {
  const laid = of.tasks.find((each) => each.task === task)
  if (laid === undefined) throw new Error(`there is no task ${task}`)
  const parts = { operators: {}, destinations: {}, sources: [], place: placeRowOf(of, laid) }
  const row = { epoch: 3, openings: 1, inputs, sinks, clock: 0, finished: false }
  return {
    task,
    job: { job: 'counted', task, run: 'run', createdAt: 0, ...parts },
    last: { ...row, counters: NO_COUNTERS },
  }
}

test.each(layout.tasks.map(({ task }) => task))('tasks beside %s begin later', (task) => {
  expect(() => refuseOtherTasks('state', [begun(task)], layout)).not.toThrow()
})

test.each(linksOf(layout))('$from sent $to something: both are needed', (link) => {
  const { exchange, from, to } = link
  const sender = begun(from, {
    sinks: { [outboxName(exchange, to)]: { number: 1, memo: null } },
  })
  const reader = begun(to, {
    inputs: { [`${exchange}/${from}`]: { position: 1, records: 1 } } as never,
  })
  expect(() => refuseOtherTasks('state', [sender, reader], layout)).not.toThrow()
  expect(() => refuseOtherTasks('state', [sender], layout)).toThrow(`state/task-${to} is gone`)
  expect(() => refuseOtherTasks('state', [reader], layout)).toThrow(`state/task-${from} is gone`)
})

test('a task of other stages is refused', () => {
  const tasks = [begun('2', { of: layoutOf(2) })]
  expect(() => refuseOtherTasks('state', tasks, layout)).toThrow(/its stages are others/)
})
