/** The ways in which a job must come to the same results. Each is a life of the job in a simulated world. */
import type { JobDefinition } from '../pipeline/job.ts'
import { storedKeys } from '../state/stored-keys.ts'
import { readJobRow } from '../task/meta.ts'
import type { DeadLetter } from '../task/dead-letter.ts'
import { MOMENTS } from '../task/task-parts.ts'
import { type Death, SimulatedWorld } from '../testing/simulated-world.ts'
import type { TestEventTime, TestOptions } from '../testing/test-options.ts'
import type { Random } from './random.ts'
import type { SampledRecord } from './sample.ts'

/** A job, and what its manifest says that results depend on. */
export interface ParityJob {
  readonly definition: JobDefinition
  readonly options: TestOptions
  /** By source: how far records may come out of order. */
  readonly boundsMs: ReadonlyMap<string, number>
}

/** What is set aside stands beside the sinks, under a name that none can have. */
export const DEAD_LETTERS = '(dead letters)'

/** By sink: its results as text, sorted; of a table its rows. */
export type Results = ReadonlyMap<string, readonly string[]>

export interface Variant {
  readonly name: string
  /** What is other than in the reference. */
  readonly what: string
  run(job: ParityJob, records: readonly SampledRecord[], random: Random): Promise<Results>
}

/** What all others are compared with: everything at once, in the order of the inputs, and time at the end. */
export const batch: Variant = {
  name: 'batch',
  what: 'all records at once, event time at the end only',
  async run(job, records) {
    const world = worldOf(job, {}, atEnd)
    push(world, records)
    return await finish(world, job)
  },
}

export const VARIANTS: readonly Variant[] = [
  {
    name: 'live',
    what: 'some records at a time, in the order of event time, which follows them at their bound',
    async run(job, records, random) {
      const world = worldOf(job, {}, following)
      await stream(world, inOrderOfTime(records), random)
      return await finish(world, job)
    },
  },
  {
    name: 'other sizes',
    what: 'batches, commits and caches of other sizes',
    async run(job, records, random) {
      const world = worldOf(job, sizes(random), atEnd)
      push(world, records)
      return await finish(world, job)
    },
  },
  {
    name: 'shuffled',
    what: 'records out of order, as far as their bound lets them',
    async run(job, records, random) {
      const world = worldOf(job, {}, following)
      await stream(world, shuffled(job, records, random), random)
      return await finish(world, job)
    },
  },
  {
    name: 'killed',
    what: 'killed, out of power and reopened at random, with other sizes each time',
    async run(job, records, random) {
      const world = worldOf(job, sizes(random), following)
      await stream(world, inOrderOfTime(records), random, striking(world, random))
      return await finish(world, job)
    },
  },
]

// ── how records come ───────────────────────────────────────────────────────────────────────────────

function push(world: SimulatedWorld, records: readonly SampledRecord[]): void {
  for (const { source, value } of records) world.push(source, [value])
}

/** Some records at a time. */
async function stream(
  world: SimulatedWorld,
  records: readonly SampledRecord[],
  random: Random,
  faults: Faults = NO_FAULTS,
): Promise<void> {
  // A handful of pauses for a small input, and not one a record for a large one.
  const most = Math.max(3, Math.ceil(records.length / 25))
  for (let at = 0; at < records.length;) {
    const next = at + random.between(1, most)
    faults.before()
    push(world, records.slice(at, next))
    await world.settle()
    await faults.after()
    at = next
  }
}

/** What happens around some records. */
interface Faults {
  readonly before: () => void
  readonly after: () => Promise<void>
}

const NO_FAULTS: Faults = { before: () => undefined, after: async () => undefined }

/** Stable: what has one time stays in its order. */
function inOrderOfTime(records: readonly SampledRecord[]): readonly SampledRecord[] {
  return records.toSorted((a, b) => a.time - b.time)
}

/** No record comes after one that is later by more than the bound. Those of one time stay in their order. */
function shuffled(
  { boundsMs }: ParityJob,
  records: readonly SampledRecord[],
  random: Random,
): readonly SampledRecord[] {
  const places = new Map<string, number>()
  const placeOf = ({ source, time }: SampledRecord): number => {
    const name = `${source} ${time}`
    let place = places.get(name)
    if (place === undefined) {
      place = time + random.between(0, boundsMs.get(source) ?? 0)
      places.set(name, place)
    }
    return place
  }
  return records
    .map((record) => ({ record, place: placeOf(record) }))
    .toSorted((a, b) => a.place - b.place || a.record.time - b.record.time)
    .map(({ record }) => record)
}

// ── how the job is run ─────────────────────────────────────────────────────────────────────────────

type Timing = (eventTime: TestEventTime, boundMs: number) => TestEventTime

/** Event time does not move before the end. */
const atEnd: Timing = (eventTime) => eventTime
/** It follows the records at their bound. */
const following: Timing = (eventTime, boundMs) => ({ ...eventTime, outOfOrder: boundMs })

function worldOf(job: ParityJob, changes: TestOptions, timing: Timing): SimulatedWorld {
  const { definition, options, boundsMs } = job
  const eventTime = Object.fromEntries(
    Object.entries(options.eventTime ?? {}).map(([source, of]) => [
      source,
      timing(of, boundsMs.get(source) ?? 0),
    ]),
  )
  return new SimulatedWorld(definition, { ...options, ...changes, eventTime })
}

function sizes(random: Random): TestOptions {
  return {
    batchRecordsMax: random.oneOf([1, 2, 7, 64, 1_000]),
    commit: { every: random.oneOf([1, 50, 1_000]), records: random.oneOf([1, 3, 50, 10_000]) },
    cache: { entries: random.oneOf([2, 10, 1_000]) },
  }
}

/** Now and then: a stop, a kill, or a loss of power with commits that were not flushed. */
function striking(world: SimulatedWorld, random: Random): Faults {
  let isLost = false
  return {
    before() {
      isLost = random.chance(0.15)
      if (isLost) world.holdFlushes()
      else if (random.chance(0.15)) world.dieAt(deathOf(random), random.oneOf(MOMENTS))
    },
    async after() {
      const drawn = random.next()
      if (isLost) world.die({ kind: 'crash', keptCommits: random.between(0, 2) })
      else if (drawn < 0.1) world.die(deathOf(random))
      else if (drawn < 0.2) await world.reopen(sizes(random))
      await world.settle()
    },
  }
}

const deathOf = (random: Random): Death =>
  random.chance(0.5) ? { kind: 'kill' } : { kind: 'crash', keptCommits: random.between(0, 2) }

// ── what comes of it ───────────────────────────────────────────────────────────────────────────────

/** Ends all inputs, and the world with them. @throws what ended the job. */
async function finish(world: SimulatedWorld, { definition, options }: ParityJob): Promise<Results> {
  try {
    await world.settle()
    for (const source of Object.keys(options.eventTime ?? {})) world.endInput(source)
    await world.settle()
    const results = new Map<string, readonly string[]>()
    for (const node of definition.graph.nodes) {
      if (node.kind !== 'sink') continue
      const isTable = Object.hasOwn(options.tables ?? {}, node.name)
      const found = isTable ? rowsOf(world, node.name) : world.output(node.name)
      results.set(node.name, found.toSorted())
    }
    results.set(DEAD_LETTERS, world.deadLetters().map(withoutPlace).toSorted())
    return results
  } finally {
    await world.close()
  }
}

/** Where a record was read is another place in another order. */
function withoutPlace(letter: string): string {
  return JSON.stringify({ ...(JSON.parse(letter) as DeadLetter), place: undefined })
}

function rowsOf(world: SimulatedWorld, table: string): string[] {
  const store = world.store()
  const row = readJobRow(store)?.operators[table]
  if (row === undefined) return []
  return [...storedKeys(store, row)].map((key) =>
    JSON.stringify([key, world.state(table, key)], (_, value: unknown) =>
      value instanceof Map ? [...value] : value,
    ),
  )
}
