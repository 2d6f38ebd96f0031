/** Real sources, from the manifest's words. */
import type { ResolvedManifest, SourceManifest } from '../../config/manifest.ts'
import { ConfigError } from '../errors.ts'
import { FileSource } from '../source/file-source.ts'
import { decodeJson } from '../source/format/json.ts'
import { type Generate, GeneratorSource } from '../source/generator-source.ts'
import { logSource } from '../source/log-source.ts'
import type { Decode } from '../source/format/format.ts'
import { type Source, Undecodable } from '../source/source.ts'
import type { EventTimeOptions } from '../time/event-time.ts'
import type { Connections } from './connections.ts'
import { defaultOf } from './load-job.ts'
import { loadModule } from './load-module.ts'
import type { RunContext } from './run-context.ts'

export interface SourceOptions {
  readonly name: string
  readonly source: SourceManifest
  readonly manifest: ResolvedManifest
  readonly connections: Connections
  readonly context: RunContext
}

export async function makeSource(options: SourceOptions): Promise<Source> {
  const { name, source, manifest, context } = options
  const { input } = source
  const { clock } = context
  switch (input.kind) {
    case 'file':
      return new FileSource({
        name,
        path: input.path,
        format: input.format,
        textColumns: new Set(input.textColumns),
        follow: input.follow && context.mode === 'live',
        recordBytesMax: manifest.limits.recordBytesMax,
        clock,
      })
    case 'generator':
      return new GeneratorSource({
        name,
        generate: await loadGenerator(input.module),
        options: input.options,
        clock,
      })
    case 'embedded': {
      const log = await options.connections.embedded(input.log)
      return logSource({ ...logOptions(options), log, stream: input.stream, start: input.start })
    }
    case 'jetstream': {
      const log = await options.connections.jetStream(input.connection, {
        onDataLoss: source.onDataLoss,
        onSkip: (message) => context.log.warn({ source: name }, message),
        ...(input.subject !== undefined && { subject: input.subject }),
      })
      return logSource({ ...logOptions(options), log, stream: input.stream, start: input.start })
    }
  }
}

function logOptions({ name, source, manifest, context }: SourceOptions) {
  return {
    name,
    decode: jsonUpTo(manifest.limits.recordBytesMax),
    until: context.mode === 'batch' ? ('end-at-open' as const) : undefined,
    onDataLoss: source.onDataLoss,
    clock: context.clock,
    stop: context.stop,
    onRetry: (message: string) => context.log.warn({ source: name }, message),
    onSkip: (message: string) => context.log.warn({ source: name }, message),
  }
}

/** Decodes JSON of at most so many bytes; more goes to the dead letter undecoded. */
function jsonUpTo(bytesMax: number): Decode {
  const tooLong = new Undecodable(`longer than ${bytesMax} bytes (limits.recordBytes)`)
  return (bytes) => (bytes.length > bytesMax ? tooLong : decodeJson(bytes))
}

async function loadGenerator(file: string): Promise<Generate> {
  const generate = defaultOf(await loadModule(file))
  if (typeof generate === 'function') return generate as Generate
  throw new ConfigError(
    `${file} has no default export that is a function; write: export default (options) => records`,
  )
}

/** How a source's records get their time: the job's own function, the manifest's field, or the log. */
export function eventTimeOf(
  { eventTime }: SourceManifest,
  {
    time,
    mode,
  }: { readonly time: ((value: unknown) => number) | undefined; readonly mode: 'live' | 'batch' },
): EventTimeOptions {
  const { field, unit, order } = eventTime
  return {
    of: time ?? (field === undefined ? 'log' : { field, unit }),
    // In batch an unordered source tells the time at its end only, so nothing is late.
    progressive: mode === 'live' || order === 'ordered',
    outOfOrderMs: eventTime.outOfOrderMs,
    idleAfterMs: eventTime.idleAfterMs,
    maxAheadMs: eventTime.maxAheadMs,
    minTime: eventTime.minTimeMs,
  }
}
