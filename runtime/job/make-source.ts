/** Real sources, from the manifest's words. */
import { join } from 'node:path'
import type { ResolvedManifest, SourceManifest } from '../../config/manifest.ts'
import type { Watermarks } from '../../operators/watermark.ts'
import { ConfigError } from '../errors.ts'
import { FileSource } from '../source/file-source.ts'
import { plainCheck } from '../task/plain-schema.ts'
import { SortedFileSource } from '../source/sorted-file-source.ts'
import { decodeJson } from '../source/format/json.ts'
import { type Generate, GeneratorSource } from '../source/generator-source.ts'
import { logSource } from '../source/log-source.ts'
import { type Pace, pacedSource, type TimeOf } from '../source/paced-source.ts'
import type { Decode } from '../source/format/format.ts'
import { type Source, Undecodable } from '../source/source.ts'
import { carriedIn, type EventTimeOptions, timeReader } from '../time/event-time.ts'
import type { NodeOf } from '../pipeline/graph.ts'
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
  readonly schema: NodeOf<'source'>['schema']
  readonly eventTime: EventTimeOptions
  /** Folder of the job's state; a sort keeps its temporary files there. */
  readonly stateDir: string
  /** Holds records back until it is their time; default: none. */
  readonly pace?: Pace | undefined
}

export async function makeSource(options: SourceOptions): Promise<Source> {
  const { pace } = options
  const source = await unpacedSource(options)
  return pace === undefined ? source : pacedSource(source, pace, usableTime(options))
}

/** The time that the task will give a record; NaN for what it will set aside. */
function usableTime(options: SourceOptions): TimeOf {
  const { of, minTime, maxAheadMs } = options.eventTime
  const read = of === 'log' ? undefined : timeToSortBy(options)
  return (value, logTime) => {
    if (value instanceof Undecodable) return Number.NaN
    const time = read === undefined ? logTime : read(value)
    return time >= minTime && time - logTime <= maxAheadMs ? time : Number.NaN
  }
}

async function unpacedSource(options: SourceOptions): Promise<Source> {
  const { name, source, manifest, context } = options
  const { input } = source
  const { clock } = context
  switch (input.kind) {
    case 'file': {
      const file = {
        name,
        path: input.path,
        format: input.format,
        textColumns: new Set(input.textColumns),
        recordBytesMax: manifest.limits.recordBytesMax,
        clock,
      }
      const { sort } = source.eventTime
      if (sort === undefined)
        return new FileSource({ ...file, follow: input.follow && context.mode === 'live' })
      return new SortedFileSource({
        ...file,
        timeOf: timeToSortBy(options),
        folder: join(options.stateDir, 'sort', name),
        memoryBytesMax: sort.memoryBytesMax,
      })
    }
    case 'generator':
      return new GeneratorSource({
        name,
        generate: await loadGenerator(input.module),
        options: input.options,
        clock,
      })
    case 'embedded': {
      const log = await options.connections.embedded(input.log)
      return logSource({ ...logOptions(options, input), log })
    }
    case 'jetstream': {
      const log = await options.connections.jetStream(input.connection, {
        onDataLoss: source.onDataLoss,
        onSkip: (message) => context.log.warn({ source: name }, message),
        ...(input.subject !== undefined && { subject: input.subject }),
      })
      return logSource({ ...logOptions(options, input), log })
    }
  }
}

/** The time that the task will give a record; NaN for what it will set aside, or fail at. 0 where the log says it. */
export function timeToSortBy({
  schema,
  eventTime,
}: Pick<SourceOptions, 'schema' | 'eventTime'>): (value: unknown) => number {
  if (eventTime.of === 'log') return () => 0
  const read = timeReader(eventTime.of)
  const { validate } = schema['~standard']
  const isPlain = plainCheck(schema)
  return (value) => {
    try {
      if (isPlain?.(value) === true) return read(value)
      const result = validate(value)
      if (result instanceof Promise || result.issues !== undefined) return Number.NaN
      return read(result.value)
    } catch {
      // The task meets the same record, and says what user code threw and where.
      return Number.NaN
    }
  }
}

type LogSection = Extract<SourceManifest['input'], { readonly kind: 'embedded' | 'jetstream' }>

function logOptions(
  { name, source, manifest, context }: SourceOptions,
  { stream, from, to }: LogSection,
) {
  return {
    name,
    stream,
    from,
    to: context.mode === 'batch' ? to : undefined,
    goesOn: context.mode === 'batch' && manifest.followedBy === 'live',
    decode: jsonUpTo(manifest.limits.recordBytesMax),
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
    name,
    time,
    watermarks,
    mode,
  }: {
    /** Of the source. */
    readonly name: string
    readonly time: ((value: unknown) => number) | undefined
    readonly watermarks?: Watermarks<unknown> | undefined
    readonly mode: 'live' | 'batch'
  },
): EventTimeOptions {
  const { field, unit, order, outOfOrderMs, watermarkField, alignment } = eventTime
  const own =
    watermarks ?? (watermarkField === undefined ? undefined : carriedIn(watermarkField, unit))
  return {
    of: time ?? (field === undefined ? 'log' : { field, unit }),
    // In batch an unordered source tells the time at its end only, so nothing is late.
    progressive: mode === 'live' || order !== 'unordered',
    outOfOrderMs,
    // In batch every input comes to its end: to go on without one would make its records late.
    idleAfterMs: mode === 'batch' ? Number.POSITIVE_INFINITY : eventTime.idleAfterMs,
    whenIdle: eventTime.whenIdle,
    // In batch the partitions of a source come together, so that little waits for the slowest of them.
    ...(mode === 'batch' && { alignment: { group: `(${name})`, maxDriftMs: outOfOrderMs } }),
    ...(alignment !== undefined && { alignment }),
    ...(own !== undefined && { watermarks: own }),
    maxAheadMs: eventTime.maxAheadMs,
    minTime: eventTime.minTimeMs,
  }
}
