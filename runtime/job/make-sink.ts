/** Real sinks, from the manifest's words. A table is no sink: it is an operator of the task. */
import type { DeadLetterManifest, SinkManifest } from '../../config/manifest.ts'
import { ConsoleSink } from '../sink/console-sink.ts'
import { FileSink } from '../sink/file-sink.ts'
import type { Sink } from '../sink/sink.ts'
import { type Connections, jetStreamOptions } from './connections.ts'
import type { RunContext } from './run-context.ts'

type OutsideSink = Exclude<SinkManifest, { readonly kind: 'table' }> | DeadLetterManifest

export async function makeSink(
  sink: OutsideSink,
  connections: Connections,
  context: RunContext,
): Promise<Sink> {
  switch (sink.kind) {
    case 'file':
      return new FileSink({ path: sink.path, format: sink.format, overwrite: context.overwrite })
    case 'console':
      return new ConsoleSink(process.stdout)
    case 'embedded': {
      const { ageMs, bytesMax } = sink.retention
      const retention = {
        ...(ageMs !== undefined && { ageMs }),
        ...(bytesMax !== undefined && { bytes: bytesMax }),
      }
      const { EmbeddedSink } = await import('../sink/embedded-sink.ts')
      return new EmbeddedSink({
        log: await connections.embedded(sink.log),
        stream: sink.stream,
        create: {
          retention,
          ...(sink.partitions !== undefined && { partitions: sink.partitions }),
        },
      })
    }
    case 'jetstream':
      return await jetStreamSink(sink, context)
  }
}

async function jetStreamSink(
  sink: Extract<OutsideSink, { readonly kind: 'jetstream' }>,
  { clock }: RunContext,
): Promise<Sink> {
  const options = {
    ...jetStreamOptions(sink.connection, clock),
    stream: sink.stream,
    subject: sink.subject ?? sink.stream,
    create: sink.create,
    ...(sink.replicas !== undefined && { replicas: sink.replicas }),
  }
  // The NATS client is only loaded by jobs that use it.
  if (sink.writing === 'own') {
    const { JetStreamSink } = await import('../sink/jetstream-sink.ts')
    return new JetStreamSink(options)
  }
  const { JetStreamSharedSink } = await import('../sink/jetstream-shared-sink.ts')
  return new JetStreamSharedSink({
    ...options,
    chained: sink.writing === 'sharedChained',
    duplicateWindowMs: sink.duplicateWindowMs,
  })
}

/** Where a sink writes, for people. */
export function placeOfSink(sink: SinkManifest | DeadLetterManifest, stateDir: string): string {
  switch (sink.kind) {
    case 'file':
      return sink.path
    case 'embedded':
      return `stream ${sink.stream} in ${sink.log}`
    case 'jetstream':
      return `JetStream stream ${sink.stream}`
    case 'table':
      return `table in ${stateDir}`
    case 'console':
      return 'standard output'
  }
}
