/** Lets the faults of a plan come at their times, and remembers what those did that a job may not survive. */
import { STORE_TABLES } from '../../runtime/state/store.ts'
import { type Damage, type Fault, faultText } from './plan.ts'
import type { Input } from './model.ts'
import { EPOCH_MS } from './records.ts'
import { streamOf, subjectOf, type World } from './world.ts'

/** A damage that was done, so that a refusal is right. */
export interface Done {
  readonly damage: Damage
  /** What the refusal says. */
  readonly says: RegExp
  /** Whether the job may go on, since it had not got as far as the damage, or needs nothing of what is damaged. */
  readonly mayGoOn: () => boolean
  /** Whether nothing was written to a damaged sink afterwards, so that nobody has looked. */
  readonly isUnseen?: () => boolean
  /** What the damaged source had before. */
  readonly items: Input
}

export function inject(world: World): Done[] {
  const done: Done[] = []
  for (const { atMs, fault } of world.plan.faults) {
    world.timeline.after(atMs, `fault: ${faultText(fault)}`, () => {
      if (world.outcome === undefined) strike(world, fault, done)
    })
  }
  return done
}

function strike(world: World, fault: Fault, done: Done[]): void {
  const { timeline, server, life, chance } = world
  switch (fault.kind) {
    case 'kill':
    case 'power loss':
      world.die(fault)
      break
    case 'death at a moment':
      world.dieAt(fault.death, fault.moment)
      break
    case 'death at an event':
      world.dieAtEvent(fault.death, fault.event)
      break
    case 'pause':
      life.pausedUntil = Math.max(
        life.pausedUntil,
        Math.min(timeline.now + fault.forMs, EPOCH_MS + world.plan.healAtMs),
      )
      break
    case 'connection lost': {
      const connection = world.connections[fault.which % Math.max(1, world.connections.length)]
      if (connection === undefined || connection.isLost) break
      connection.lose()
      timeline.after(fault.forMs, 'connection back', () => {
        if (!server.isAway && connection.isLost) connection.restore()
      })
      break
    }
    case 'server away':
      restartServer(world, fault.forMs, () => undefined)
      break
    case 'disk full':
      world.isDiskFull = true
      timeline.after(fault.forMs, 'disk has room', () => {
        world.isDiskFull = false
      })
      break
    case 'clock jump':
      life.wallOffsetMs += fault.byMs
      break
    case 'stop':
      world.stop({ isLast: false })
      break
    case 'foreign message':
      if (server.streams.has(streamOf(fault.sink))) {
        server.append(streamOf(fault.sink), subjectOf(fault.sink), Buffer.from('"foreign"'))
      }
      break
    case 'results discarded': {
      const stream = server.streams.get(streamOf(fault.sink))
      if (stream !== undefined) stream.purge(stream.last - (chance.is(0.5) ? 0 : 1))
      break
    }
    case 'source tail lost':
      restartServer(world, 20, () => loseSourceTail(world, fault, done))
      break
    case 'source made again':
      restartServer(world, 20, () => {
        if (world.positionOf('items') === 0) return
        const items = world.inputOf('ITEMS')
        const mayGoOn = always(world.plan.mode !== 'live')
        server.makeStream('ITEMS', 'items')
        if (fault.isFilledAgain) {
          world.append(
            'ITEMS',
            items.map(({ message }) => message),
          )
        }
        done.push({ damage: fault, says: /made again/, mayGoOn, items })
      })
      break
    case 'source purged': {
      const position = world.positionOf('items')
      if (position === 0) break
      const items = world.inputOf('ITEMS')
      server.stream('ITEMS').purge(position + 3)
      done.push({ damage: fault, says: /were discarded/, mayGoOn: always(true), items })
      break
    }
    case 'sink tail lost':
      restartServer(world, 20, () => loseSinkTail(world, fault, done))
      break
    case 'sink made again':
      restartServer(world, 20, () => {
        const name = streamOf(fault.sink)
        const before = server.streams.get(name)
        if (before === undefined || before.last === 0) return
        server.makeStream(name, before.subject)
        done.push({
          damage: fault,
          says: /made again/,
          mayGoOn: nothingFollows(world, fault.sink),
          isUnseen: nothingFollows(world, fault.sink),
          items: world.inputOf('ITEMS'),
        })
      })
      break
    case 'cut':
      world.cut()
      break
    case 'state deleted':
      world.deleteState()
      done.push({
        damage: fault,
        says: /is not empty|was written by somebody else/,
        mayGoOn: always(true),
        items: world.inputOf('ITEMS'),
      })
      break
    case 'bit flip':
      world.onDeath = () => flipBit(world, fault, done)
      world.die({ kind: 'power loss', keeps: 0 })
  }
}

const always = (is: boolean) => (): boolean => is

/** A sink is looked at when something is written to it. */
function nothingFollows(world: World, sink: string): () => boolean {
  const handed = world.handed.get(sink)
  const before = handed?.messages.length
  return () => handed?.messages.length === before
}

function restartServer({ server, timeline }: World, forMs: number, meanwhile: () => void): void {
  if (server.isAway) return
  server.goAway()
  meanwhile()
  timeline.after(forMs, 'server back', () => {
    if (server.isAway) server.comeBack()
  })
}

function loseSourceTail(
  world: World,
  fault: Extract<Fault, { kind: 'source tail lost' }>,
  done: Done[],
): void {
  const stream = world.server.stream('ITEMS')
  const items = world.inputOf('ITEMS')
  const last = Math.max(0, stream.last - fault.messages)
  if (last === stream.last) return
  // A batch may have read all of it already; what came of it shows which.
  const mayGoOn = always(world.positionOf('items') <= last || world.plan.mode !== 'live')
  const isSent = (world.server.sentTo.get('ITEMS') ?? 0) > last || world.plan.mode !== 'live'
  stream.loseTail(last)
  if (isSent) {
    const says = /lost acknowledged messages|made again/
    done.push({ damage: fault, says, mayGoOn, items })
  }
}

function loseSinkTail(
  world: World,
  fault: Extract<Fault, { kind: 'sink tail lost' }>,
  done: Done[],
): void {
  const stream = world.server.streams.get(streamOf(fault.sink))
  if (stream === undefined || stream.last === 0) return
  const items = world.inputOf('ITEMS')
  stream.loseTail(Math.max(0, stream.last - fault.messages))
  // Whether what is gone was acknowledged is known to the sink alone.
  done.push({
    damage: fault,
    says: /the server lost them/,
    mayGoOn: always(true),
    isUnseen: nothingFollows(world, fault.sink),
    items,
  })
}

function flipBit(world: World, fault: Damage, done: Done[]): void {
  world.onDeath = () => undefined
  const { disk, chance } = world
  const rows = STORE_TABLES.flatMap((table) =>
    [...disk.durable[table]].map(([name, row]) => ({ table, name, row })),
  )
  if (rows.length === 0) return
  const { table, name, row } = chance.of(rows)
  const value = Uint8Array.from(row.value)
  const at = chance.below(value.length)
  value[at] = (value[at] ?? 0) ^ (1 << chance.below(8))
  world.isBitFlipped = true
  disk.durable[table].set(name, { key: row.key, value })
  world.timeline.note(`a bit of ${table} is flipped`)
  const says = /is damaged in the store/
  done.push({ damage: fault, says, mayGoOn: always(true), items: world.inputOf('ITEMS') })
}
