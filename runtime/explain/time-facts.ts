/**
 * How far time has come before an operator, and what that follows from: read from a job's last commit
 * with the very rules by which the job runs.
 */
import { TIME_MAX, type Timestamp } from '../../operators/time.ts'
import { invariant } from '../errors.ts'
import { type Graph, type GraphNode, inputsOf, type NodeId, nodesOf } from '../pipeline/graph.ts'
import type { EpochRow, InputRow } from '../task/meta.ts'
import { TimePlaces } from '../task/time-places.ts'
import { boundsOf } from '../time/bounds.ts'
import type { EventTimeOptions } from '../time/event-time.ts'
import { slowestOf, WatermarkHolder } from '../time/watermark.ts'
import type { InputFacts, TimeFacts } from './facts.ts'

export interface TimeOf {
  readonly graph: Graph
  readonly last: EpochRow
  /** Event time by source, as in the newest run. */
  readonly eventTimes: ReadonlyMap<string, EventTimeOptions>
  readonly now: Timestamp
  readonly isRunning: boolean
}

/** How far time has come before a node, and all inputs of the job. */
export function timeBefore(
  of: TimeOf,
  node: GraphNode,
): { readonly reached: TimeFacts; readonly inputs: readonly InputFacts[] } {
  const reader = new TimeReader(of)
  return { reached: reader.before(node), inputs: [...reader.inputs.values()].flat() }
}

class TimeReader {
  readonly #of: TimeOf
  readonly inputs: ReadonlyMap<string, readonly InputFacts[]>
  readonly #places: TimePlaces
  readonly #known = new Map<NodeId, TimeFacts>()

  constructor(of: TimeOf) {
    this.#of = of
    const sources = nodesOf(of.graph, 'source')
    this.inputs = new Map(sources.map(({ name }) => [name, inputsOfSource(of, name)]))
    const holders = new Map<InputFacts, WatermarkHolder>()
    const ofSources = new Map<string, WatermarkHolder>()
    for (const [name, inputs] of this.inputs) {
      for (const input of inputs) holders.set(input, new WatermarkHolder(input.watermark))
      const own = inputs.map((input) => holders.get(input) as WatermarkHolder)
      ofSources.set(name, own.length === 0 ? new WatermarkHolder() : slowestOf(own))
    }
    this.#places = new TimePlaces(of.graph, ofSources)
    this.#places.restore(of.last.times ?? {})
    // Who is idle does not advance: so this comes behind all times.
    for (const [{ isIdle }, holder] of holders) holder.setIdle(isIdle)
    this.#goOn()
  }

  /** Lets time go on behind operators as their hosts do. What had been due has fired, or there had been a commit. */
  #goOn(): void {
    for (const node of nodesOf(this.#of.graph, 'keyed')) {
      const [before, behind] = [this.#places.before(node), this.#places.behind(node)]
      if (!before.idle) behind.setIdle(false)
      if (this.#of.isRunning) behind.advance(before.value - holdBackOf(node))
      behind.setIdle(before.idle)
    }
  }

  before(node: GraphNode): TimeFacts {
    const known = this.#known.get(node.id)
    if (known !== undefined) return known
    const facts = this.#minimum(
      node,
      node.kind === 'source'
        ? (this.inputs.get(node.name) ?? [])
        : inputsOf(node).map((input) => this.#behind(input)),
    )
    this.#known.set(node.id, facts)
    return facts
  }

  #minimum(node: GraphNode, parts: readonly TimeFacts[]): TimeFacts {
    const of = [...new Set(parts)]
    const [only] = of
    if (of.length === 1 && only !== undefined) return only
    const { value, idle } = this.#places.before(node)
    return { kind: 'minimum', watermark: value, isIdle: idle, of }
  }

  #behind(id: NodeId): TimeFacts {
    const node = this.#of.graph.nodes[id]
    invariant(node !== undefined, `node ${id} is in the graph`)
    if (node.kind !== 'keyed') return this.before(node)
    const { value, idle } = this.#places.behind(node)
    return {
      kind: 'operator',
      name: node.name,
      label: node.label,
      watermark: value,
      isIdle: idle,
      holdBackMs: holdBackOf(node),
      from: this.before(node),
    }
  }
}

function holdBackOf(node: Extract<GraphNode, { kind: 'keyed' }>): number {
  const operator = node.make()
  return 'kind' in operator ? 0 : (operator.holdBackMs ?? 0)
}

function inputsOfSource(of: TimeOf, source: string): InputFacts[] {
  return Object.entries(of.last.inputs)
    .filter(([id]) => sourceOf(id) === source)
    .map(([id, row]) => inputFacts(of, id, row))
}

/** An input's id is its source's name and the number of the partition. */
const sourceOf = (id: string): string => id.slice(0, id.lastIndexOf('/'))

function inputFacts(of: TimeOf, id: string, row: InputRow): InputFacts {
  const { eventTimes, now, isRunning, last } = of
  const source = sourceOf(id)
  const eventTime = eventTimes.get(source)
  invariant(eventTime !== undefined, `source '${source}' has an event time`)
  const { status = {}, watermark, maxTime, records, lateness } = row
  const { progressive, outOfOrderMs, idleAfterMs, whenIdle = 'exclude', alignment } = eventTime
  const hasEnded = watermark === TIME_MAX
  const { listenedFrom, heardAt } = status
  const from = Math.max(listenedFrom ?? -Infinity, heardAt ?? -Infinity)
  const until = isRunning ? now : last.clock
  const silentMs = Number.isFinite(from) && !hasEnded ? Math.max(0, until - from) : undefined
  // A silence that moves nothing is not committed; of who waits for others nobody knows whether it is silent.
  const isSilent =
    isRunning && !status.waitsFor && silentMs !== undefined && silentMs >= idleAfterMs
  const followed = isSilent && whenIdle === 'advance' && progressive
  const bounds = boundsOf([{ source, lateness: { records, row: lateness } }])
  return {
    kind: 'input',
    id,
    source,
    watermark: followed ? Math.max(watermark, now - outOfOrderMs - 1) : watermark,
    isIdle: !hasEnded && (status.isIdle === true || (isSilent && whenIdle === 'exclude')),
    maxTime,
    records,
    hasEnded,
    status,
    silentMs,
    position: positionText(row.position),
    settings: {
      progressive,
      ownWatermarks: eventTime.watermarks !== undefined,
      outOfOrderMs,
      idleAfterMs,
      whenIdle,
      alignment,
    },
    keeping999Ms: bounds[0]?.keeping999Ms ?? 0,
  }
}

/** A position as people read it; undefined for one that says nothing to them. */
function positionText(position: unknown): string | undefined {
  if (typeof position !== 'object' || position === null) return undefined
  const { file, line, sequence } = position as Readonly<Record<string, unknown>>
  if (typeof file === 'string') return typeof line === 'number' ? `${file}:${line}` : file
  return typeof sequence === 'number' ? `message ${sequence}` : undefined
}
