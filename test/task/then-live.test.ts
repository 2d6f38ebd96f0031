/**
 * Batch and then live, in a world that is simulated: the switch is one committed fact, nothing is
 * missing and nothing is twice, whatever dies around it, and time is where it would be had it always
 * been live.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { actor, count, job, sum, tumbling, value } from 'millrace'
import { describe, expect, it, test } from 'vitest'
import { sourceSection } from '../../config/source-section.ts'
import { eventTimeOf } from '../../runtime/job/make-source.ts'
import { decodeJson } from '../../runtime/source/format/json.ts'
import { logSource } from '../../runtime/source/log-source.ts'
import { type EpochRow, phaseOf, readEpochRow } from '../../runtime/task/meta.ts'
import { MOMENTS, type Moment } from '../../runtime/task/task-parts.ts'
import { MemoryLog } from '../../runtime/testing/memory-log.ts'
import { MemoryDestination, MemorySink } from '../../runtime/testing/memory-sink.ts'
import { MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'
import { SimulatedClock } from '../../runtime/testing/simulated-clock.ts'
import { SimulatedProcess } from '../../runtime/testing/simulated-process.ts'
import { commitOf } from '../../runtime/testing/test-options.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const T0 = 1_700_000_000_000
const BOUND_MS = 20
const WINDOW_MS = 50
const PARTITIONS = 2

interface Item {
  readonly key: number
  readonly n: number
  readonly at: number
}

const ItemSchema: StandardSchemaV1<unknown, Item> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (item) => ({ value: item as Item }),
  },
}

const counter = actor('counter', {
  state: { count: value<number>() },
  onRecord({ n }: Item, key) {
    const seen = (key.state.count.get() ?? 0) + 1
    key.state.count.set(seen)
    key.emit({ key: key.id, n, count: seen })
  },
})

const { graph } = job('sums', ({ source, sink }) => {
  const items = source('items', ItemSchema).keyBy(({ key }) => key)
  items.process(counter).to(sink('counts'))
  items
    .window(tumbling(WINDOW_MS))
    .aggregate('sums', { count: count(), sum: sum(({ n }: Item) => n) })
    .map(({ key, value: { count: items_, sum: total }, window }) => ({
      key,
      start: window.start,
      count: items_,
      sum: total,
    }))
    .to(sink('sums'))
})

type Order = 'ordered' | 'unordered'

/** The log and the disk outlive the processes; as in production, each opening reads what the state says. */
class World {
  readonly clock = new SimulatedClock(T0)
  readonly log = new MemoryLog({ clock: this.clock })
  readonly sinks = { counts: new MemoryDestination(), sums: new MemoryDestination() }
  readonly letters = new MemoryDestination()
  readonly phases: string[] = []
  readonly #order: Order
  readonly #mode: 'batch' | 'live'
  #disk = new MemoryDisk()
  #process: SimulatedProcess | undefined
  records = 1_000
  onMoment: (moment: Moment) => void = () => undefined

  constructor(order: Order, mode: 'batch' | 'live' = 'batch') {
    this.#order = order
    this.#mode = mode
  }

  async create(): Promise<this> {
    await this.log.createStream('items', { partitions: PARTITIONS })
    return this
  }

  async append(items: readonly Item[]): Promise<void> {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const own = items.filter(({ key }) => key % PARTITIONS === partition)
      const messages = own.map((item) => Buffer.from(JSON.stringify(item)))
      if (messages.length > 0) await this.log.append('items', partition, messages)
    }
  }

  get last(): EpochRow | undefined {
    return readEpochRow(new MemoryStore(this.#disk))
  }

  start(): void {
    const phase = phaseOf(this.last, { mode: this.#mode, followedBy: 'live' })
    this.phases.push(phase)
    const eventTime = { field: 'at', order: this.#order, outOfOrder: BOUND_MS }
    const section = sourceSection.parse({ embedded: { stream: 'items' }, eventTime })
    const source = logSource({
      log: this.log,
      stream: 'items',
      name: 'items',
      decode: decodeJson,
      clock: this.clock,
      to: phase === 'batch' ? 'now' : undefined,
      goesOn: phase === 'batch',
    })
    const time = { name: 'items', time: undefined, mode: phase }
    this.#process = new SimulatedProcess({
      graph,
      store: new MemoryStore(this.#disk),
      clock: this.clock,
      newRun: () => 'run-1',
      sources: new Map([['items', { source, eventTime: eventTimeOf(section, time) }]]),
      sinks: new Map(Object.entries(this.sinks).map(([name, to]) => [name, new MemorySink(to)])),
      tables: new Map(),
      deadLetter: new MemorySink(this.letters),
      policyOf: () => 'fail',
      cache: { entriesMax: 100, bytesMax: 1_000_000 },
      commit: commitOf({ commit: { records: this.records } }),
      outboxBytesMax: 1_000_000,
      onMoment: (moment) => this.onMoment(moment),
    })
    this.#process.start()
  }

  die(death: 'kill' | 'power loss'): void {
    this.#process?.die()
    this.#disk = this.#disk.copy()
    if (death === 'power loss') this.#disk.losePower()
  }

  get isDead(): boolean {
    return this.#process?.isAlive === false
  }

  /** Gives the process its turns; one that came to the switch is opened again. */
  async turns(most: number, isDone: () => boolean = () => false): Promise<void> {
    for (let turn = 0; turn < most && !isDone() && !this.isDead; turn++) {
      await new Promise((resolve) => void setImmediate(resolve))
      const { failure, end, task } = this.#process ?? {}
      if (failure !== undefined) throw failure
      if (end !== 'live') continue
      await task?.close()
      this.start()
    }
  }
}

/** Items in the order of their time, give or take the bound. */
function itemsFrom(random: () => number, length: number): Item[] {
  return Array.from({ length }, (_, n) => ({
    key: Math.floor(random() * 5),
    n,
    at: T0 + n * 7 - Math.floor(random() * BOUND_MS),
  }))
}

const closing: readonly Item[] = [0, 1].map((key) => ({ key, n: 0, at: T0 + 1_000_000 }))

function expectedOf(items: readonly Item[]): { counts: string[]; sums: string[] } {
  const counts: string[] = []
  const seen = new Map<number, number>()
  const sums = new Map<string, { key: number; start: number; count: number; sum: number }>()
  for (const { key, n, at } of items) {
    seen.set(key, (seen.get(key) ?? 0) + 1)
    counts.push(JSON.stringify({ key, n, count: seen.get(key) }))
    const start = Math.floor(at / WINDOW_MS) * WINDOW_MS
    const row = sums.get(`${key} ${start}`) ?? { key, start, count: 0, sum: 0 }
    sums.set(`${key} ${start}`, { ...row, count: row.count + 1, sum: row.sum + n })
  }
  return { counts, sums: [...sums.values()].map((row) => JSON.stringify(row)) }
}

describe('the switch', () => {
  test.each(['ordered', 'unordered'] as const)(
    'is one commit, and time is then where it would be live: %s',
    async (order) => {
      const world = await new World(order).create()
      await world.append([
        { key: 0, n: 1, at: T0 + 500 },
        { key: 1, n: 2, at: T0 + 300 },
      ])
      world.start()
      await world.turns(100)
      expect(world.phases).toEqual(['batch', 'live'])
      expect(world.last).toMatchObject({
        live: true,
        finished: false,
        inputs: {
          'items/0': { watermark: T0 + 500 - BOUND_MS - 1 },
          'items/1': { watermark: T0 + 300 - BOUND_MS - 1 },
        },
      })
      // What live would have fired has fired, and nothing more.
      expect(world.sinks.sums.messages).toEqual([])
      await world.append([
        { key: 0, n: 3, at: T0 + 510 },
        { key: 1, n: 4, at: T0 + 420 },
      ])
      await world.turns(100)
      expect(world.sinks.sums.messages).toEqual([
        JSON.stringify({ key: 1, start: T0 + 300, count: 1, sum: 2 }),
      ])
    },
  )

  it('makes late what live finds late, of an unordered source too', async () => {
    const world = await new World('unordered').create()
    const at = (key: number, ms: number): Item => ({ key, n: ms, at: T0 + ms })
    // In batch nothing is late, however far behind it comes.
    await world.append([at(0, 900), at(0, 100), at(1, 900), at(1, 100)])
    world.start()
    await world.turns(100)
    await world.append([at(0, 150), at(1, 150), at(0, 860), at(1, 860)])
    await world.turns(100)
    expect(world.last?.counters).toMatchObject({ records: 8, late: 2 })
    const starts = world.sinks.sums.messages.map(
      (text) => (JSON.parse(text) as { start: number }).start,
    )
    expect(starts).toEqual([T0 + 100, T0 + 100])
  })

  it('keeps the end it fixed, and goes on right behind it', async () => {
    const world = await new World('ordered').create()
    await world.append(itemsFrom(() => 0.5, 20))
    world.records = 1
    let commits = 0
    world.onMoment = (moment) => {
      if (moment === 'written' && ++commits === 3) world.die('kill')
    }
    world.start()
    await world.turns(1_000)
    expect(world.isDead).toBe(true)
    const { inputs } = world.last ?? {}
    await world.append(closing)
    world.start()
    await world.turns(1_000)
    expect(world.phases).toEqual(['batch', 'batch', 'live'])
    const ends = (row: EpochRow['inputs'] | undefined): unknown =>
      Object.values(row ?? {}).map(({ position }) => (position as { end?: number }).end)
    expect(ends(inputs)).toEqual([expect.any(Number), expect.any(Number)])
    expect(world.last?.counters.records).toBe(22)
  })
})

const SEEDS = 150

test(`loses and repeats nothing, whatever dies around the switch: ${SEEDS} random worlds`, async () => {
  const seed = newSeed()
  console.log(`seed ${seed} (MILLRACE_SEED=${seed} repeats it)`)
  const deaths = { batch: 0, switch: 0, live: 0 }
  for (let round = 0; round < SEEDS; round++) {
    const random = randomFrom(seed + round)
    const upTo = (most: number): number => Math.floor(random() * (most + 1))
    const order = random() < 0.5 ? 'ordered' : 'unordered'
    const world = await new World(order).create()
    const items = itemsFrom(random, 30 + upTo(40))
    let appended = upTo(items.length)
    await world.append(items.slice(0, appended))
    world.records = [1, 10, 1_000][upTo(2)] ?? 1
    const death = (): void => {
      const { last } = world
      const [phase] = world.phases.slice(-1)
      deaths[phase === 'live' ? 'live' : last?.live === true ? 'switch' : 'batch'] += 1
      world.die(random() < 0.5 ? 'kill' : 'power loss')
    }
    for (let kills = upTo(4); kills > 0; kills--) {
      // At a moment of the commit protocol, or at any turn.
      let left = 1 + upTo(6)
      const moment = MOMENTS[upTo(MOMENTS.length - 1)]
      const isSwitch = random() < 0.5
      world.onMoment = (at) => {
        if (world.isDead) return
        if (isSwitch ? at !== 'read' && world.last?.live === true : at === moment && --left === 0)
          death()
      }
      world.start()
      await world.turns(1 + upTo(random() < 0.6 ? 2 : 30))
      if (!world.isDead) death()
      const more = upTo(items.length - appended)
      await world.append(items.slice(appended, appended + more))
      appended += more
    }
    world.onMoment = () => undefined
    world.start()
    await world.turns(10)
    await world.append(items.slice(appended))
    await world.append(closing)
    const all = [...items, ...closing]
    const { counts, sums } = expectedOf(all)
    // The windows of the closing items stay open.
    const wanted = sums.length - closing.length
    await world.turns(
      3_000,
      () =>
        world.sinks.sums.messages.length >= wanted &&
        world.sinks.counts.messages.length >= counts.length,
    )
    await world.turns(20)
    const at = `world ${round} of seed ${seed}, ${order}`
    expect(world.sinks.counts.messages.toSorted(), at).toEqual(counts.toSorted())
    const fired = sums.filter(
      (text) => (JSON.parse(text) as Item & { start: number }).start < T0 + 900_000,
    )
    expect(world.sinks.sums.messages.toSorted(), at).toEqual(fired.toSorted())
    expect(world.last, at).toMatchObject({ live: true, finished: false, counters: { late: 0 } })
    expect(world.letters.messages, at).toEqual([])
    world.die('kill')
  }
  console.log(
    `died in batch ${deaths.batch}, at the switch ${deaths.switch}, live ${deaths.live} times`,
  )
  expect(Math.min(deaths.batch, deaths.switch, deaths.live)).toBeGreaterThan(3)
}, 60_000)
