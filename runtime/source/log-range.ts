/**
 * The part of a partition that is read: what was asked for becomes two sequences, once and before the
 * first record, and the position keeps them. What the log cannot give is refused, never cut short.
 */
import { ConfigError, DataLossError } from '../errors.ts'
import type { Log, LogEnd, LogStart, PartitionState } from '../log/log.ts'
import type { Clock } from '../time/clock.ts'

/** A partition as it was found. */
export interface Found {
  readonly log: Log
  readonly stream: string
  readonly partition: number
  readonly state: PartitionState
  readonly clock: Clock
}

/**
 * The sequence right behind which reading begins.
 * @param mayLack 'skip' begins with the oldest message where older ones are gone.
 * @throws ConfigError when the log does not reach that far, DataLossError when it no longer holds it.
 */
export async function beginningOf(
  found: Found,
  from: LogStart,
  mayLack: 'fail' | 'skip',
): Promise<number> {
  const { log, stream, partition, state } = found
  if (from === 'start') return state.first - 1
  if (from === 'now') return state.last
  if ('after' in from) {
    if (from.after > state.last) throw notThereYet(found, startText(from), state.last)
    if (from.after < state.first - 1 && isMissing(state, mayLack)) throw await gone(found, from)
    return from.after
  }
  refuseFuture(found, from.time, startText(from))
  const after = Math.min(state.last, await log.resolveStart(stream, partition, from))
  // Of what was discarded nobody knows the time: only a retained message that is older shows that none of it was asked for.
  if (after < state.first && isMissing(state, mayLack)) throw await gone(found, from)
  return after
}

const isMissing = ({ first, isCompacted }: PartitionState, mayLack: 'fail' | 'skip'): boolean =>
  first > 1 && isCompacted !== true && mayLack === 'fail'

/**
 * The last sequence that is read.
 * @throws ConfigError when the log does not reach that far yet.
 */
export async function endOf(found: Found, to: LogEnd): Promise<number> {
  const { log, stream, partition, state } = found
  if (to === 'now') return state.last
  if ('through' in to) {
    if (to.through > state.last) throw notThereYet(found, endText(to), state.last)
    return to.through
  }
  refuseFuture(found, to.before, endText(to))
  return Math.min(state.last, await log.resolveStart(stream, partition, { time: to.before }))
}

/** An end before the beginning is a mistake; right behind it, the range is empty. @throws ConfigError */
export function refuseBackwards(
  after: number,
  end: number,
  { stream, partition }: Pick<Found, 'stream' | 'partition'>,
  words: { readonly begins: string; readonly ends: string },
): void {
  if (end >= after) return
  throw new ConfigError(
    `stream ${stream}/${partition} is to be read ${words.begins}, which is behind sequence ${after}, ${words.ends}, which is sequence ${end}: it would end before it begins. Ask for a later end, or an earlier beginning`,
  )
}

export function startText(from: LogStart): string {
  if (typeof from === 'string') return `from ${from}`
  return 'after' in from ? `from sequence ${from.after + 1}` : `from ${dateText(from.time)}`
}

export function endText(to: LogEnd): string {
  if (typeof to === 'string') return `to ${to}`
  return 'through' in to ? `to sequence ${to.through}` : `to ${dateText(to.before)}`
}

const dateText = (time: number): string => new Date(time).toISOString()

function notThereYet({ stream, partition }: Found, asked: string, last: number): ConfigError {
  return new ConfigError(
    `stream ${stream}/${partition} is to be read ${asked}, and it ends at ${last}. Ask for a place that is there, or for now`,
  )
}

function refuseFuture({ stream, partition, clock }: Found, time: number, asked: string): void {
  if (time <= clock.now()) return
  throw new ConfigError(
    `stream ${stream}/${partition} is to be read ${asked}, which is still to come. Ask for a time that has passed, or for now`,
  )
}

async function gone({ log, stream, partition, state }: Found, asked: LogStart): Promise<Error> {
  const { first, last } = state
  const oldest = first > last ? undefined : await log.fetch(stream, partition, first)
  const retained =
    oldest === undefined
      ? `it retains none of its ${last} messages`
      : `the first that it retains is sequence ${first}, of ${dateText(oldest.time)}`
  return new DataLossError(
    `stream ${stream}/${partition} is to be read ${startText(asked)} and no longer holds that: ${retained}. Ask for that one or for start, or set onDataLoss: skip to begin there`,
  )
}
