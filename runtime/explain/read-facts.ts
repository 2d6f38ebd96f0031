/** Reads what is known of one window of a key from a job's graph and its last commit. */
import type { Key } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import { ConfigError } from '../errors.ts'
import { type Graph, inputsOf, type NodeOf, nodesOf } from '../pipeline/graph.ts'
import { KEY_GROUPS } from '../state/key-codec.ts'
import { readState } from '../state/state-entry.ts'
import type { Store } from '../state/store.ts'
import type { EpochRow, JobRow } from '../task/meta.ts'
import type { EventTimeOptions } from '../time/event-time.ts'
import type { Facts } from './facts.ts'
import { timeBefore } from './time-facts.ts'
import { findWindow, windowsFacts } from './window-facts.ts'

export interface FactsOf {
  readonly graph: Graph
  readonly store: Store
  readonly job: JobRow
  readonly last: EpochRow
  /** Event time by source, as in the newest run. */
  readonly eventTimes: ReadonlyMap<string, EventTimeOptions>
  readonly now: Timestamp
  readonly isRunning: boolean
}

export interface WindowAsked {
  readonly operator: string
  /** What the key may be, the likeliest first: `17` may be a number or a text. */
  readonly keys: readonly [Key, ...Key[]]
  readonly time: Timestamp
}

/** @throws ConfigError when the job has no such operator, or one without windows; StateError when the state is damaged. */
export function readFacts(of: FactsOf, { operator, keys, time }: WindowAsked): Facts {
  const { graph, store, job, last, now, isRunning } = of
  const node = windowNodeOf(graph, operator)
  const windows = windowsFacts(node.windows)
  const { reached, inputs } = timeBefore(of, node)
  const key = keys.find((candidate) => isKnown(of, operator, candidate)) ?? keys[0]
  const watermark = windows.clock === 'event' ? reached.watermark : now
  const question = { store, job, operator, windows: node.windows, key, time, watermark }
  const { window, windowCount, isKnown: keyIsKnown, nearest } = findWindow(question)
  return {
    job: graph.job,
    operator,
    key,
    time,
    now,
    isRunning,
    isFinished: last.finished,
    epoch: last.epoch,
    committedAt: last.clock,
    windows,
    reached,
    inputs,
    window,
    windowCount,
    keyFacts: { isKnown: keyIsKnown, hasOthers: hasKeys(of, operator), nearest },
    steps: stepsBefore(graph, node),
    lateRecords: last.counters.late,
  }
}

type WindowNode = NodeOf<'keyed'> & {
  readonly windows: NonNullable<NodeOf<'keyed'>['windows']>
}

const hasWindows = (node: NodeOf<'keyed'>): node is WindowNode => node.windows !== undefined

function windowNodeOf(graph: Graph, operator: string): WindowNode {
  const all = nodesOf(graph, 'keyed')
  const node = all.filter(hasWindows).find(({ name }) => name === operator)
  if (node !== undefined) return node
  const known = all.filter(hasWindows).map(({ name }) => name)
  const has = known.length === 0 ? 'none of its operators does' : `${known.join(', ')} do`
  const problem = all.some(({ name }) => name === operator)
    ? `the operator '${operator}' of job '${graph.job}' keeps no windows`
    : `job '${graph.job}' has no operator '${operator}' that keeps windows`
  throw new ConfigError(`${problem}; ${has}`)
}

/** The operator's own name, and where windows are put together of slices, that of the slices. */
const namesOf = ({ job }: FactsOf, operator: string): string[] =>
  [operator, `${operator}.slices`].filter((name) => job.operators[name] !== undefined)

function isKnown(of: FactsOf, operator: string, key: Key): boolean {
  return namesOf(of, operator).some((name) => {
    const row = of.job.operators[name]
    return row !== undefined && readState(of.store, name, row, key) !== undefined
  })
}

function hasKeys(of: FactsOf, operator: string): boolean {
  const numbers = namesOf(of, operator).map((name) => of.job.operators[name]?.number ?? 0)
  return numbers.some((number) =>
    Array.from({ length: KEY_GROUPS }, (_, group) => group).some((group) => {
      const start = Buffer.from([group, number >> 8, number & 255])
      const end = Buffer.from([group, (number + 1) >> 8, (number + 1) & 255])
      return of.store.range('state', { start, end, limit: 1 }).length > 0
    }),
  )
}

/** What records pass before they come to the operator and that may keep them from it, upstream first. */
function stepsBefore(graph: Graph, node: NodeOf<'keyed'>): string[] {
  const reading = new Set(inputsOf(node))
  for (const id of reading) {
    const input = graph.nodes[id]
    if (input !== undefined) for (const further of inputsOf(input)) reading.add(further)
  }
  return graph.nodes.flatMap((step) => {
    if (!reading.has(step.id)) return []
    if (step.kind === 'step' && DROPPING.has(step.label)) return [step.name]
    return step.kind === 'keyed' && step.name !== `${node.name}.slices` ? [step.name] : []
  })
}

/** Steps that may hand on less than they are given. */
const DROPPING: ReadonlySet<string> = new Set(['filter', 'flatMap'])
