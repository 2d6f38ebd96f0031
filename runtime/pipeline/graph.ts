/** A job as data: nodes that name their inputs. The fluent API builds it, plan and task read it. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { KeyedOperator, Step } from '../../operators/operator.ts'
import type { SessionOperator } from '../../operators/window/sessions.ts'
import type { SliceOperator } from '../../operators/window/slices.ts'
import type { Watermarks } from '../../operators/watermark.ts'
import type { WindowSpec } from '../../operators/window/window-spec.ts'

export type NodeId = number

/** What a keyed node runs: turns of key actors, or windows kept in columns. */
export type AnyOperator = KeyedOperator | SliceOperator | SessionOperator

/** What to do with a record for which an operator's user code keeps throwing. */
export type OnError = 'fail' | { readonly deadLetterAfter: number }

export type GraphNode =
  | {
      readonly kind: 'source'
      readonly id: NodeId
      readonly name: string
      readonly schema: StandardSchemaV1
      readonly time: ((value: unknown) => number) | undefined
      /** The source's own watermarks, in place of a bound. */
      readonly watermarks: Watermarks<unknown> | undefined
    }
  | {
      readonly kind: 'step'
      readonly id: NodeId
      readonly input: NodeId
      readonly name: string
      readonly label: string
      readonly step: Step
      readonly onError: OnError | undefined
    }
  | { readonly kind: 'union'; readonly id: NodeId; readonly inputs: readonly NodeId[] }
  | {
      readonly kind: 'keyed'
      readonly id: NodeId
      /** More than one for a join or a connect; the operator is told which. */
      readonly inputs: readonly NodeId[]
      readonly name: string
      readonly label: string
      readonly make: () => AnyOperator
      readonly onError: OnError | undefined
      /** What is allowed and seldom meant, as sentences. */
      readonly warnings: readonly string[]
      /** What its state is made for beside its cells, as text: windows and aggregates of a kind. */
      readonly layout: string | undefined
      /** The windows that it keeps, if it does. */
      readonly windows: WindowSpec<never> | undefined
    }
  | { readonly kind: 'side'; readonly id: NodeId; readonly input: NodeId; readonly side: string }
  | {
      readonly kind: 'sink'
      readonly id: NodeId
      readonly input: NodeId
      readonly name: string
      readonly keyed: boolean
    }

export type NodeOf<Kind extends GraphNode['kind']> = Extract<GraphNode, { kind: Kind }>

export interface Graph {
  readonly job: string
  /** In the order of definition: a node's inputs come before it. */
  readonly nodes: readonly GraphNode[]
}

export function nodesOf<Kind extends GraphNode['kind']>(graph: Graph, kind: Kind): NodeOf<Kind>[] {
  return graph.nodes.filter((node): node is NodeOf<Kind> => node.kind === kind)
}

/** Under which name the state is kept that all keys of an operator share. */
export const sharedName = (operator: string): string => `${operator}.shared`

/** The names of the sources that a node's values come from. */
export function sourcesOf(graph: Graph, id: NodeId): readonly string[] {
  const node = graph.nodes[id]
  if (node === undefined) return []
  if (node.kind === 'source') return [node.name]
  return inputsOf(node).flatMap((input) => sourcesOf(graph, input))
}

/** Whether a node gives records their key. */
export const keysRecords = (node: GraphNode): boolean =>
  node.kind === 'step' && (node.label === 'keyBy' || node.label === 'windowAll')

/** The nodes a node reads from. */
export function inputsOf(node: GraphNode): readonly NodeId[] {
  switch (node.kind) {
    case 'source':
      return []
    case 'union':
    case 'keyed':
      return node.inputs
    case 'step':
    case 'side':
    case 'sink':
      return [node.input]
  }
}
