/** Says of a window in a job's state folder why it has not fired, while the job runs or not. */
import type { ResolvedManifest } from '../../config/manifest.ts'
import type { Key } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import { StateError } from '../errors.ts'
import { explain } from '../explain/explain.ts'
import type { Explanation } from '../explain/explanation.ts'
import { readFacts } from '../explain/read-facts.ts'
import { nodesOf } from '../pipeline/graph.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import { openCommitted } from '../state/read-state.ts'
import { readEpochRow } from '../task/meta.ts'
import type { EventTimeOptions } from '../time/event-time.ts'
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
  const { definition, stateDir, operator, keys, time, now } = options
  // Asked first: what a process that ends meanwhile has committed is read.
  const isRunning = holderOf(stateDir) !== undefined
  const { store, job, sync, ...opened } = await openCommitted(stateDir)
  try {
    const { graph } = definition
    if (job.job !== graph.job) {
      throw new StateError(
        `${stateDir} is the state of the job '${job.job}', not of '${graph.job}'. Name its own with --state.`,
      )
    }
    const eventTimes = eventTimesOf(options)
    // From here on without a wait: all that is read is of one commit.
    const last = readEpochRow(store) ?? opened.last
    const facts = { graph, store, job, last, eventTimes, now, isRunning }
    const explanation = explain(readFacts(facts, { operator, keys, time }))
    await sync()
    return explanation
  } finally {
    await store.close()
  }
}

function eventTimesOf({
  manifest,
  definition,
  mode,
}: ExplainOptions): ReadonlyMap<string, EventTimeOptions> {
  return new Map(
    nodesOf(definition.graph, 'source').flatMap(({ name, time, watermarks }) => {
      const section = manifest.sources.get(name)
      return section === undefined
        ? []
        : [[name, eventTimeOf(section, { time, watermarks, mode })] as const]
    }),
  )
}
