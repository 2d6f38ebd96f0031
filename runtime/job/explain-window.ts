/** Says of a window in a job's state folder why it has not fired, while the job runs or not. */
import type { ResolvedManifest } from '../../config/manifest.ts'
import type { Key } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import { StateError } from '../errors.ts'
import { explain } from '../explain/explain.ts'
import type { Explanation } from '../explain/explanation.ts'
import { readFacts } from '../explain/read-facts.ts'
import { type Graph, nodesOf } from '../pipeline/graph.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import { partitionOf } from '../state/key-codec.ts'
import { type CommittedState, openAllCommitted } from '../state/read-state.ts'
import { readState } from '../state/state-entry.ts'
import { TOLD } from '../task/frame-ingest.ts'
import { type EpochRow, phaseOf, readEpochRow } from '../task/meta.ts'
import type { EventTimeOptions } from '../time/event-time.ts'
import { layoutOf } from './job-layout.ts'
import { eventTimeOf } from './make-source.ts'
import { holderOf } from './state-lock.ts'

export interface ExplainOptions {
  readonly manifest: ResolvedManifest
  readonly definition: JobDefinition
  readonly stateDir: string
  /** How the newest run ran. */
  readonly mode: 'live' | 'batch'
  readonly now: Timestamp
  readonly operator: string
  /** What the key may be, the likeliest first. */
  readonly keys: readonly [Key, ...Key[]]
  /** Any time inside the window. */
  readonly time: Timestamp
}

/**
 * @throws StateError when the folder holds no state, or that of another job; ConfigError when the job
 *   has no such operator, or one without windows.
 */
export async function explainWindow(options: ExplainOptions): Promise<Explanation> {
  const { definition, stateDir, operator, time, now } = options
  // Asked first: what a process that ends meanwhile has committed is read.
  const isRunning = holderOf(stateDir) !== undefined
  const tasks = await openAllCommitted(stateDir)
  try {
    const name = tasks[0]?.job.job
    if (name !== definition.graph.job) {
      throw new StateError(
        `${stateDir} is the state of the job '${name}', not of '${definition.graph.job}'. Name its own with --state.`,
      )
    }
    const { graph, task, keys } = whereIs(options, tasks)
    const { store, job, sync } = task
    // From here on without a wait: all that is read is of one commit.
    const last = readEpochRow(store) ?? task.last
    const eventTimes = new Map([...toldTimes(graph), ...eventTimesOf(options, last)])
    const facts = { graph, store, job, last, eventTimes, now, isRunning }
    const explanation = explain(readFacts(facts, { operator, keys, time }))
    await sync()
    return explanation
  } finally {
    for (const { store } of tasks) await store.close()
  }
}

interface Where {
  readonly graph: Graph
  readonly task: CommittedState
  readonly keys: readonly [Key, ...Key[]]
}

/** The task that has a key of the operator, and what it runs. */
function whereIs(
  { manifest, definition: { graph }, operator, keys }: ExplainOptions,
  tasks: readonly CommittedState[],
): Where {
  const only = { graph, task: tasks[0] as CommittedState, keys }
  const place = only.task.job.place
  if (place === undefined) return only
  const { plan } = layoutOf(graph, { ...manifest, parallelism: place.parallelism })
  const stage = plan.stages.find((of) =>
    nodesOf(of.graph, 'keyed').some((node) => node.name === operator),
  )
  if (stage === undefined) return only
  const inStage = tasks.filter(({ job }) => job.place?.stage === stage.name)
  const found = keys.map((key): Where | undefined => {
    const partition = partitionOf(key, stage.tasks)
    const task = inStage.find(({ job }) => job.place?.partition === partition)
    return task && { graph: stage.graph, task, keys: [key] }
  })
  const holds = ({ task, keys: [key] }: Where): boolean => {
    const row = task.job.operators[operator]
    return row !== undefined && readState(task.store, operator, row, key) !== undefined
  }
  const known = found.filter((where) => where !== undefined)
  return known.find(holds) ?? known[0] ?? only
}

/** What comes from other tasks has the time that those have told. */
function toldTimes(graph: Graph): (readonly [string, EventTimeOptions])[] {
  return nodesOf(graph, 'source').map(({ name }) => [name, TOLD] as const)
}

function eventTimesOf(
  { manifest, definition, mode: asked }: ExplainOptions,
  last: EpochRow,
): ReadonlyMap<string, EventTimeOptions> {
  const mode = phaseOf(last, { mode: asked, followedBy: manifest.followedBy })
  return new Map(
    nodesOf(definition.graph, 'source').flatMap(({ name, time, watermarks }) => {
      const section = manifest.sources.get(name)
      return section === undefined
        ? []
        : [[name, eventTimeOf(section, { name, time, watermarks, mode })] as const]
    }),
  )
}
