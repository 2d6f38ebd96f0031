/** The layout of a job's tasks, from its graph and its manifest. */
import type { ResolvedManifest } from '../../config/manifest.ts'
import { type Graph, nodesOf } from '../pipeline/graph.ts'
import { keyedOperators, type TableKind } from '../task/chain.ts'
import { layOut, type Layout } from '../task/layout.ts'
import { DEAD_LETTER } from '../task/open-task.ts'

export function layoutOf(graph: Graph, manifest: ResolvedManifest): Layout {
  const tables = tablesOf(graph, manifest)
  return layOut(graph, {
    parallelism: manifest.parallelism,
    operators: keyedOperators(graph, tables),
    sinksOfEach: new Set(tables.keys()),
    singleInputs: singleInputsOf(manifest),
    deadLetter: DEAD_LETTER,
  })
}

/** The sinks of a job that are tables, and how they keep their rows. */
export function tablesOf(graph: Graph, { sinks }: ResolvedManifest): Map<string, TableKind> {
  const tables = new Map<string, TableKind>()
  for (const { name } of nodesOf(graph, 'sink')) {
    const section = sinks.get(name)
    if (section?.kind === 'table') tables.set(name, section.per)
  }
  return tables
}

/** Streams have partitions; files and generators are one input each, a pattern of files too. */
function singleInputsOf({ sources }: ResolvedManifest): Set<string> {
  const single = [...sources].filter(
    ([, { input }]) => input.kind === 'file' || input.kind === 'generator',
  )
  return new Set(single.map(([name]) => name))
}

const exchangesOf = ({ plan }: Layout): Set<string> =>
  new Set(plan.exchanges.map(({ name }) => name))

/** The sources outside that a stage reads. */
export function sourcesOf(graph: Graph, layout: Layout): string[] {
  const exchanges = exchangesOf(layout)
  const names = nodesOf(graph, 'source').map(({ name }) => name)
  return names.filter((name) => !exchanges.has(name))
}

/** The sinks outside that a stage writes; with one task, dead letters are written beside the graph. */
export function sinksOf(
  graph: Graph,
  layout: Layout,
  tables: ReadonlyMap<string, TableKind>,
): string[] {
  const exchanges = exchangesOf(layout)
  const names = nodesOf(graph, 'sink')
    .map(({ name }) => name)
    .filter((name) => !exchanges.has(name) && !tables.has(name))
  return layout.tasks.length === 1 ? [...names, DEAD_LETTER] : names
}
