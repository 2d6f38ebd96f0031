/** Every place of a manifest that names a JetStream stream. */
import type {
  JetStreamConnectionManifest,
  ResolvedManifest,
  SinkManifest,
  SourceInputManifest,
} from '../../config/manifest.ts'
import type { StreamUse } from './doctor-nats.ts'

export interface ManifestConnection {
  /** The path of the section. */
  readonly path: readonly string[]
  readonly connection: JetStreamConnectionManifest
  /** What is done with the stream there. */
  readonly use: StreamUse
}

export function connectionsOf(manifest: ResolvedManifest): ManifestConnection[] {
  const found: ManifestConnection[] = []
  for (const [name, { input }] of manifest.sources) {
    if (input.kind !== 'jetstream') continue
    const path = ['sources', name, 'jetstream']
    found.push({ path, connection: input.connection, use: readUse(input) })
  }
  const sinks = [...manifest.sinks].map(([name, sink]) => ({ path: ['sinks', name], sink }))
  if (manifest.deadLetter !== undefined) {
    sinks.push({ path: ['deadLetter'], sink: manifest.deadLetter })
  }
  for (const { path, sink } of sinks) {
    if (sink.kind !== 'jetstream') continue
    found.push({ path: [...path, 'jetstream'], connection: sink.connection, use: writeUse(sink) })
  }
  return found
}

type JetStreamInput = Extract<SourceInputManifest, { readonly kind: 'jetstream' }>
type JetStreamSink = Extract<SinkManifest, { readonly kind: 'jetstream' }>

const readUse = ({ stream }: JetStreamInput): StreamUse => ({ stream, use: 'read' })

function writeUse({ stream, subject, writing, duplicateWindowMs }: JetStreamSink): StreamUse {
  const at = { stream, ...(subject !== undefined && { subject }) }
  if (writing === 'own') return { ...at, use: 'write' }
  return { ...at, use: 'write shared', ...(writing === 'shared' && { duplicateWindowMs }) }
}
