/** `millrace plan`: the graph of a job, and where it reads and writes. */
import { commitLimits } from '../../config/manifest.ts'
import type { ResolvedManifest, SinkManifest, SourceManifest } from '../../config/manifest.ts'
import { layoutOf } from '../job/job-layout.ts'
import { inputsOf } from '../pipeline/graph.ts'
import type { Graph, GraphNode } from '../pipeline/graph.ts'
import { exchangeName } from '../pipeline/stages.ts'
import type { Routing } from '../pipeline/stages.ts'
import { DEAD_LETTER } from '../task/open-task.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { boundText, typedPath } from './figures.ts'
import type { CliIo } from './io.ts'
import { loadTarget } from './target.ts'
import type { TargetFlags } from './target.ts'

export interface PlanFlags extends TargetFlags {
  readonly json?: boolean
}

/** A node of the graph as the plan shows it. */
interface PlanRow {
  readonly id: number
  readonly kind: GraphNode['kind']
  readonly name: string
  readonly inputs: readonly number[]
  /** Whether it keeps state a key. */
  readonly keepsState: boolean
  /** What it is and where: `tumbling reduce`, `file data/ratings.csv`. */
  readonly detail: string
  /** What is allowed and seldom meant. */
  readonly warnings: readonly string[]
}

/** Prints the plan. @throws ConfigError when the job cannot be loaded. */
export async function plan(io: CliIo, path: string, flags: PlanFlags): Promise<ExitCode> {
  const { job, loaded, definition, stateDir } = await loadTarget(io, path, flags)
  const { manifest } = loaded
  const nodes = rowsOf(definition.graph, manifest, io.workingDir)
  const stages = stagesOf(definition.graph, manifest)
  if (flags.json === true) {
    const { mode, durability } = manifest
    const commit = commitLimits(manifest, mode)
    io.out(
      `${JSON.stringify({ job, mode, durability, commit, stateDir, nodes, stages }, undefined, 2)}\n`,
    )
    return EXIT.ok
  }
  const state = typedPath(stateDir, io.workingDir)
  io.out(
    `${job}   ${manifest.mode}, state in ${state}\n${tableText(nodes)}${stagesText(stages)}${warningsText(nodes)}`,
  )
  return EXIT.ok
}

function rowsOf(graph: Graph, manifest: ResolvedManifest, workingDir: string): PlanRow[] {
  return graph.nodes.map((node) => ({
    id: node.id,
    kind: node.kind,
    name: nameOf(node),
    inputs: inputsOf(node),
    keepsState: node.kind === 'keyed' || isTable(node, manifest),
    detail: detailOf(node, manifest, workingDir),
    warnings: node.kind === 'keyed' ? node.warnings : [],
  }))
}

function nameOf(node: GraphNode): string {
  switch (node.kind) {
    case 'source':
    case 'step':
    case 'keyed':
    case 'sink':
      return node.name
    case 'union':
      return `union#${node.id}`
    case 'side':
      return node.side
  }
}

const isTable = (node: GraphNode, manifest: ResolvedManifest): boolean =>
  node.kind === 'sink' && manifest.sinks.get(node.name)?.kind === 'table'

function detailOf(node: GraphNode, manifest: ResolvedManifest, workingDir: string): string {
  switch (node.kind) {
    case 'source': {
      const source = manifest.sources.get(node.name)
      return source === undefined
        ? ''
        : `${inputText(source, workingDir)}; ${timeText(node, source)}`
    }
    case 'sink': {
      const sink = manifest.sinks.get(node.name)
      return sink === undefined ? '' : sinkText(sink, workingDir)
    }
    case 'step':
    case 'keyed':
      return node.label
    case 'union':
      return ''
    case 'side':
      return 'side output'
  }
}

function inputText({ input }: SourceManifest, workingDir: string): string {
  switch (input.kind) {
    case 'file':
      return `file ${typedPath(input.path, workingDir)} (${input.format})`
    case 'embedded':
      return `embedded stream ${input.stream} in ${typedPath(input.log, workingDir)}`
    case 'jetstream':
      return `JetStream stream ${input.stream}`
    case 'generator':
      return `generator ${typedPath(input.module, workingDir)}`
  }
}

function timeText(node: GraphNode, { eventTime }: SourceManifest): string {
  const { field, unit, order, watermarkField, alignment } = eventTime
  const isOwn = node.kind === 'source' && node.time !== undefined
  const hasOwn = node.kind === 'source' && node.watermarks !== undefined
  const from =
    field === undefined ? (isOwn ? "the job's function" : "the log's") : `${field} (${unit})`
  return [
    `event time: ${from}`,
    order,
    ...(hasOwn ? ["watermarks: the job's"] : []),
    ...(!hasOwn && watermarkField !== undefined ? [`watermarks: ${watermarkField}`] : []),
    ...(alignment === undefined ? [] : [alignmentText(alignment)]),
  ].join(', ')
}

const alignmentText = ({ group, maxDriftMs }: { group: string; maxDriftMs: number }): string =>
  `at most ${boundText(maxDriftMs)} ahead of group ${group}`

function sinkText(sink: SinkManifest, workingDir: string): string {
  switch (sink.kind) {
    case 'file':
      return `file ${typedPath(sink.path, workingDir)} (${sink.format})`
    case 'embedded':
      return `embedded stream ${sink.stream} in ${typedPath(sink.log, workingDir)}`
    case 'jetstream':
      return `JetStream stream ${sink.stream} (${sink.writing})`
    case 'table':
      return `table, a row a ${sink.per === 'key' ? 'key' : 'key and window'}`
    case 'console':
      return 'console (not exactly-once)'
  }
}

/** What runs in tasks of its own. */
interface PlanStage {
  readonly stage: string
  readonly tasks: number
  /** Operators, sources and sinks in it. */
  readonly runs: readonly string[]
  /** Where its records go on. */
  readonly sendsTo: readonly { readonly stage: string; readonly by: Routing }[]
}

function stagesOf(graph: Graph, manifest: ResolvedManifest): PlanStage[] {
  const { stages, exchanges } = layoutOf(graph, manifest).plan
  const own = new Set(
    graph.nodes.flatMap((node) =>
      node.kind === 'source' || node.kind === 'keyed' || node.kind === 'sink' ? [node.name] : [],
    ),
  )
  return stages.map(({ name, tasks, graph: { nodes } }) => ({
    stage: name,
    tasks,
    runs: nodes.map(nameOf).filter((node) => own.has(node)),
    // What is set aside comes from everywhere.
    sendsTo: exchanges
      .filter(({ from, name: exchange }) => from.includes(name) && exchange !== SET_ASIDE)
      .map(({ to, routing }) => ({ stage: to, by: routing })),
  }))
}

const SET_ASIDE = exchangeName(DEAD_LETTER)
const ROUTING_TEXTS = { key: 'by key', all: 'each to all', one: 'to its only task' } as const

/** Nothing while one task runs all. */
function stagesText(stages: readonly PlanStage[]): string {
  if (stages.length === 1) return ''
  const lines = stages.map(({ stage, tasks, runs, sendsTo }) => {
    const to = sendsTo.map(({ stage: reader, by }) => ` → ${reader} ${ROUTING_TEXTS[by]}`)
    return `  stage ${stage}: ${tasks === 1 ? '1 task' : `${tasks} tasks`}: ${runs.join(', ')}${to.join(',')}\n`
  })
  return lines.join('')
}

/** Columns of equal width: number, kind, name, inputs, state, detail. */
function tableText(rows: readonly PlanRow[]): string {
  const cells = rows.map((row) => [
    String(row.id),
    row.kind === 'keyed' ? 'operator' : row.kind,
    row.name,
    row.inputs.length === 0 ? '' : `← ${row.inputs.join(', ')}`,
    row.keepsState ? 'state' : '',
    row.detail,
  ])
  const widths = [0, 1, 2, 3, 4, 5].map((column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  )
  const lines = cells.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '),
  )
  return lines.map((line) => `  ${line.trimEnd()}\n`).join('')
}

function warningsText(rows: readonly PlanRow[]): string {
  return rows
    .flatMap(({ name, warnings }) => warnings.map((warning) => `  warning: ${name}: ${warning}\n`))
    .join('')
}
