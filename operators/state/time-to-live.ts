/**
 * How long state lives. An entry that has not been written (or read, where asked) for so long is gone:
 * it reads as empty from that very moment, and is removed soon after.
 *
 * In event time the moment follows from the records alone: a replay sees the same, and a job that
 * stood still for a month finds everything as it was. In processing time it follows the job's clock.
 */
import type { TimerClock } from '../operator.ts'
import { type Duration, milliseconds, type Milliseconds } from '../time.ts'
import type { CellSpec, StateCell } from './cell.ts'

/** `{ eventTime: '30d' }` or `{ processingTime: '1h' }`. */
export type TimeToLive = (
  | { readonly eventTime: Duration; readonly processingTime?: never }
  | { readonly processingTime: Duration; readonly eventTime?: never }
) & {
  /** What lets an entry live on: being written (default), or being read too. */
  readonly refresh?: 'write' | 'readAndWrite'
}

export interface CellOptions {
  /** How long the cell's entries live after their last change; goes before that of the actor. */
  readonly ttl?: TimeToLive
}

/** A time to live, checked, in milliseconds. */
export interface Lifetime {
  readonly clock: TimerClock
  readonly lifeMs: Milliseconds
  readonly isRefreshedByReading: boolean
}

/** A spec with the options of its cell. */
export function living<Cell extends StateCell>(
  spec: CellSpec<Cell>,
  { ttl }: CellOptions,
): CellSpec<Cell> {
  return ttl === undefined ? spec : { ...spec, timeToLive: ttl }
}

/**
 * @param what names the cell in the error.
 * @throws RangeError when the duration is not positive, or none or two are given.
 */
export function lifetimeOf(timeToLive: TimeToLive, what: string): Lifetime {
  const { eventTime, processingTime, refresh = 'write' } = timeToLive
  if ((eventTime === undefined) === (processingTime === undefined)) {
    throw new RangeError(
      `${what}: write one clock, as in { eventTime: '30d' } or { processingTime: '1h' }`,
    )
  }
  if (refresh !== 'write' && refresh !== 'readAndWrite') {
    throw new RangeError(
      `${what}: refresh ${JSON.stringify(refresh)} is neither 'write' nor 'readAndWrite'`,
    )
  }
  const lifeMs = milliseconds(eventTime ?? processingTime ?? 0, what)
  if (lifeMs <= 0) {
    throw new RangeError(`${what}: ${JSON.stringify(eventTime ?? processingTime)} is not positive`)
  }
  return {
    clock: eventTime === undefined ? 'processing' : 'event',
    lifeMs,
    isRefreshedByReading: refresh === 'readAndWrite',
  }
}
