/** Random windows and random streams for them, from a seed. */
import { MOMENTS, type TestChanges, type TestJob } from 'millrace/testing'
import type { Call, WindowCase } from '../cases/case-file.ts'
import type { PaneEntry, PanePlan, PaneRecord } from './pane-oracle.ts'
import { newSeed, randomFrom } from './random.ts'

export interface Chance {
  readonly random: () => number
  /** A whole number from 0 up to, but not including, the limit. */
  below(limit: number): number
  /** A whole number from the first to the last. */
  between(first: number, last: number): number
  of<Choice>(choices: readonly Choice[]): Choice
  happens(probability: number): boolean
}

export function chanceOf(seed: number): Chance {
  const random = randomFrom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  return {
    random,
    below,
    between: (first, last) => first + below(last - first + 1),
    of: (choices) => choices[below(choices.length)] as never,
    happens: (probability) => random() < probability,
  }
}

/** So many seeds from a new one on; the one of MILLRACE_SEED alone when it is given. */
export function seeds(count: number): readonly number[] {
  const first = newSeed()
  const isGiven = process.env['MILLRACE_SEED'] !== undefined
  return Array.from({ length: isGiven ? 1 : count }, (_, i) => (first + i) >>> 0)
}

/** What a random run is about. */
export interface RandomPlan extends PanePlan {
  readonly form: 'aggregate' | 'reduce' | 'apply'
  /** Which clock the windows, or a trigger, follow: then no record may be read again at another time. */
  readonly followsClock: boolean
}

export type WindowKind = 'tumbling' | 'sliding' | 'session' | 'global' | 'count'

export function randomPlan(chance: Chance, kind: WindowKind): RandomPlan {
  const clock =
    kind === 'global' || kind === 'count' || chance.happens(0.85) ? 'event' : 'processing'
  const window = randomWindow(chance, kind, clock)
  const isCount = kind === 'count'
  const hasTrigger = kind === 'global' ? 0.95 : 0.6
  const trigger =
    !isCount && chance.happens(hasTrigger) ? randomTrigger(chance, kind, clock) : undefined
  const evictor = !isCount && chance.happens(0.15) ? randomEvictor(chance) : undefined
  const mode = isCount
    ? undefined
    : chance.of([undefined, 'accumulating', 'discarding', 'discarding', 'retracting'] as const)
  const lateness = chance.of([undefined, 0, 3, 10, 50])
  const outOfOrder = chance.happens(0.5) ? chance.of([0, 1, 5, 20]) : undefined
  const followsClock =
    clock === 'processing' || JSON.stringify(trigger ?? []).includes('Processing')
  return {
    window,
    ...(trigger !== undefined && { trigger }),
    ...(evictor !== undefined && { evictor }),
    ...(mode !== undefined && { mode }),
    ...(lateness !== undefined && { lateness }),
    ...(outOfOrder !== undefined && { outOfOrder }),
    form: chance.of(['aggregate', 'aggregate', 'reduce', 'apply']),
    followsClock,
  }
}

/**
 * On the clock, all numbers are even and so is the time: no record comes in the last millisecond of its
 * window, in which the window fires whenever the job looks up from its records.
 */
function randomWindow(
  { between, happens }: Chance,
  kind: WindowKind,
  clock: 'event' | 'processing',
): Call {
  const onClock = clock === 'processing' ? { clock } : {}
  const number = (first: number, last: number): number =>
    clock === 'event' ? between(first, last) : 2 * between(Math.ceil(first / 2), last >> 1)
  const shift = (length: number): object =>
    happens(0.5) ? { offset: number(1 - length, length - 1) } : {}
  switch (kind) {
    case 'tumbling': {
      const size = number(2, 40)
      return ['tumbling', size, { ...onClock, ...shift(size) }]
    }
    case 'sliding': {
      const every = number(2, 15)
      const size = happens(0.15)
        ? number(1, every)
        : happens(0.5)
          ? every * between(1, 5)
          : number(every, 5 * every)
      return ['sliding', size, { every, ...onClock, ...shift(every) }]
    }
    case 'session':
      return ['session', clock === 'event' && happens(0.3) ? '$n' : number(1, 12), onClock]
    case 'global':
      return ['globalWindow']
    case 'count': {
      const size = between(1, 5)
      return ['countWindow', size, happens(0.5) ? { every: between(1, 6) } : {}]
    }
  }
}

/** Triggers that go with all kinds of windows; a nested one is simpler than the one around it. */
function randomTrigger(chance: Chance, kind: WindowKind, clock: 'event' | 'processing'): Call {
  const { of, happens } = chance
  const simple = (): Call => simpleTrigger(chance, kind, clock)
  const atEnd: Call = clock === 'event' ? ['onEventTime'] : ['onProcessingTime']
  if (happens(0.45)) return happens(0.3) ? ['purging', simple()] : simple()
  const combined = of<() => Call>([
    () => ['firstOf', simple(), simple()],
    () => ['firstOf', simple(), atEnd],
    () => ['allOf', simple(), simple()],
    () => ['orFinally', simple(), simple()],
    () => ['repeatedly', ['orFinally', simple(), simple()]],
    () => (clock === 'event' ? randomEarlyAndLate(chance, simple) : ['firstOf', atEnd, simple()]),
  ])()
  return happens(0.2) ? ['purging', combined] : combined
}

function simpleTrigger({ between, of }: Chance, kind: WindowKind, clock: string): Call {
  const other = of<Call>([
    ['onCount', between(1, 5)],
    ['onCount', between(1, 5)],
    ['onDelta', '$n', between(0, 6)],
    ['everyProcessingTime', between(3, 25)],
    clock === 'event' ? ['everyEventTime', between(2, 20)] : ['onCount', 2],
  ])
  if (kind === 'global') return other
  return of<Call>([
    other,
    other,
    clock === 'event' ? ['onEventTime'] : ['onProcessingTime'],
    ['never'],
  ])
}

function randomEarlyAndLate({ happens }: Chance, simple: () => Call): Call {
  return [
    'earlyAndLate',
    { ...(happens(0.8) && { early: simple() }), ...(happens(0.6) && { late: simple() }) },
  ]
}

function randomEvictor({ between, of }: Chance): NonNullable<WindowCase['evictor']> {
  const evictor = of<Call>([
    ['keepLast', between(1, 4)],
    ['keepWithin', between(1, 20)],
    ['deltaEvictor', '$n', between(1, 8)],
  ])
  return [evictor, { when: of(['before', 'after'] as const) }]
}

/** Settings of a life of the job, which must not matter. */
export const randomSettings = ({ below, of }: Chance): TestChanges => ({
  batchRecordsMax: of([1, 2, 3, 7, 2_048]),
  commit: { every: of(['1ms', '100ms']), records: 1 + below(12) },
  cache: { entries: of([1, 2, 4, 100]), bytes: of([1, 10_000, 1_000_000]) },
})

const KEYS = ['a', '', '__proto__', 'é', '1']

/**
 * Runs a random stream through a job, with deaths and changes of settings between its parts.
 * @returns what was in it, for the oracle.
 */
export async function playRandomStream(
  t: TestJob,
  chance: Chance,
  plan: RandomPlan,
): Promise<PaneEntry[]> {
  const { between, of, happens, below } = chance
  const entries: PaneEntry[] = []
  const keys = KEYS.slice(0, between(1, KEYS.length))
  // Records spread around a present that goes on: some before it, beyond any bound.
  const spread = of([5, 20, 60])
  const isExplicit = plan.outOfOrder === undefined
  let [present, clock, n] = [between(-30, 10), 0, 0]
  for (let left = between(20, 120); left > 0;) {
    const choice = chance.random()
    if (choice < 0.6) {
      const records = Array.from({ length: between(1, 7) }, (): PaneRecord => {
        const timestamp = present + below(spread) - (happens(0.15) ? below(2 * spread) : 0)
        n = plan.window[1] === '$n' || usesNumbers(plan) ? between(1, 12) : n + 1
        return { key: of(keys), timestamp, n }
      })
      left -= records.length
      present += below(8)
      entries.push(...records)
      t.push('records', ...records)
    } else if (choice < 0.75) {
      if (!isExplicit) continue
      present += below(spread)
      const watermark = present - below(15)
      entries.push({ watermark })
      t.advanceWatermark('records', watermark)
    } else if (choice < 0.85) {
      if (!plan.followsClock) continue
      // What was read before time goes on is not to be read again at another time, nor what fired
      // then to fire again.
      await t.settled()
      const by = 2 * between(1, 15)
      clock += by
      entries.push({ clock })
      t.advanceClock(by)
      await t.settled()
    } else await disturb(t, chance, plan)
  }
  return entries
}

const usesNumbers = (plan: RandomPlan): boolean =>
  JSON.stringify([plan.trigger ?? null, plan.evictor ?? null]).includes('$n')

async function disturb(t: TestJob, chance: Chance, { followsClock }: RandomPlan): Promise<void> {
  const { random, below, of } = chance
  const choice = random()
  if (choice < 0.2) await t.settled()
  else if (choice < 0.4) t.crash({ keptCommits: below(3) })
  else if (choice < 0.55) t.kill()
  else if (choice < 0.7) t.reopen(randomSettings(chance))
  // A death that waits for its moment may come when time has gone on.
  else if (followsClock) t.crash()
  else if (choice < 0.85) t.crash({ at: of(MOMENTS), keptCommits: below(3) })
  else t.kill(of(MOMENTS))
}
