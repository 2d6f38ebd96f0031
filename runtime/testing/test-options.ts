/** How a job is set up in a test: what its manifest says in production. */
import { type Duration, milliseconds, type Timestamp } from '../../operators/time.ts'
import type { Watermarks } from '../../operators/watermark.ts'
import { ConfigError } from '../errors.ts'
import { type Graph, nodesOf, type OnError } from '../pipeline/graph.ts'
import type { CacheLimits } from '../task/actor-cache.ts'
import type { TableKind } from '../task/chain.ts'
import type { ErrorPolicy } from '../task/failure-desk.ts'
import type { CommitLimits } from '../task/task-parts.ts'
import type { EventTimeOptions, TimeUnit } from '../time/event-time.ts'

/** The event time of a source's values. */
export interface TestEventTime {
  /**
   * The field that holds it; default 'timestamp'. A function that the job gives its source goes
   * before. `from: 'log'` takes the clock's time at the push instead.
   */
  readonly field?: string
  readonly from?: 'log'
  /** Default 'ms'. */
  readonly unit?: TimeUnit
  /**
   * Lets the watermark follow the values at this distance. Without it the watermark moves by
   * `advanceWatermark` and `endInput` alone.
   */
  readonly outOfOrder?: Duration
  /** Default: an input is never idle. Counts the clock's time, see `advanceClock`. */
  readonly idleAfter?: Duration
  /** Default: no time is too far ahead of the clock. */
  readonly maxAhead?: Duration
  /** Default: no time is too early. */
  readonly minTime?: Timestamp
  /** Default 'exclude'. */
  readonly whenIdle?: 'exclude' | 'advance'
  /** Keeps this source and others of its group (default: 'default') together in event time. */
  readonly alignment?: { readonly group?: string; readonly maxDrift: Duration }
}

/** What may differ from one life of the job to the next. */
export interface TestChanges {
  /** When an epoch is committed; default: when the inputs are drained, as in production. */
  readonly commit?: { readonly every?: Duration; readonly records?: number }
  /** At most this many records are taken at a time; default 2,048. */
  readonly batchRecordsMax?: number
  /** Bounds of the key actors in memory, for each operator. */
  readonly cache?: { readonly entries?: number; readonly bytes?: number }
}

export interface TestOptions extends TestChanges {
  /** Event time by source. */
  readonly eventTime?: Readonly<Record<string, TestEventTime>>
  /** Sources that are known to end, as files are: what is broadcast from one is read before all else. */
  readonly bounded?: readonly string[]
  /** Sinks that are tables: of the newest value of each key, or of each key and window. */
  readonly tables?: Readonly<Record<string, TableKind>>
  /** What happens when an operator's user code throws; default: what the job says, else 'fail'. */
  readonly operators?: Readonly<Record<string, { readonly onError: OnError }>>
  /** Where the clock stands at first: milliseconds since the Unix epoch; default 0. */
  readonly now?: Timestamp
}

const ENTRIES_MAX = 100_000
const BYTES_MAX = 64 * 1024 * 1024
const COMMIT_EVERY_MS = 100
const COMMIT_RECORDS_MAX = 100_000

/** @throws ConfigError when the options name a source, table or operator that the job does not have. */
export function checkOptions(graph: Graph, options: TestOptions): void {
  const [sources, sinks] = [namesOf(graph, 'source'), namesOf(graph, 'sink')]
  const operators = [...namesOf(graph, 'step'), ...namesOf(graph, 'keyed')]
  checkNames('eventTime', options.eventTime, sources)
  checkNames('bounded', Object.fromEntries((options.bounded ?? []).map((n) => [n, true])), sources)
  checkNames('tables', options.tables, sinks)
  checkNames('operators', options.operators, operators)
}

function checkNames(option: string, named: object | undefined, known: readonly string[]): void {
  for (const name of Object.keys(named ?? {})) {
    if (!known.includes(name)) {
      throw new ConfigError(
        `${option}.${name}: the job has no '${name}'; it has ${known.join(', ') || 'none'}`,
      )
    }
  }
}

export const namesOf = (graph: Graph, kind: 'source' | 'sink' | 'step' | 'keyed'): string[] =>
  nodesOf(graph, kind).map(({ name }) => name)

export function eventTimeOf(
  { field = 'timestamp', from, unit = 'ms', ...options }: TestEventTime,
  time: ((value: unknown) => number) | undefined,
  watermarks?: Watermarks<unknown>,
): EventTimeOptions {
  const { outOfOrder, idleAfter, maxAhead, minTime, whenIdle, alignment } = options
  return {
    of: time ?? (from === 'log' ? 'log' : { field, unit }),
    progressive: outOfOrder !== undefined || watermarks !== undefined,
    ...(watermarks !== undefined && { watermarks }),
    ...(whenIdle !== undefined && { whenIdle }),
    ...(alignment !== undefined && {
      alignment: {
        group: alignment.group ?? 'default',
        maxDriftMs: milliseconds(alignment.maxDrift, 'eventTime.alignment.maxDrift'),
      },
    }),
    outOfOrderMs: milliseconds(outOfOrder ?? 0, 'eventTime.outOfOrder'),
    idleAfterMs: orInfinite(idleAfter, 'eventTime.idleAfter'),
    maxAheadMs:
      maxAhead === undefined
        ? Number.MAX_SAFE_INTEGER
        : milliseconds(maxAhead, 'eventTime.maxAhead'),
    minTime: minTime ?? Number.MIN_SAFE_INTEGER,
  }
}

const orInfinite = (duration: Duration | undefined, what: string): number =>
  duration === undefined ? Number.POSITIVE_INFINITY : milliseconds(duration, what)

export function commitOf({ commit }: TestChanges): CommitLimits {
  return {
    everyMs: milliseconds(commit?.every ?? COMMIT_EVERY_MS, 'commit.every'),
    recordsMax: commit?.records ?? COMMIT_RECORDS_MAX,
    bytesMax: BYTES_MAX,
  }
}

export const cacheOf = ({ cache }: TestChanges): CacheLimits => ({
  entriesMax: cache?.entries ?? ENTRIES_MAX,
  bytesMax: cache?.bytes ?? BYTES_MAX,
})

export function policyOf(graph: Graph, options: TestOptions): (operator: string) => ErrorPolicy {
  const nodes = [...nodesOf(graph, 'step'), ...nodesOf(graph, 'keyed')]
  const onErrors = new Map(nodes.map(({ name, onError }) => [name, onError]))
  return (operator) => options.operators?.[operator]?.onError ?? onErrors.get(operator) ?? 'fail'
}
