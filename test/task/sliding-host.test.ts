/**
 * Sliding windows whose slices are in one column, and in key actors, by turns on the same rows: both
 * against a sum over all slices, over restarts, evictions and gaps in time.
 */
import { expect, it } from 'vitest'
import { together } from '../../operators/aggregate/aggregate.ts'
import { columnOf } from '../../operators/aggregate/column.ts'
import { sum } from '../../operators/aggregate/sum.ts'
import { topN } from '../../operators/aggregate/top.ts'
import type { Key } from '../../operators/operator.ts'
import { SlicePart, SlidingOperator } from '../../operators/window/sliding-operator.ts'
import { ActorCache } from '../../runtime/task/actor-cache.ts'
import type { FailureDesk } from '../../runtime/task/failure-desk.ts'
import type { Host } from '../../runtime/task/host.ts'
import { OperatorHost } from '../../runtime/task/operator-host.ts'
import { SlidingHost } from '../../runtime/task/sliding-host.ts'
import { MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'
import { TimerQueue } from '../../runtime/time/timer-queue.ts'
import { takeSteps } from '../../runtime/time/turns.ts'
import { WatermarkHolder } from '../../runtime/time/watermark.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const NUMBER = 3
const NAME = 'windows'

type Kind = 'column' | 'actors'

interface Setup {
  readonly store: MemoryStore
  readonly operator: SlidingOperator
  readonly watermark: WatermarkHolder
  readonly epoch: number
  readonly entriesMax: number
  readonly emit: (value: unknown, time: number, key: Key | undefined) => void
}

function hostOf(kind: Kind, { store, operator, watermark, epoch, entriesMax, emit }: Setup): Host {
  const limits = { entriesMax, bytesMax: Number.POSITIVE_INFINITY }
  const timers = new TimerQueue({ store, operator: NUMBER, clock: 'event' }, epoch)
  const common = {
    name: NAME,
    operator,
    watermark,
    output: new WatermarkHolder(),
    now: () => 0,
    outputs: { main: emit, sides: {}, late: () => undefined },
    failures: undefined as unknown as FailureDesk,
  }
  const kept = { store, limits, mayHaveStored: epoch > 0 }
  if (kind === 'column') return new SlidingHost({ ...common, ...kept, number: NUMBER, timers })
  return new OperatorHost({
    ...common,
    actors: new ActorCache({
      ...kept,
      name: NAME,
      operator: NUMBER,
      state: operator.state,
      earlier: [],
    }),
    eventTimers: timers,
    processingTimers: new TimerQueue({ store, operator: NUMBER, clock: 'processing' }, epoch),
  })
}

async function run(seed: number, kinds: readonly Kind[]): Promise<void> {
  const random = randomFrom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const step = 1 + below(3)
  const length = step * (1 + below(25))
  const sliceMs = 10
  const windows = {
    sliceMs,
    slideMs: step * sliceMs,
    sizeMs: length * sliceMs,
    offsetMs: 0,
    latenessMs: 0,
  }
  const of = together({
    sum: sum((n: number) => n),
    top: topN(2, (n: number) => n),
  })
  const operator = new SlidingOperator(windows, of, true)
  const disk = new MemoryDisk()
  let store = new MemoryStore(disk)
  const watermark = new WatermarkHolder()
  const made = new Map<string, unknown>()
  const entriesMax = 1 + below(6)
  const emit: Setup['emit'] = (result, time, key) => {
    const { value } = result as { readonly value: unknown }
    const name = `${key} ${time}`
    expect(made.has(name)).toBe(false)
    made.set(name, value)
  }
  let epoch = 0
  const start = (): Host =>
    hostOf(kinds[below(kinds.length)] as Kind, {
      store,
      operator,
      watermark,
      epoch,
      entriesMax,
      emit,
    })
  let host = start()
  /** By key: what came of each slice. */
  const slices = new Map<Key, Map<number, number>>()
  const column = columnOf(of)
  const expected = new Map<string, unknown>()
  const advance = (to: number): void => {
    watermark.advance(to)
    expect(host.fireEventTimers(Number.POSITIVE_INFINITY)).toBe(true)
  }
  let now = below(1_000) - 500
  for (let turn = 0; turn < 250; turn++) {
    for (let key = 0; key < 8; key++) {
      if (random() < 0.4) continue
      const number = now - (random() < 0.8 ? 0 : below(length + 3))
      // The last window that holds the slice is over: nothing of it comes here.
      const last = operator.numbers.endOf(operator.numbers.lastWindowOf(number)) - 1
      if (last <= watermark.value) continue
      const n = below(1_000)
      const ofKey = slices.get(key) ?? new Map<number, number>()
      slices.set(key, ofKey)
      ofKey.set(number, (ofKey.get(number) ?? 0) + n)
      for (let window = operator.numbers.firstWindowOf(number); ; window++) {
        if (window > operator.numbers.lastWindowOf(number)) break
        const end = operator.numbers.endOf(window)
        if (end - 1 <= watermark.value) continue
        const from = window * step
        const inside = [...ofKey].filter(([at]) => at >= from && at < from + length)
        const total = inside.reduce((left, [, each]) => left + each, 0)
        expected.set(`${key} ${end - 1}`, total)
      }
      column.init(0)
      column.stage(0, n)
      column.apply(0)
      host.pushOf(0)(new SlicePart(number, column, 0), number * sliceMs, key)
    }
    now += random() < 0.03 ? below(length * 3) : 1
    advance(now * sliceMs - 1)
    if (random() < 0.3) {
      epoch += 1
      const at = epoch
      const writing = host
      await store.commit((writer) => writing.write(writer, at))
      await store.flushed()
      await takeSteps(host.evict(epoch), undefined)
      if (random() < 0.3) {
        await store.close()
        store = new MemoryStore(disk)
        host = start()
      }
    }
  }
  advance((now + length) * sliceMs)
  for (let more = 0; more < 2; more++) {
    epoch += 1
    const at = epoch
    await store.commit((writer) => host.write(writer, at))
  }
  const totals = [...made].map(([name, value]) => [name, (value as { sum: number }).sum] as const)
  expect(new Map(totals)).toEqual(expected)
  expect([store.count('state'), store.count('timers')]).toEqual([0, 0])
}

for (const kinds of [['column'], ['actors'], ['column', 'actors']] as const) {
  it(`sliding windows in ${kinds.join(' and ')} come to all of their slices, and leave no row`, async () => {
    for (let i = 0; i < 25; i++) {
      const seed = newSeed()
      try {
        await run(seed, kinds)
      } catch (error) {
        throw new Error(`with MILLRACE_SEED=${seed}`, { cause: error })
      }
    }
  })
}
