import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type WatermarkFunction, type Watermarks, watermarksOf } from '../../operators/watermark.ts'
import { ConfigError } from '../errors.ts'
import { GraphBuilder } from './graph-builder.ts'
import type { Graph } from './graph.ts'
import type { SourceFunction } from './source-function.ts'
import { type SinkRef, Stream } from './stream.ts'

/** What a job's function is given. */
export interface JobBuilder {
  readonly source: SourceFunction
  /** A sink of the manifest, by name. */
  readonly sink: (name: string) => SinkRef
}

/** A job: its name and its graph. The default export of a job module. */
export interface JobDefinition {
  readonly kind: typeof JOB
  readonly name: string
  readonly graph: Graph
}

// A string and not a symbol: a job may be defined by another copy of the package.
const JOB = 'millrace.job.1'

/**
 * Defines a job. The function is called once, here, and only describes: reading and writing is the
 * manifest's business.
 * @throws ConfigError when the definition does not hold together.
 */
export function job(name: string, define: (builder: JobBuilder) => void): JobDefinition {
  if (!/^[a-z0-9][a-z0-9_-]{0,63}$/i.test(name)) {
    throw new ConfigError(
      `job name ${JSON.stringify(name)} must be 1 to 64 letters, digits, '_' or '-'`,
    )
  }
  const builder = new GraphBuilder(name)
  const source = (
    sourceName: string,
    schema: StandardSchemaV1,
    { time, watermark }: AnySourceOptions = {},
  ): Stream<unknown> => {
    const watermarks = watermark === undefined ? undefined : watermarksOf(watermark)
    return new Stream(builder, builder.source(sourceName, schema, time, watermarks))
  }
  define({ source, sink: (sinkName) => ({ sink: sinkName }) })
  return { kind: JOB, name, graph: builder.build() }
}

interface AnySourceOptions {
  readonly time?: (value: unknown) => number
  readonly watermark?: WatermarkFunction<unknown> | Watermarks<unknown>
}

export function isJobDefinition(candidate: unknown): candidate is JobDefinition {
  return (
    typeof candidate === 'object' &&
    candidate !== null &&
    'kind' in candidate &&
    candidate.kind === JOB
  )
}
