/**
 * How far event time has come at every place of a job's graph: before each node, and behind it. Steps
 * share the time of their input; several inputs make a minimum; behind a keyed operator time goes on
 * when its timers have fired.
 */
import type { Timestamp } from '../../operators/time.ts'
import { invariant } from '../errors.ts'
import { type Graph, type GraphNode, inputsOf, type NodeId } from '../pipeline/graph.ts'
import { BehindHolder, MinimumHolder, slowestOf, type WatermarkHolder } from '../time/watermark.ts'

export class TimePlaces {
  readonly #before = new Map<NodeId, WatermarkHolder>()
  readonly #behind = new Map<NodeId, WatermarkHolder>()
  /** What time behind a node is called: by sources and operators, so that it outlives changes of a job. */
  readonly #names = new Map<NodeId, string>()
  /**
   * Places whose time does not follow from that of the inputs: which of them were idle, and which
   * timers had fired, is forgotten at a restart. Upstream first.
   */
  readonly #kept = new Map<string, WatermarkHolder>()

  constructor(graph: Graph, sources: ReadonlyMap<string, WatermarkHolder>) {
    for (const node of graph.nodes) this.#add(node, sources)
  }

  #add(node: GraphNode, sources: ReadonlyMap<string, WatermarkHolder>): void {
    const name = this.#nameBefore(node)
    const before = node.kind === 'source' ? sources.get(node.name) : this.#slowest(node, name)
    invariant(before !== undefined, `'${name}' has a watermark`)
    this.#before.set(node.id, before)
    if (before instanceof MinimumHolder) this.#kept.set(name, before)
    if (node.kind === 'keyed') {
      const behind = new BehindHolder(before)
      this.#behind.set(node.id, behind)
      this.#names.set(node.id, `operator ${node.name}`)
      this.#kept.set(`operator ${node.name}`, behind)
    } else {
      this.#behind.set(node.id, before)
      this.#names.set(node.id, name)
    }
  }

  #nameBefore(node: GraphNode): string {
    if (node.kind === 'source') return `source ${node.name}`
    const names = [...new Set(inputsOf(node).map((input) => this.#names.get(input)))]
    return names.length === 1 ? String(names[0]) : `[${names.join(', ')}]`
  }

  #slowest(node: GraphNode, name: string): WatermarkHolder {
    const known = this.#kept.get(name)
    if (known !== undefined) return known
    const inputs = inputsOf(node).map((input) => this.#behind.get(input))
    return slowestOf([...new Set(inputs)].filter((holder) => holder !== undefined))
  }

  /** How far time has come at a node's input. */
  before(node: GraphNode): WatermarkHolder {
    return this.#holderOf(this.#before, node)
  }

  /** How far time has come behind a node. */
  behind(node: GraphNode): WatermarkHolder {
    return this.#holderOf(this.#behind, node)
  }

  #holderOf(holders: ReadonlyMap<NodeId, WatermarkHolder>, node: GraphNode): WatermarkHolder {
    const holder = holders.get(node.id)
    invariant(holder !== undefined, `node ${node.id} is in the graph`)
    return holder
  }

  /** What a commit keeps. */
  get row(): Record<string, Timestamp> {
    return Object.fromEntries([...this.#kept].map(([name, { value }]) => [name, value]))
  }

  /**
   * Takes up the times of the last commit (I5). Called once, when the inputs have theirs: a place that
   * came further than all it follows from would take them for inputs that are behind.
   */
  restore(row: Readonly<Record<string, Timestamp>>): void {
    for (const [name, holder] of this.#kept) {
      const time = row[name]
      if (time !== undefined) holder.advance(time)
    }
  }
}
