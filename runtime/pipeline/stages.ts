/**
 * Cuts a job's graph into stages: what runs in one task, and what travels between tasks.
 *
 * Records change hands where their key changes: behind a keyBy whose keys somebody keeps state by.
 * What is broadcast goes to every task of its stage, and what a sink with one writer takes goes to the
 * only task of the last stage. A stage is what hangs together without these.
 *
 * Records only ever travel to a higher level, so that stages never wait for each other in a circle: what
 * joins a stream that has travelled with one that has not makes that one travel too.
 */
import { passAll } from './any-schema.ts'
import {
  type AnyOperator,
  type Graph,
  type GraphNode,
  inputsOf,
  keysRecords,
  type NodeId,
  type NodeOf,
  nodesOf,
  sourcesOf,
} from './graph.ts'

/**
 * Which tasks of a stage a record goes to: the one of its key's group (without a key, that of the same
 * number as the task it comes from), all of them, or the only one.
 */
export type Routing = 'key' | 'all' | 'one'

/** Where records go from the tasks of one stage to those of another. */
export interface Exchange {
  /** A source in the graph of the stage that reads, and a sink in the graph of the one that writes. */
  readonly name: string
  readonly routing: Routing
  /** Names of the stages; what is set aside comes from all others. */
  readonly from: readonly string[]
  readonly to: string
  /** If it ends, all of it is read before what is not so. */
  readonly comesFirst: boolean
}

export interface Stage {
  readonly name: string
  readonly graph: Graph
  /** How many tasks share its key groups or inputs. */
  readonly tasks: number
}

export interface StagePlan {
  /** Those that feed others first. */
  readonly stages: readonly Stage[]
  readonly exchanges: readonly Exchange[]
}

export interface CutOptions {
  readonly parallelism: number
  readonly operators: ReadonlyMap<string, AnyOperator>
  /** Sinks that may have a writer in every task. */
  readonly sinksOfEach: ReadonlySet<string>
  /** Sources that are known to be one input. */
  readonly singleInputs: ReadonlySet<string>
  /** The sink of what is set aside. */
  readonly deadLetter: string
}

/** The stage of sinks with one writer. No source and no operator can have its name. */
export const LAST_STAGE = '(sinks)'
const ONLY_STAGE = '(job)'

/** The stages of a job in the order in which records pass through them. */
export function cutIntoStages(graph: Graph, options: CutOptions): StagePlan {
  if (options.parallelism === 1) {
    return { stages: [{ name: ONLY_STAGE, graph, tasks: 1 }], exchanges: [] }
  }
  return new Cutter(graph, options).cut()
}

/** A cut in the graph: behind a node, before those of its readers that it is for. */
interface CutEdge {
  readonly from: NodeId
  readonly routing: Routing
  /** Readers, and by which of their inputs. */
  readonly readers: { readonly node: GraphNode; readonly place: number }[]
}

class Cutter {
  readonly #graph: Graph
  readonly #options: CutOptions
  readonly #edges = new Map<string, CutEdge>()
  /** How often records have travelled before they reach a node, at most. */
  readonly #levels: number[] = []
  /** Any other node of the same stage, or itself: a forest of sets. */
  readonly #parents: number[]

  constructor(graph: Graph, options: CutOptions) {
    this.#graph = graph
    this.#options = options
    this.#parents = graph.nodes.map(({ id }) => id)
  }

  cut(): StagePlan {
    for (const node of this.#graph.nodes) this.#place(node)
    // Who reads the same exchange is one stage: a record travels once.
    for (const { readers } of this.#edges.values()) {
      for (const { node } of readers) if (!this.#isLast(node)) this.#unite(node, readers[0]?.node)
    }
    const named = this.#stageNames()
    const stageOf = (node: GraphNode): string =>
      this.#isLast(node) ? LAST_STAGE : (named.get(this.#root(node.id)) ?? '')
    const names = new Map<CutEdge, string>()
    for (const edge of this.#edges.values()) names.set(edge, this.#edgeName(edge, names))
    const others = [...named.values()]
    const setAside: Exchange = {
      name: exchangeName(this.#options.deadLetter),
      routing: 'one',
      from: others,
      to: LAST_STAGE,
      comesFirst: false,
    }
    const stages = [...others, LAST_STAGE].map((name): Stage => {
      const nodes = this.#graph.nodes.filter((node) => stageOf(node) === name)
      return {
        name,
        graph: this.#stageGraph(name, nodes, names, setAside),
        tasks: this.#tasksOf(name, nodes),
      }
    })
    const exchanges = [...names].map(([edge, name]) => this.#exchange(edge, name, stageOf))
    return { stages, exchanges: [...exchanges, setAside] }
  }

  /** Finds out how a node is reached, once its inputs are placed: they come before it. */
  #place(node: GraphNode): void {
    const inputs = inputsOf(node)
    const routings = inputs.map((input, place) => this.#routing(node, place, input))
    const levels = inputs.map((input, place) => this.#level(input) + (routings[place] ? 1 : 0))
    const level = Math.max(0, ...levels)
    this.#levels.push(level)
    for (const [place, input] of inputs.entries()) {
      const routing = routings[place] ?? (this.#level(input) < level ? 'key' : undefined)
      if (routing === undefined) this.#unite(node, this.#node(input))
      else if (routing === 'key') this.#add(`key ${input} ${level}`, input, 'key', node, place)
      else this.#add(`${routing} ${node.id}`, input, routing, node, place)
    }
  }

  /** Why records travel on their way into a node; undefined when they need not. */
  #routing(node: GraphNode, place: number, input: NodeId): Routing | undefined {
    if (this.#isLast(node)) return 'one'
    if (this.#isShared(node, place)) return 'all'
    return keysRecords(this.#node(input)) && this.#leadsToState(node, place) ? 'key' : undefined
  }

  #level(id: NodeId): number {
    return this.#levels[id] as number
  }

  #add(id: string, from: NodeId, routing: Routing, node: GraphNode, place: number): void {
    const edge = this.#edges.get(id) ?? { from, routing, readers: [] }
    edge.readers.push({ node, place })
    this.#edges.set(id, edge)
  }

  /** A sink that is in the last stage. */
  #isLast(node: GraphNode): node is NodeOf<'sink'> {
    return node.kind === 'sink' && !this.#options.sinksOfEach.has(node.name)
  }

  /** The input of what all keys of an operator share. */
  #isShared(node: GraphNode, place: number): boolean {
    if (node.kind !== 'keyed') return false
    const operator = this.#options.operators.get(node.name)
    return operator !== undefined && !('kind' in operator) && operator.shared?.input === place
  }

  /** Whether what enters a node here meets state by its key before it is given another one. */
  #leadsToState(node: GraphNode, place: number): boolean {
    if (node.kind === 'keyed') return !this.#isShared(node, place)
    if (node.kind === 'sink') return !this.#isLast(node)
    if (keysRecords(node)) return false
    return this.#readersOf(node.id).some((reader) => this.#leadsToState(reader.node, reader.place))
  }

  #readersOf(id: NodeId): CutEdge['readers'] {
    return this.#graph.nodes.flatMap((node) =>
      inputsOf(node).flatMap((input, place) => (input === id ? [{ node, place }] : [])),
    )
  }

  #node(id: NodeId): GraphNode {
    return this.#graph.nodes[id] as GraphNode
  }

  #root(id: NodeId): NodeId {
    let root = id
    while (this.#parents[root] !== root) root = this.#parents[root] as NodeId
    return root
  }

  #unite(a: GraphNode, b: GraphNode | undefined): void {
    const [one, other] = [this.#root(a.id), this.#root(b?.id ?? a.id)]
    this.#parents[Math.max(one, other)] = Math.min(one, other)
  }

  /** By root. A stage is called by what is first in it and has a name of its own. */
  #stageNames(): Map<NodeId, string> {
    const names = new Map<NodeId, string>()
    const roots = this.#graph.nodes
      .filter((node) => !this.#isLast(node))
      .map(({ id }) => this.#root(id))
    for (const root of new Set(
      roots.toSorted((a, b) => this.#level(a) - this.#level(b) || a - b),
    )) {
      const nodes = this.#graph.nodes.filter((node) => this.#root(node.id) === root)
      const named =
        nodes.find(({ kind }) => kind === 'source') ??
        nodes.find(({ kind }) => kind === 'keyed') ??
        nodes.find((node) => 'name' in node)
      names.set(root, unlike(names, named !== undefined && 'name' in named ? named.name : 'union'))
    }
    return names
  }

  /** Called by who reads it, which is what keeps its name when the job changes. */
  #edgeName(edge: CutEdge, known: ReadonlyMap<CutEdge, string>): string {
    return unlike(known, exchangeName(this.#readerName(edge.readers)))
  }

  #readerName(readers: CutEdge['readers']): string {
    for (const { node } of readers) {
      if (node.kind === 'keyed' || node.kind === 'sink') return node.name
      const behind = this.#readerName(this.#readersOf(node.id))
      if (behind !== '') return behind
    }
    return ''
  }

  #exchange(
    { from, routing, readers }: CutEdge,
    name: string,
    stageOf: (node: GraphNode) => string,
  ): Exchange {
    const broadcast = broadcastSources(this.#graph, this.#options.operators)
    return {
      name,
      routing,
      from: [stageOf(this.#node(from))],
      to: stageOf(readers[0]?.node ?? this.#node(from)),
      comesFirst:
        routing !== 'one' && sourcesOf(this.#graph, from).every((source) => broadcast.has(source)),
    }
  }

  #tasksOf(name: string, nodes: readonly GraphNode[]): number {
    if (name === LAST_STAGE) return 1
    const { parallelism, singleInputs } = this.#options
    const keyed = [...this.#edges.values()].filter(
      ({ routing, readers }) =>
        routing === 'key' && readers.some(({ node }) => nodes.includes(node)),
    )
    // All records of a windowAll have the same key.
    const hasKeys = keyed.some(({ from }) => !isOfOneKey(this.#node(from)))
    const hasInputs = nodes.some((node) => node.kind === 'source' && !singleInputs.has(node.name))
    return hasKeys || hasInputs ? parallelism : 1
  }

  /** The nodes of a stage, what it reads from others before them, and what it hands on behind them. */
  #stageGraph(
    name: string,
    nodes: readonly GraphNode[],
    names: ReadonlyMap<CutEdge, string>,
    setAside: Exchange,
  ): Graph {
    const built: GraphNode[] = []
    const ids = new Map<NodeId, NodeId>()
    const entries = new Map<CutEdge, NodeId>()
    const isOwn = (id: NodeId): boolean => nodes.some((node) => node.id === id)
    for (const [edge, exchange] of names) {
      if (!edge.readers.some(({ node }) => isOwn(node.id))) continue
      entries.set(edge, built.length)
      built.push(entryOf(built.length, exchange))
    }
    const entryAt = (reader: GraphNode, place: number): NodeId | undefined => {
      for (const [edge, id] of entries) {
        if (edge.readers.some((at) => at.node === reader && at.place === place)) return id
      }
      return undefined
    }
    for (const node of nodes) {
      const inputs = inputsOf(node).map(
        (input, place) => entryAt(node, place) ?? (ids.get(input) as NodeId),
      )
      ids.set(node.id, built.length)
      built.push(movedTo(node, built.length, inputs))
    }
    for (const [edge, exchange] of names) {
      if (isOwn(edge.from)) built.push(exitOf(built.length, ids.get(edge.from) as NodeId, exchange))
    }
    if (name === LAST_STAGE) {
      const id = built.length
      built.push(entryOf(id, setAside.name), exitOf(id + 1, id, this.#options.deadLetter))
    }
    return { job: this.#graph.job, nodes: built }
  }
}

/** What leads to an operator or sink in another stage is called. No source and no sink has such a name. */
export const exchangeName = (reader: string): string => `${EXCHANGE}${reader}`

/** Whether a source, or a destination, of a stage is another stage of the job. */
export const isExchange = (name: string): boolean => name.startsWith(EXCHANGE)

/** No source and no sink can have a name like it. */
const EXCHANGE = 'exchange:'

/** The sources of what is broadcast: read whole before all else, if they end. */
export function broadcastSources(
  graph: Graph,
  operators: ReadonlyMap<string, AnyOperator>,
): ReadonlySet<string> {
  const names = nodesOf(graph, 'keyed').flatMap((node) => {
    const operator = operators.get(node.name)
    if (operator === undefined || 'kind' in operator || operator.shared === undefined) return []
    const input = node.inputs[operator.shared.input]
    return input === undefined ? [] : sourcesOf(graph, input)
  })
  return new Set(names)
}

/** A name that is not taken yet. */
function unlike(taken: ReadonlyMap<unknown, string>, name: string): string {
  const names = new Set(taken.values())
  let free = name
  for (let i = 2; names.has(free); i++) free = `${name}:${i}`
  return free
}

const isOfOneKey = (node: GraphNode): boolean => node.kind === 'step' && node.label === 'windowAll'

const entryOf = (id: NodeId, name: string): GraphNode => ({
  kind: 'source',
  id,
  name,
  schema: passAll,
  time: undefined,
  watermarks: undefined,
})

const exitOf = (id: NodeId, input: NodeId, name: string): GraphNode => ({
  kind: 'sink',
  id,
  input,
  name,
  keyed: true,
})

/** The same node at another place, with its inputs there. */
function movedTo(node: GraphNode, id: NodeId, inputs: readonly NodeId[]): GraphNode {
  switch (node.kind) {
    case 'source':
      return { ...node, id }
    case 'union':
    case 'keyed':
      return { ...node, id, inputs }
    case 'step':
    case 'side':
    case 'sink':
      return { ...node, id, input: inputs[0] as NodeId }
  }
}
