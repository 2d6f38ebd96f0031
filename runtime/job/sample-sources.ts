/** A job's own sources, to be looked at without running the job. */
import type { ResolvedManifest } from '../../config/manifest.ts'
import { ConfigError } from '../errors.ts'
import { nodesOf } from '../pipeline/graph.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import type { Source } from '../source/source.ts'
import { Connections } from './connections.ts'
import { eventTimeOf, makeSource, timeToSortBy } from './make-source.ts'
import type { RunContext } from './run-context.ts'

export interface LookedAtSource {
  readonly name: string
  readonly source: Source
  /** Event time of a decoded value; NaN where it has none. */
  readonly timeOf: (value: unknown, loggedAt: number) => number
}

/**
 * Opens a job's sources as a batch reads them, calls back with them, and closes them.
 * @param folder for temporary files.
 * @throws what is wrong with a source.
 */
export async function withSources<Result>(
  {
    manifest,
    definition,
  }: { readonly manifest: ResolvedManifest; readonly definition: JobDefinition },
  { context, folder }: { readonly context: RunContext; readonly folder: string },
  look: (sources: readonly LookedAtSource[]) => Promise<Result>,
): Promise<Result> {
  const { clock, log, stop } = context
  const connections = new Connections(clock, (message) => log.warn({}, message), stop)
  try {
    const sources: LookedAtSource[] = []
    for (const { name, schema, time, watermarks } of nodesOf(definition.graph, 'source')) {
      const section = manifest.sources.get(name)
      if (section === undefined)
        throw new ConfigError(`the manifest has no source '${name}'; add sources.${name}`)
      const eventTime = eventTimeOf(section, { name, time, watermarks, mode: 'batch' })
      const of = { name, source: section, manifest, connections, context, schema, eventTime }
      const read = timeToSortBy(of)
      sources.push({
        name,
        source: await makeSource({ ...of, stateDir: folder }),
        timeOf: (value, loggedAt) => (eventTime.of === 'log' ? loggedAt : read(value)),
      })
    }
    return await look(sources)
  } finally {
    await connections.close()
  }
}
