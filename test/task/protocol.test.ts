/**
 * The commit protocol step by step: what a commit holds, when something may leave, and what a restart
 * finds. The store loses unflushed commits, flushes are held by hand, and every commit and every
 * delivery of a run is once the last thing that happened before a crash.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { actor, job, UnavailableError, value } from 'millrace'
import {
  MemoryDestination,
  MemoryDisk,
  MemorySink,
  MemorySource,
  MemoryStore,
  type Moment,
  SimulatedClock,
} from 'millrace/testing'
import * as z from 'zod'
import { FileSink } from '../../runtime/sink/file-sink.ts'
import type { Sink } from '../../runtime/sink/sink.ts'
import type { Store } from '../../runtime/state/store.ts'
import { readEpochRow } from '../../runtime/task/meta.ts'
import { lastOf } from '../../runtime/task/outbox-row.ts'
import { openTask } from '../../runtime/task/open-task.ts'
import { Outbox } from '../../runtime/task/outbox.ts'
import { SimulatedProcess } from '../../runtime/testing/simulated-process.ts'
import { commitOf, eventTimeOf } from '../../runtime/testing/test-options.ts'
import { until } from '../support/jetstream.ts'

const Item = z.object({ key: z.string(), timestamp: z.number() })

interface Counted {
  readonly key: string
  readonly count: number
}

/** Numbers the records of each key: a record that is lost, or counted twice, shows in all behind it. */
const counting = job('counting', ({ source, sink }) => {
  const counted = source('items', Item)
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
  counted.to(sink('all'))
  counted.filter((row) => (row as Counted).count % 3 === 0).to(sink('thirds'))
})

const KEYS = ['a', 'b', 'c']
const items = (count: number, from = 0): z.infer<typeof Item>[] =>
  Array.from({ length: count }, (_, i) => ({
    key: KEYS[(from + i) % KEYS.length] ?? '',
    timestamp: 1_000 + from + i,
  }))

/** What has to come out for so many items, computed the obvious way. */
function expectedOf(count: number): { all: string[]; thirds: string[] } {
  const all = items(count).map(({ key }, i) => ({ key, count: Math.floor(i / KEYS.length) + 1 }))
  const text = (rows: typeof all): string[] => rows.map((row) => JSON.stringify(row))
  return { all: text(all), thirds: text(all.filter((row) => row.count % 3 === 0)) }
}

/** For whom each turn is over at once: so a commit is put together in as many turns as it has steps. */
class HastyClock extends SimulatedClock {
  #looks = 0
  readonly #onBreath: () => void

  constructor(onBreath: () => void) {
    super()
    this.#onBreath = onBreath
  }

  override monotonic(): number {
    this.#looks += 1
    return super.monotonic() + 10 * this.#looks
  }

  override async breathe(): Promise<void> {
    this.#onBreath()
    await super.breathe()
  }
}

interface LifeOptions {
  readonly clock?: SimulatedClock
  readonly disk: MemoryDisk
  /** Default: one on the disk. */
  readonly store?: Store
  readonly source: MemorySource
  readonly all: Sink
  readonly thirds: Sink
  /** After how many records an epoch ends at the latest; default: each batch is one. */
  readonly commitRecords?: number
  readonly onCommit?: () => void
  readonly onMoment?: (moment: Moment) => void
}

function startLife(options: LifeOptions): SimulatedProcess {
  const { disk, source, all, thirds, onCommit, onMoment, clock = new SimulatedClock() } = options
  const process = new SimulatedProcess({
    graph: counting.graph,
    store: options.store ?? watched(new MemoryStore(disk), onCommit),
    clock,
    newRun: () => 'run-1',
    sources: new Map([['items', { source, eventTime: eventTimeOf({}, undefined) }]]),
    sinks: new Map([
      ['all', all],
      ['thirds', thirds],
    ]),
    tables: new Map(),
    deadLetter: new MemorySink(new MemoryDestination()),
    policyOf: () => 'fail',
    cache: { entriesMax: 100, bytesMax: 1_000_000 },
    commit: commitOf({ commit: { records: options.commitRecords ?? 1 } }),
    outboxBytesMax: 1_000_000,
    onMoment: onMoment ?? (() => undefined),
  })
  return process
}

function watched(store: MemoryStore, onCommit: () => void = () => undefined): Store {
  return {
    get: (table, key) => store.get(table, key),
    range: (table, range) => store.range(table, range),
    count: (table) => store.count(table),
    view: () => store.view(),
    commit: async (write, inTurns) => {
      await store.commit(write, inTurns)
      onCommit()
    },
    flushed: () => store.flushed(),
    close: () => store.close(),
  }
}

const turns = async (count = 20): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => void setImmediate(resolve))
}

async function finished(life: SimulatedProcess): Promise<void> {
  await until(() => {
    if (life.failure !== undefined) throw life.failure
    return life.end !== undefined
  }, 'the end of the task')
  await life.task?.close()
}

/** Two destinations in memory, and a source. */
class Scene {
  readonly disk: MemoryDisk
  readonly all = new MemoryDestination()
  readonly thirds = new MemoryDestination()
  readonly source: MemorySource
  readonly moments: Moment[] = []

  constructor(disk = new MemoryDisk(), source = new MemorySource({ name: 'items' })) {
    this.disk = disk
    this.source = source
    this.source.batchRecordsMax = 2
  }

  life(onCommit?: () => void): SimulatedProcess {
    return startLife({
      disk: this.disk,
      source: this.source,
      all: new MemorySink(this.all),
      thirds: new MemorySink(this.thirds),
      onMoment: (moment) => void this.moments.push(moment),
      ...(onCommit !== undefined && { onCommit }),
    })
  }

  /** As it is right now, for another history that begins here. */
  copy(source: MemorySource): Scene {
    const copy = new Scene(this.disk.copy(), source)
    for (const name of ['all', 'thirds'] as const) {
      copy[name].messages.push(...this[name].messages)
      copy[name].run = this[name].run
    }
    return copy
  }

  get outputs(): { all: string[]; thirds: string[] } {
    return { all: this.all.messages, thirds: this.thirds.messages }
  }
}

function endedSource(count: number): MemorySource {
  const source = new MemorySource({ name: 'items', batchRecordsMax: 2 })
  source.push(items(count), 0)
  source.end()
  return source
}

describe('a result leaves only once its epoch is durable (I3)', () => {
  test('while the task runs', async () => {
    const scene = new Scene()
    const life = scene.life()
    life.start()
    await until(() => life.task !== undefined, 'the opening')
    life.holdFlushes()
    scene.source.push(items(2), 0)
    await until(() => scene.moments.at(-1) === 'written', 'the commit')
    await turns()
    expect(scene.all.messages).toEqual([])
    life.releaseFlushes()
    await until(() => scene.all.messages.length === 2, 'the delivery')
    life.die()
  })

  test('after a restart: what a killed process had committed may still be lost', async () => {
    const scene = new Scene()
    const first = scene.life()
    first.start()
    await until(() => first.task !== undefined, 'the opening')
    first.holdFlushes()
    const before = scene.moments.length
    scene.source.push(items(2), 0)
    await until(() => scene.moments.slice(before).includes('written'), 'the commit')
    first.die()

    const next = scene.copy(scene.source)
    const second = next.life()
    second.holdFlushes()
    second.start()
    await turns()
    expect(next.all.messages).toEqual([])
    second.die()

    // Now the machine loses power as well: nobody has seen what never was.
    const last = next.copy(scene.source)
    last.disk.losePower()
    const third = last.life()
    third.start()
    await until(() => last.all.messages.length === 2, 'the delivery')
    expect(last.all.messages).toEqual(expectedOf(2).all)
    third.die()
  })

  test('and not at all when the flush fails: the next start is from what is durable', async () => {
    const scene = new Scene()
    const life = scene.life()
    life.start()
    await until(() => life.task !== undefined, 'the opening')
    scene.disk.flushFailure = new Error('input/output error')
    scene.source.push(items(2), 0)
    await until(() => life.failure !== undefined, 'the failure')
    expect(life.failure?.message).toBe('input/output error')
    expect(scene.all.messages).toEqual([])
    life.die()
    const next = scene.copy(scene.source)
    next.disk.losePower()
    const again = next.life()
    again.start()
    await until(() => next.all.messages.length === 2, 'the delivery')
    expect(next.all.messages).toEqual(expectedOf(2).all)
    again.die()
  })
})

test('nothing is committed behind a commit that failed (I1, I2)', async () => {
  const scene = new Scene(new MemoryDisk(), endedSource(2))
  const store = new MemoryStore(scene.disk)
  let commits = 0
  const failing: Store = {
    ...watched(store),
    commit: async (write) => {
      commits += 1
      // The third one has the records, and the end of the input; behind it the store is well again.
      if (commits === 3) throw new UnavailableError('the disk is full')
      await store.commit(write)
    },
  }
  const life = startLife({
    disk: scene.disk,
    store: failing,
    source: scene.source,
    all: new MemorySink(scene.all),
    thirds: new MemorySink(scene.thirds),
  })
  life.start()
  await until(() => life.failure !== undefined || life.end !== undefined, 'the end of the task')
  expect(life.failure?.message).toBe('the disk is full')
  expect(commits).toBe(3)
  life.die()
  const next = scene.copy(scene.source)
  const again = next.life()
  again.start()
  await finished(again)
  expect(next.outputs).toEqual(expectedOf(2))
})

test('a commit does not pass the one before it (I1)', async () => {
  const scene = new Scene()
  let commits = 0
  const life = scene.life(() => (commits += 1))
  life.start()
  await until(() => life.task !== undefined, 'the opening')
  life.holdFlushes()
  const before = commits
  for (let i = 0; i < 5; i++) {
    scene.source.push(items(2, 2 * i), 0)
    await turns(5)
  }
  expect(commits).toBe(before + 1)
  life.releaseFlushes()
  await until(() => scene.all.messages.length === 10, 'the deliveries')
  expect(scene.outputs.all).toEqual(expectedOf(10).all)
  life.die()
})

test('a power loss between any two turns of a commit changes nothing in the results', async () => {
  const count = 12
  const source = endedSource(count)
  const scene = new Scene(new MemoryDisk(), source)
  const crashes: Scene[] = []
  const life = startLife({
    disk: scene.disk,
    source,
    all: new MemorySink(scene.all),
    thirds: new MemorySink(scene.thirds),
    clock: new HastyClock(() => crashes.push(scene.copy(source))),
    onCommit: () => {
      for (const { isTrimmed } of readCommit(scene.disk.copy()).outboxes)
        expect(isTrimmed).toBe(true)
    },
  })
  life.start()
  await finished(life)
  expect(scene.outputs).toEqual(expectedOf(count))
  expect(crashes.length).toBeGreaterThan(10)
  for (const crash of crashes) {
    crash.disk.losePower()
    const again = crash.life()
    again.start()
    await finished(again)
    expect(crash.outputs).toEqual(expectedOf(count))
  }
})

test('a commit that fails while it is put together ends the task, though nothing else happens', async () => {
  const scene = new Scene()
  const store = watched(new MemoryStore(scene.disk))
  let fails = false
  const life = startLife({
    disk: scene.disk,
    source: scene.source,
    all: new MemorySink(scene.all),
    thirds: new MemorySink(scene.thirds),
    // It ends when the source is drained.
    commitRecords: 1_000,
    store: {
      ...store,
      commit: async (write, inTurns) => {
        await store.commit(function* (writer) {
          for (const step of write(writer) ?? []) {
            if (fails) throw new UnavailableError('the thread that writes the store has ended')
            yield step
          }
        }, inTurns)
      },
    },
  })
  life.start()
  await until(() => life.task !== undefined, 'the opening')
  await turns()
  fails = true
  scene.source.push(items(2), 0)
  await until(() => life.failure !== undefined, 'the failure')
  life.die()
})

test('stopped while a commit is put together, the task ends', async () => {
  const scene = new Scene()
  let life: SimulatedProcess | undefined
  let stops = false
  life = startLife({
    disk: scene.disk,
    source: scene.source,
    all: new MemorySink(scene.all),
    thirds: new MemorySink(scene.thirds),
    // It ends when the source is drained.
    commitRecords: 1_000,
    clock: new HastyClock(() => {
      if (stops) life?.task?.stop()
    }),
  })
  life.start()
  await until(() => life.task !== undefined, 'the opening')
  await turns()
  stops = true
  scene.source.push(items(2), 0)
  await until(() => life.end !== undefined, 'the end')
  expect(life.end).toBe('stopped')
  expect(scene.outputs).toEqual(expectedOf(2))
})

/** What a commit says, read from a disk with nothing but it and those before. */
function readCommit(disk: MemoryDisk) {
  const store = new MemoryStore(disk)
  const row = readEpochRow(store)
  if (row === undefined) throw new Error('a commit has an epoch row')
  const outboxes = ['all', 'thirds'].map((name, destination) => {
    const taken = row.sinks[name]?.number ?? 0
    const sink = new MemorySink(new MemoryDestination())
    const outbox = new Outbox({ name, destination, sink })
    outbox.restore(store, row.sinks[name], row.epoch)
    // A row that is taken and still there: it was not trimmed where it was taken note of.
    const rows = outbox.durableRows(1, row.epoch, Number.POSITIVE_INFINITY)
    return { taken, rows, isTrimmed: !outbox.hasToTrim }
  })
  const isSinkKnown = row.sinks['all'] !== undefined
  return {
    epoch: row.epoch,
    isSinkKnown,
    position: Number(row.inputs['items/0']?.position ?? 0),
    outboxes,
  }
}

test('each commit is whole: state, position, outbox, and what is taken and trimmed (I2)', async () => {
  const count = 30
  const scene = new Scene(new MemoryDisk(), endedSource(count))
  const commits: ReturnType<typeof readCommit>[] = []
  const life = scene.life(() => commits.push(readCommit(scene.disk.copy())))
  life.start()
  await finished(life)
  expect(commits.map(({ epoch }) => epoch)).toEqual(commits.map((_, i) => i + 1))
  expect(commits.at(-1)).toMatchObject({ position: count })
  for (const { position, outboxes } of commits) {
    const expected = expectedOf(position)
    for (const [i, results] of [expected.all, expected.thirds].entries()) {
      const outbox = outboxes[i]
      const taken = outbox?.taken ?? 0
      // Made is what the position says; kept is exactly what is not taken yet.
      const kept = outbox?.rows.flatMap((row) => [row.first, lastOf(row)]) ?? []
      expect(kept.at(-1) ?? taken, `position ${position}`).toBe(results.length)
      expect(kept[0] ?? taken + 1).toBe(taken + 1)
      expect(outbox?.isTrimmed).toBe(true)
    }
  }
  expect(scene.outputs).toEqual(expectedOf(count))
})

test.each(['kill', 'power loss'] as const)(
  'a %s right after any commit, at any delivery, changes nothing in the results',
  async (how) => {
    const count = 12
    const source = endedSource(count)
    const scene = new Scene(new MemoryDisk(), source)
    const crashes: Scene[] = []
    const crashHere = (): void => void crashes.push(scene.copy(source))
    const life = startLife({
      disk: scene.disk,
      source,
      all: new MemorySink(scene.all),
      thirds: new MemorySink(scene.thirds),
      onCommit: crashHere,
      onMoment: crashHere,
    })
    life.start()
    await finished(life)
    expect(crashes.length).toBeGreaterThan(20)
    for (const crash of crashes) {
      if (how === 'power loss') crash.disk.losePower()
      const again = crash.life()
      again.start()
      await finished(again)
      expect(crash.outputs).toEqual(expectedOf(count))
    }
  },
)

describe('a file', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-protocol-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const fileSink = (name: string): FileSink =>
    new FileSink({ path: join(folder, name), format: 'jsonl', overwrite: false })
  /** '' before there is one. Read at once: a crash is a moment. */
  const contents = (name: string): string => {
    const path = join(folder, name)
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }
  const linesOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')

  function fileLife(disk: MemoryDisk, source: MemorySource, onMoment?: () => void) {
    return startLife({
      disk,
      source,
      all: fileSink('all.jsonl'),
      thirds: fileSink('thirds.jsonl'),
      ...(onMoment !== undefined && { onMoment }),
    })
  }

  test('has each result once, wherever the process was killed', async () => {
    const count = 12
    const source = endedSource(count)
    const disk = new MemoryDisk()
    const crashes: { disk: MemoryDisk; files: [string, string] }[] = []
    const life = fileLife(disk, source, () => {
      crashes.push({
        disk: disk.copy(),
        files: [contents('all.jsonl'), contents('thirds.jsonl')],
      })
    })
    life.start()
    await finished(life)
    const expected = expectedOf(count)
    for (const crash of crashes) {
      const [all, thirds] = crash.files
      // What else a crash may leave: a torn end, here longer than all that is to follow.
      const hasCommit = readEpochRow(new MemoryStore(crash.disk.copy())) !== undefined
      const isKnown = hasCommit && readCommit(crash.disk.copy()).isSinkKnown
      const torn = isKnown ? `{"torn":${'0'.repeat(2_000)}` : ''
      await writeFile(join(folder, 'all.jsonl'), `${all}${torn}`)
      await writeFile(join(folder, 'thirds.jsonl'), thirds)
      const again = fileLife(crash.disk, source)
      again.start()
      await finished(again)
      expect(contents('all.jsonl')).toBe(linesOf(expected.all))
      expect(contents('thirds.jsonl')).toBe(linesOf(expected.thirds))
    }
  })
})

test('numbers begin at 1 and have no holes at each destination, whatever goes to others (I4)', async () => {
  const numbers: Record<string, number[]> = { all: [], thirds: [] }
  const noting = (name: 'all' | 'thirds'): Sink => {
    const sink = new MemorySink(new MemoryDestination())
    return {
      encode: (out, result) => sink.encode(out, result),
      open: (owner, taken) => sink.open(owner, taken),
      deliver: async (rows) => {
        for (const { first, ends } of rows) {
          numbers[name]?.push(...Array.from(ends, (_, i) => first + i))
        }
        return await sink.deliver(rows)
      },
      close: () => sink.close(),
    }
  }
  const life = startLife({
    disk: new MemoryDisk(),
    source: endedSource(27),
    all: noting('all'),
    thirds: noting('thirds'),
  })
  life.start()
  await finished(life)
  const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1)
  expect(numbers).toEqual({ all: upTo(27), thirds: upTo(9) })
})

test('a finished state has nothing more to do', async () => {
  const scene = new Scene(new MemoryDisk(), endedSource(6))
  const life = scene.life()
  life.start()
  await finished(life)
  const again = await openTask({
    graph: counting.graph,
    store: new MemoryStore(scene.disk),
    clock: new SimulatedClock(),
    newRun: () => 'run-2',
    sources: new Map([['items', { source: scene.source, eventTime: eventTimeOf({}, undefined) }]]),
    sinks: new Map([
      ['all', new MemorySink(scene.all)],
      ['thirds', new MemorySink(scene.thirds)],
    ]),
    tables: new Map(),
    deadLetter: new MemorySink(new MemoryDestination()),
    policyOf: () => 'fail',
    cache: { entriesMax: 100, bytesMax: 1_000_000 },
    commit: commitOf({}),
    outboxBytesMax: 1_000_000,
    onRetry: () => undefined,
  })
  expect(again.wasFinished).toBe(true)
  expect(await again.run()).toBe('finished')
  await again.close()
  expect(scene.outputs).toEqual(expectedOf(6))
})
