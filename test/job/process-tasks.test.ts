/** A cut through tasks in several processes, of which one dies meanwhile. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { actor, job, value } from 'millrace'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { ProcessTasks } from '../../runtime/job/process-tasks.ts'
import type { TaskRunOptions } from '../../runtime/job/task-run.ts'
import { LmdbStore } from '../../runtime/state/lmdb-store.ts'
import { keyedOperators } from '../../runtime/task/chain.ts'
import { layOut } from '../../runtime/task/layout.ts'
import { NO_COUNTERS, writeEpochRow } from '../../runtime/task/meta.ts'
import { DEAD_LETTER } from '../../runtime/task/open-task.ts'

/** Told of each task that is cut; what it returns is the process that has the task then. */
let onCut = (_task: string, pid: number): number => pid

vi.mock(import('../../runtime/job/worker-process.ts'), () => {
  class WorkerProcess {
    readonly tasks: readonly string[]
    pid = 1
    constructor({ tasks }: { readonly tasks: readonly string[] }) {
      this.tasks = tasks
    }
    async ask(message: { readonly kind: string; readonly task?: string }): Promise<void> {
      await Promise.resolve()
      if (message.task !== undefined) this.pid = onCut(message.task, this.pid)
    }
    tell(): void {}
  }
  return { WorkerProcess } as never
})

const Item = z.object({ id: z.number(), at: z.number() })
const counted = job('counted', ({ source, sink }) => {
  source('items', Item)
    .keyBy(({ id }) => id)
    .process(
      actor('count', {
        state: { count: value<number>() },
        onRecord(item: z.infer<typeof Item>, key) {
          key.state.count.set((key.state.count.get() ?? 0) + 1)
          key.emit(item.id)
        },
      }),
    )
    .to(sink('out'))
})
const layout = layOut(counted.graph, {
  parallelism: 2,
  operators: keyedOperators(counted.graph, new Map()),
  sinksOfEach: new Set(),
  singleInputs: new Set(['items']),
  deadLetter: DEAD_LETTER,
})

const stateDir = mkdtempSync(join(tmpdir(), 'millrace-cut-'))
afterAll(() => rmSync(stateDir, { recursive: true, force: true }))

beforeAll(async () => {
  for (const { task } of layout.tasks) {
    const store = new LmdbStore(join(stateDir, `task-${task}`))
    const row = { epoch: 1, openings: 1, inputs: {}, sinks: {}, clock: 0, finished: false }
    await store.commit((writer) => writeEpochRow(writer, { ...row, counters: NO_COUNTERS }))
    await store.flushed()
    await store.close()
  }
})

function processes(): ProcessTasks {
  const context = { mode: 'live', overwrite: false }
  const options = { manifest: { restart: {} }, stateDir, context } as unknown as TaskRunOptions
  return new ProcessTasks(layout, options, 2)
}

test('is whole when nothing happens', async () => {
  const cuts = await processes().cut()
  expect(cuts.map(({ task }) => task)).toEqual(layout.tasks.map(({ task }) => task))
  for (const { view } of cuts) view.close()
})

test('is none when a process is another one by its end: it did not hold what readers have passed', async () => {
  const last = layout.tasks.at(-1)?.task
  onCut = (task, pid) => (task === last ? pid + 1 : pid)
  await expect(processes().cut()).rejects.toThrow(/started again while all were cut/)
})
