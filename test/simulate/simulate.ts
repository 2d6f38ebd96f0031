/**
 * One run of a seed: the input comes, faults come, everything is healed, the job has to come to its end, and
 * what it left has to be right.
 */
import { checkOutcome } from './check.ts'
import { ensure, forgetViolation, foundViolation } from './ensure.ts'
import { inject } from './inject.ts'
import type { Message } from './records.ts'
import type { Plan } from './plan.ts'
import { World } from './world.ts'

/** A run that is healed is over after this much virtual time. */
const LIVELY_MS_MAX = 120_000
/** Where a run has more events it does not end. */
const EVENTS_MAX = 100_000
const LOOK_EVERY_MS = 100
/** Within this time a job that runs has noticed what became of its source. */
const NOTICED_MS_MAX = 10_000

export interface Result {
  readonly plan: Plan
  readonly violation: Error | undefined
  /** What ended the run, in a word. */
  readonly end: string
  readonly hash: string
  readonly events: number
  readonly virtualMs: number
  /** How many faults have hit something. */
  readonly hits: number
}

export async function simulate(plan: Plan, onTrace?: (line: string) => void): Promise<Result> {
  forgetViolation()
  const world = new World(plan)
  world.timeline.onTrace = onTrace
  const startedAt = world.timeline.now
  let violation: Error | undefined
  const noteViolation = (error: unknown): void => {
    violation ??= error instanceof Error ? error : new Error(String(error))
  }
  process.on('unhandledRejection', noteViolation)
  try {
    await run(world)
  } catch (error) {
    noteViolation(error)
  } finally {
    process.off('unhandledRejection', noteViolation)
  }
  const { outcome, timeline, hits } = world
  return {
    plan,
    // Inside the code under test it may have been taken for something that passes.
    violation: foundViolation() ?? violation,
    end: outcome?.kind ?? 'none',
    hash: timeline.hash,
    events: timeline.eventsCount,
    virtualMs: timeline.now - startedAt,
    hits: hits.length,
  }
}

async function run(world: World): Promise<void> {
  const { plan, timeline } = world
  produce(world)
  const damages = inject(world)
  timeline.after(plan.healAtMs, 'healing', () => world.heal())
  if (plan.mode === 'live') {
    const isDamaged = plan.faults.some(({ fault }) => fault.kind.startsWith('source '))
    const firstLookMs = plan.healAtMs + (isDamaged ? NOTICED_MS_MAX : 0)
    timeline.after(firstLookMs, 'a look', () => lookForEnd(world))
  }
  world.start()
  const endsBy = timeline.now + plan.healAtMs + LIVELY_MS_MAX
  while (world.outcome === undefined) {
    ensure(!timeline.isEmpty, 'liveness: nothing is left to happen, and the job has not ended')
    const isLively = timeline.now <= Math.max(endsBy, world.lastStartAt + LIVELY_MS_MAX)
    ensure(isLively, `liveness: not at its end ${LIVELY_MS_MAX} ms after healing`)
    ensure(timeline.eventsCount < EVENTS_MAX, `liveness: not at its end after ${EVENTS_MAX} events`)
    await timeline.step()
    const found = foundViolation()
    if (found !== undefined) throw found
  }
  world.life.die()
  // What the dead had sent may still arrive.
  while (!timeline.isEmpty && timeline.eventsCount < EVENTS_MAX) await timeline.step()
  await checkOutcome(world, damages)
}

/** All of it at once, or bit by bit; whatever is left when the world is healed comes then. */
function produce(world: World): void {
  const { plan } = world
  for (const source of world.sourceNames) {
    const stream = source.toUpperCase()
    const messages = source === 'items' ? plan.items : plan.others
    world.makeSource(stream)
    if (plan.mode !== 'live') world.append(stream, messages)
    else produceInChunks(world, stream, messages)
  }
}

function produceInChunks(world: World, stream: string, messages: readonly Message[]): void {
  const { plan, timeline } = world
  let [from, atMs] = [0, 0]
  for (let index = 0; from < messages.length; index++) {
    const { count, afterMs } = plan.chunks[index % plan.chunks.length] ?? { count: 1, afterMs: 1 }
    atMs += afterMs
    const chunk = messages.slice(from, from + count)
    timeline.after(Math.min(atMs, plan.healAtMs), `${chunk.length} to ${stream}`, () =>
      world.append(stream, chunk),
    )
    from += count
  }
}

/** A job without an end is stopped when it has read and handed over everything. */
function lookForEnd(world: World): void {
  const { timeline, task } = world
  if (world.outcome !== undefined) return
  const isRead = world.sourceNames.every(
    (name) => world.positionOf(name) >= world.lastOf(name.toUpperCase()),
  )
  const isHandedOver = task?.outboxes.every(({ isEmpty }) => isEmpty) ?? false
  if (isRead && isHandedOver && world.life.isAlive) world.stop({ isLast: true })
  else timeline.after(LOOK_EVERY_MS, 'a look', () => lookForEnd(world))
}
