/** What happens in a run, drawn from its seed beforehand: the job, its input and settings, and what goes wrong when. */
import { type Moment, MOMENTS } from '../../runtime/task/task-parts.ts'
import { Chance } from './chance.ts'
import { type Branch, BRANCHES, type JobPlan, sinksOf } from './job.ts'
import { drawMessages, type Message } from './records.ts'
import { CALM, type Weather } from './weather.ts'

export const SINK_KINDS = ['own', 'shared', 'chained', 'embedded', 'file'] as const
export type SinkKind = (typeof SINK_KINDS)[number]

/** A death loses nothing that was committed, or what was not flushed but for the first few commits. */
export type Death =
  { readonly kind: 'kill' } | { readonly kind: 'power loss'; readonly keeps: number }

/** Faults after which the job has to refuse to go on, unless nothing of its own was hit. */
export type Damage =
  | { readonly kind: 'source tail lost'; readonly messages: number }
  | { readonly kind: 'source made again'; readonly isFilledAgain: boolean }
  | { readonly kind: 'source purged' }
  | { readonly kind: 'sink tail lost'; readonly sink: string; readonly messages: number }
  | { readonly kind: 'sink made again'; readonly sink: string }
  | { readonly kind: 'bit flip' }
  /** The job starts afresh, into the destinations of before. */
  | { readonly kind: 'state deleted' }

export type Fault =
  | Death
  | Damage
  | { readonly kind: 'death at a moment'; readonly death: Death; readonly moment: Moment }
  | { readonly kind: 'death at an event'; readonly death: Death; readonly event: number }
  | { readonly kind: 'pause'; readonly forMs: number }
  | { readonly kind: 'connection lost'; readonly forMs: number; readonly which: number }
  | { readonly kind: 'server away'; readonly forMs: number }
  | { readonly kind: 'disk full'; readonly forMs: number }
  | { readonly kind: 'clock jump'; readonly byMs: number }
  | { readonly kind: 'stop' }
  | { readonly kind: 'foreign message'; readonly sink: string }
  | { readonly kind: 'results discarded'; readonly sink: string }
  /** Somebody looks at the state, as a snapshot does. */
  | { readonly kind: 'cut' }

export interface Settings {
  readonly batchMessagesMax: number
  readonly commitEveryMs: number
  readonly commitRecordsMax: number
  readonly cacheEntriesMax: number
  readonly outboxBytesMax: number
  readonly windowMax: number
}

export interface Plan {
  readonly seed: number
  readonly job: JobPlan
  /** 'batch': time goes on at the end; 'ordered': a batch with a bound; 'live': the input comes bit by bit, and has no end. */
  readonly mode: 'batch' | 'ordered' | 'live'
  readonly source: 'jetstream' | 'embedded'
  readonly outOfOrderMs: number
  readonly items: readonly Message[]
  readonly others: readonly Message[]
  /** In live: how many messages come at a time, and how long after the ones before. */
  readonly chunks: readonly { readonly count: number; readonly afterMs: number }[]
  /** Of each sink, the dead letter's last. */
  readonly sinks: readonly (readonly [name: string, kind: SinkKind])[]
  /** Of each life of the process, in turn. */
  readonly settings: readonly Settings[]
  readonly weather: Weather
  readonly faults: readonly { readonly atMs: number; readonly fault: Fault }[]
  readonly healAtMs: number
  /** For everything that is drawn while it runs. */
  readonly runSeed: number
}

export const DEAD_LETTER_SINK = '(dead-letter)'

export function drawPlan(seed: number): Plan {
  const chance = new Chance(seed)
  const branches: Branch[] = chance.someOf(BRANCHES, 3)
  const job = { branches, lateSinks: chance.is(0.5) }
  const mode = chance.of(['batch', 'ordered', 'live', 'live'] as const)
  const isJoin = branches.includes('join')
  const outOfOrderMs = chance.of([0, 5, 30])
  const records = {
    keys: chance.between(1, 6),
    stepMsMax: chance.of([1, 5, 30]),
    outOfOrderMs,
    lateMs: mode === 'batch' || isJoin ? 0 : chance.of([0, 60]),
    flawed: chance.of([0, 0, 0.1]),
  }
  const items = drawMessages(chance, { ...records, count: chance.between(5, 60) })
  const others = isJoin ? drawMessages(chance, { ...records, count: chance.between(5, 40) }) : []
  const kinds = chance.someOf(SINK_KINDS, 3)
  const sinks = [...sinksOf(job), DEAD_LETTER_SINK].map((name): [string, SinkKind] => [
    name,
    chance.of(kinds),
  ])
  const source = chance.of(['jetstream', 'jetstream', 'embedded'] as const)
  // The longest is longer than servers remember message ids.
  const spanMs = chance.of([100, 100, 500, 500, 2_000, 2_000, 300_000])
  return {
    seed,
    job,
    mode,
    source,
    outOfOrderMs,
    items,
    others,
    chunks: Array.from({ length: 8 }, () => ({
      count: chance.between(1, 12),
      afterMs: chance.below(spanMs / 4),
    })),
    sinks,
    settings: Array.from({ length: 4 }, () => drawSettings(chance)),
    weather: drawWeather(chance),
    faults: drawFaults(chance, { spanMs, sinks, source }),
    healAtMs: spanMs + chance.below(500),
    runSeed: chance.below(0x1_0000_0000),
  }
}

const drawSettings = (chance: Chance): Settings => ({
  batchMessagesMax: chance.of([1, 2, 3, 7, 4_096]),
  commitEveryMs: chance.of([1, 20, 200]),
  commitRecordsMax: chance.of([1, 2, 5, 20, 1_000]),
  cacheEntriesMax: chance.of([1, 2, 4, 100]),
  outboxBytesMax: chance.of([1, 200, 1_000_000]),
  windowMax: chance.of([1, 2, 5, 1_000]),
})

function drawWeather(chance: Chance): Weather {
  const maybe = (probability: number): number => (chance.is(0.4) ? probability : 0)
  if (chance.is(0.15)) return CALM
  return {
    latencyMsMax: chance.of([1, 5, 40]),
    reorders: chance.is(0.3),
    requestLost: maybe(0.05),
    answerLost: maybe(0.05),
    requestRepeated: maybe(0.05),
    requestLate: maybe(0.05),
    lateMsMax: chance.of([500, 5_000, 50_000]),
    commitMsMax: chance.of([0, 2, 20]),
    commitFails: maybe(0.03),
    flushMsMax: chance.of([1, 5, 60]),
    flushFails: maybe(0.03),
    diskFails: maybe(0.03),
  }
}

const drawDeath = (chance: Chance): Death =>
  chance.is(0.5) ? { kind: 'kill' } : { kind: 'power loss', keeps: chance.below(3) }

interface FaultScope {
  readonly spanMs: number
  readonly sinks: readonly (readonly [name: string, kind: SinkKind])[]
  readonly source: 'jetstream' | 'embedded'
}

function drawFaults(chance: Chance, scope: FaultScope): Plan['faults'] {
  const { spanMs } = scope
  const faults = Array.from({ length: chance.below(7) }, () => drawFault(chance, scope))
  // Where others write too, what they write may hide that the end was lost.
  const foreign = faults.flatMap((fault) => (fault?.kind === 'foreign message' ? [fault.sink] : []))
  const sinks = scope.sinks.filter(([name]) => !foreign.includes(name))
  if (chance.is(0.3)) faults.push(drawDamage(chance, { ...scope, sinks }))
  return faults
    .filter((fault) => fault !== undefined)
    .map((fault) => ({ atMs: chance.below(spanMs), fault }))
    .toSorted((a, b) => a.atMs - b.atMs)
}

function drawFault(chance: Chance, { spanMs, sinks }: FaultScope): Fault | undefined {
  const ofKind = (...kinds: readonly SinkKind[]): string | undefined =>
    chance.of(sinks.filter(([, kind]) => kinds.includes(kind)))?.[0]
  const forMs = chance.below(spanMs)
  switch (chance.below(15)) {
    case 0:
    case 1:
      return drawDeath(chance)
    case 2:
    case 3:
      return { kind: 'death at a moment', death: drawDeath(chance), moment: chance.of(MOMENTS) }
    case 4:
    case 5:
      return { kind: 'death at an event', death: drawDeath(chance), event: chance.below(80) }
    case 6:
      return { kind: 'pause', forMs }
    case 7:
      return { kind: 'connection lost', forMs, which: chance.below(8) }
    case 8:
      return { kind: 'server away', forMs }
    case 9:
      return { kind: 'disk full', forMs }
    case 10:
      return chance.is(0.5)
        ? { kind: 'stop' }
        : { kind: 'clock jump', byMs: chance.of([-3_600_000, 3_600_000]) }
    case 11:
    case 12:
      return { kind: 'cut' }
    case 13: {
      const sink = ofKind('shared', 'chained')
      return sink === undefined ? undefined : { kind: 'foreign message', sink }
    }
    default: {
      const sink = ofKind('own')
      return sink === undefined ? undefined : { kind: 'results discarded', sink }
    }
  }
}

function drawDamage(chance: Chance, { sinks, source }: FaultScope): Fault {
  const messages = chance.between(1, 10)
  const sink = chance.of(sinks.filter(([, kind]) => kind !== 'file' && kind !== 'embedded'))?.[0]
  const ofSource: Damage[] = [
    { kind: 'source tail lost', messages },
    { kind: 'source made again', isFilledAgain: chance.is(0.5) },
    { kind: 'source purged' },
  ]
  return chance.of<Damage>([
    { kind: 'bit flip' },
    { kind: 'bit flip' },
    { kind: 'state deleted' },
    ...(source === 'jetstream' ? ofSource : []),
    ...(sink === undefined ? [] : [{ kind: 'sink tail lost', sink, messages } as const]),
    ...(sink === undefined ? [] : [{ kind: 'sink made again', sink } as const]),
  ])
}

/** A plan in a few lines, for people. */
export function planText(plan: Plan): string {
  const { seed, job, mode, source, items, others, sinks, settings, weather, faults } = plan
  const bad = Object.entries(weather).filter(([name, value]) => value !== CALM[name as never])
  return [
    `seed ${seed}: ${mode} from ${source}, ${items.length} + ${others.length} messages, out of order by ${plan.outOfOrderMs} ms`,
    `  branches ${job.branches.join(', ')}${job.lateSinks ? ' with sinks for late records' : ''}`,
    `  sinks ${sinks.map(([name, kind]) => `${name}: ${kind}`).join(', ')}`,
    `  settings ${settings.map((of) => Object.values(of).join('/')).join('  ')}`,
    `  weather ${bad.map(([name, value]) => `${name} ${value}`).join(', ') || 'calm'}, healed after ${plan.healAtMs} ms`,
    ...faults.map(({ atMs, fault }) => `  ${atMs} ms: ${faultText(fault)}`),
  ].join('\n')
}

export function faultText({ kind, ...rest }: Fault): string {
  const details = Object.entries(rest).map(([name, value]) =>
    typeof value === 'object' ? faultText(value as Death) : `${name} ${String(value)}`,
  )
  return [kind, ...details].join(' ')
}
