/** A cut of a running task: a frozen view of a durable epoch, from which the task can go on as if nothing had been. */
import { expect, test } from 'vitest'
import { actor, job, value } from 'millrace'
import {
  MemoryDestination,
  MemoryDisk,
  MemorySink,
  MemorySource,
  MemoryStore,
  SimulatedClock,
} from 'millrace/testing'
import * as z from 'zod'
import { STORE_TABLES } from '../../runtime/state/store.ts'
import type { Cut } from '../../runtime/task/cut.ts'
import { readEpochRow } from '../../runtime/task/meta.ts'
import { SimulatedProcess } from '../../runtime/testing/simulated-process.ts'
import { commitOf, eventTimeOf } from '../../runtime/testing/test-options.ts'
import { until } from '../support/jetstream.ts'

const Item = z.object({ key: z.string(), timestamp: z.number() })
const counting = job('counting', ({ source, sink }) => {
  source('items', Item)
    .keyBy((item) => item.key)
    .process(
      actor('count', {
        state: { count: value<number>() },
        onRecord(item: z.infer<typeof Item>, key) {
          const count = (key.state.count.get() ?? 0) + 1
          key.state.count.set(count)
          key.emit({ key: item.key, count })
        },
      }),
    )
    .to(sink('all'))
})

const KEYS = ['a', 'b', 'c']
const items = (from: number, count: number): z.infer<typeof Item>[] =>
  Array.from({ length: count }, (_, i) => ({
    key: KEYS[(from + i) % KEYS.length] ?? '',
    timestamp: 1_000 + from + i,
  }))
const expected = (count: number): string[] =>
  items(0, count).map(({ key }, i) =>
    JSON.stringify({ key, count: Math.floor(i / KEYS.length) + 1 }),
  )

function startLife(
  disk: MemoryDisk,
  source: MemorySource,
  all: MemoryDestination,
): SimulatedProcess {
  const life = new SimulatedProcess({
    graph: counting.graph,
    store: new MemoryStore(disk),
    clock: new SimulatedClock(),
    newRun: () => 'run-1',
    sources: new Map([['items', { source, eventTime: eventTimeOf({}, undefined) }]]),
    sinks: new Map([['all', new MemorySink(all)]]),
    tables: new Map(),
    deadLetter: new MemorySink(new MemoryDestination()),
    policyOf: () => 'fail',
    cache: { entriesMax: 100, bytesMax: 1_000_000 },
    commit: commitOf({ commit: { records: 7 } }),
    outboxBytesMax: 1_000_000,
    onMoment: () => undefined,
  })
  life.start()
  return life
}

const running = async (life: SimulatedProcess): Promise<void> => {
  await until(() => life.task !== undefined, 'the opening of the task')
}

/** The disk of a machine to which a view was brought. */
async function diskOf({ view }: Cut): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  const store = new MemoryStore(disk)
  await store.commit((writer) => {
    for (const table of STORE_TABLES) {
      for (const { key, value: bytes } of view.range(table, {
        start: Buffer.alloc(1),
        end: Buffer.alloc(64, 0xff),
      })) {
        writer.put(table, key, bytes)
      }
    }
  })
  await store.flushed()
  view.close()
  return disk
}

test('a job goes on from any cut with the results of one that was never cut', async () => {
  const COUNT = 300
  const source = new MemorySource({ name: 'items', batchRecordsMax: 5 })
  const disk = new MemoryDisk()
  const all = new MemoryDestination()
  const life = startLife(disk, source, all)
  await running(life)
  const cuts: Cut[] = []
  for (let from = 0; from < COUNT; from += 30) {
    source.push(items(from, 30), 0)
    for (let i = 0; i < (from / 30) % 4; i++) await new Promise((done) => void setImmediate(done))
    const cut = await life.task?.cut()
    // Durable, and not merely committed.
    expect(disk.committed).toEqual([])
    if (cut !== undefined) cuts.push(cut)
  }
  source.end()
  await until(() => life.end !== undefined, 'the end of the task')
  expect(all.messages).toEqual(expected(COUNT))
  expect(new Set(cuts.map(({ epoch }) => epoch)).size).toBeGreaterThan(5)
  for (const cut of cuts) {
    const row = readEpochRow(cut.view)
    expect(row?.epoch).toBe(cut.epoch)
    const copied = new MemorySource({ name: 'items', batchRecordsMax: 3 })
    copied.push(items(0, COUNT), 0)
    copied.end()
    const there = new MemoryDestination()
    there.run = all.run
    there.messages.push(...all.messages.slice(0, row?.sinks['all']?.number ?? 0))
    const next = startLife(await diskOf(cut), copied, there)
    await until(() => next.end !== undefined || next.failure !== undefined, 'the end')
    expect(next.failure).toBeUndefined()
    expect(there.messages).toEqual(expected(COUNT))
  }
})

test('a task that has nothing to do gives its newest durable epoch at once, and makes none for it', async () => {
  const source = new MemorySource({ name: 'items' })
  const life = startLife(new MemoryDisk(), source, new MemoryDestination())
  await running(life)
  source.push(items(0, 3), 0)
  const first = await life.task?.cut()
  await until(() => life.task?.outboxes.every((outbox) => outbox.isEmpty) ?? false, 'delivery')
  const second = await life.task?.cut()
  const third = await life.task?.cut()
  expect(second?.epoch).toBeGreaterThanOrEqual(first?.epoch ?? 0)
  expect(third?.epoch).toBe(second?.epoch)
  life.task?.stop()
  await until(() => life.end !== undefined, 'the end of the task')
  await life.task?.close()
  await expect(life.task?.cut()).rejects.toThrow(/the task ended/)
})
