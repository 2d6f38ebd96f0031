/** What the commit of an epoch holds: state, timers, results, and where everything stood at its end (I1, I2). */
import type { StoreWriter } from '../state/store.ts'
import type { Steps } from '../time/turns.ts'
import type { Host } from './host.ts'
import { type EpochRow, writeEpochRow, writeJobRow } from './meta.ts'
import { countersOf, rowsOf, type TaskParts } from './task-parts.ts'

/** Where everything stands now, and what only the running task knows. */
export function epochRow(
  parts: TaskParts,
  end: Pick<EpochRow, 'epoch' | 'openings' | 'finished' | 'live'>,
): EpochRow {
  return { ...end, ...rowsOf(parts), clock: parts.clock.now(), counters: countersOf(parts) }
}

/**
 * Puts everything in short steps. From `row` on until the last step nothing of a later epoch may happen; only
 * sinks may say what they have taken.
 */
export function* epochRows(parts: TaskParts, row: EpochRow, writer: StoreWriter): Steps {
  const { hosts, outboxes, job, last, onMoment } = parts
  const { epoch } = row
  // In the first step: what the row knows to be taken is exactly what is removed.
  const outboxSteps = outboxes.map((outbox) => outbox.write(writer, epoch))
  writeEpochRow(writer, row)
  const isOpening = epoch === (last?.epoch ?? 0) + 1
  if (isOpening) writeJobRow(writer, job, epoch)
  for (const steps of outboxSteps) yield* steps
  onMoment('writing')
  for (const host of hosts) yield* host.write(writer, epoch)
}

/** Has all hosts make room in memory, once commits up to an epoch are committed. */
export function* evictions(hosts: readonly Host[], committedEpoch: number): Steps {
  for (const host of hosts) yield* host.evict(committedEpoch)
}
