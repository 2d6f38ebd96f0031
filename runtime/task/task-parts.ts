/** What a task is put together from. */
import type { Taken } from '../sink/sink.ts'
import type { Store } from '../state/store.ts'
import type { Clock } from '../time/clock.ts'
import type { Horizon } from '../time/horizon.ts'
import type { Handover } from './delivery.ts'
import type { ExchangeOutput } from './exchange-output.ts'
import type { Host } from './host.ts'
import type { Counters, EpochRow, InputRow, JobRow } from './meta.ts'
import type { Outbox } from './outbox.ts'
import type { TaskInput } from './task-input.ts'
import type { TimePlaces } from './time-places.ts'

/** The moments of the commit protocol, in the order of an epoch. */
export const MOMENTS = [
  'read',
  'applied',
  'writing',
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
  readonly ingests: readonly TaskInput[]
  readonly hosts: readonly Host[]
  readonly times: TimePlaces
  readonly horizon: Horizon
  readonly outboxes: readonly Outbox[]
  readonly deliveries: readonly Handover[]
  /** What goes to other tasks of the job. */
  readonly exchanges: readonly ExchangeOutput[]
  readonly commit: CommitLimits
  readonly outboxBytesMax: number
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

/** What was counted since the state was created. */
export function countersOf({ ingests, hosts, counters: before }: TaskParts): Counters {
  let [records, late, windows] = [0, 0, 0]
  // What comes from other tasks was counted there.
  for (const ingest of ingests) if (ingest.from === 'sources') records += ingest.records
  for (const host of hosts) {
    late += host.lateCount
    windows += host.fired
  }
  return {
    records: before.records + records,
    late: before.late + late,
    deadLettered: before.deadLettered,
    windows: before.windows + windows,
  }
}

/** What an epoch's row says of a task's inputs, its sinks, and how far time has come between them. */
export function rowsOf({
  ingests,
  outboxes,
  times,
  last,
}: TaskParts): Required<Pick<EpochRow, 'inputs' | 'sinks' | 'times'>> {
  const inputs: Record<string, InputRow> = { ...last?.inputs }
  for (const { isOpen, input, row } of ingests) if (isOpen) inputs[input.id] = row
  const sinks: Record<string, Taken> = {}
  for (const { name, known } of outboxes) if (known !== undefined) sinks[name] = known
  return { inputs, sinks, times: times.row }
}
