/** What a task is put together from. */
import type { Store } from '../state/store.ts'
import type { Clock } from '../time/clock.ts'
import type { Horizon } from '../time/horizon.ts'
import type { Delivery } from './delivery.ts'
import type { Host } from './host.ts'
import type { Ingest } from './ingest.ts'
import type { Counters, EpochRow, JobRow } from './meta.ts'
import type { Outbox } from './outbox.ts'
import type { TimePlaces } from './time-places.ts'

/** The moments of the commit protocol, in the order of an epoch. */
export const MOMENTS = [
  'read',
  'applied',
  'written',
  'flushed',
  'sent',
  'acknowledged',
  'trimmed',
] as const
export type Moment = (typeof MOMENTS)[number]

export interface CommitLimits {
  /** The longest an epoch stays open. */
  readonly everyMs: number
  readonly recordsMax: number
  readonly bytesMax: number
}

export interface TaskParts {
  readonly store: Store
  readonly clock: Clock
  readonly job: JobRow
  readonly last: EpochRow | undefined
  readonly ingests: readonly Ingest[]
  readonly hosts: readonly Host[]
  readonly times: TimePlaces
  readonly horizon: Horizon
  readonly outboxes: readonly Outbox[]
  readonly deliveries: readonly Delivery[]
  readonly commit: CommitLimits
  readonly outboxBytesMax: number
  /** Changed key actors of an operator beyond which an epoch ends, so that the cache can make room. */
  readonly dirtyActorsMax: number
  /** What was counted before this run; counts of rejected records go on in it. */
  readonly counters: MutableCounters
  readonly onMoment: (moment: Moment) => void
  /** Told of each commit that has become durable. */
  readonly onCommit: (timing: CommitTiming) => void
}

/** How long an epoch was open, from the end of the one before, and its commit took until it was durable. */
export interface CommitTiming {
  readonly epochMs: number
  readonly commitMs: number
}

export type MutableCounters = { -readonly [Name in keyof Counters]: number }
