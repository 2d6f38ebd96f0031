/**
 * Joins each left record with the right records of its key whose time is within an interval around
 * its own. Both sides wait in the key's state for as long as a partner may still come, and no longer.
 *
 * V1 A record is late when its time is not behind the watermark: what could have met it may be gone.
 * V2 A record leaves, alone if the kind of the join says so, once the watermark has reached the last
 *    time a partner can have: a later partner would be late.
 * V3 A record whose partners' results fail comes to nothing: it is set aside, and neither side's
 *    state knows of it.
 */
import type { KeyedOperator, TimerClock, Turn } from '../operator.ts'
import { type Duration, milliseconds, type Milliseconds, type Timestamp } from '../time.ts'
import { attempt } from './attempt.ts'
import { checkKind, type JoinFunction, joined, type JoinKind, leavesAlone } from './join-kind.ts'
import type { Waiting } from './waiting-line.ts'
import { type JoinBuffer, joinBuffer } from './join-buffer.ts'

/** Whose time a result has: its left record's, its right record's, or the larger. A record that leaves alone has its own. */
export type ResultTime = 'left' | 'right' | 'max'

/** 0 left, 1 right. */
export type Side = 0 | 1

export interface IntervalOptions {
  /**
   * From when to when the right record's time may be, seen from the left record's: ['-1m', '10m'] is
   * from a minute before to ten minutes after, both ends included.
   */
  readonly within: readonly [lower: Duration, upper: Duration]
  /** Takes an end, or both, out of the interval. */
  readonly exclusive?: 'lower' | 'upper' | 'both'
  /** Default 'max'. */
  readonly time?: ResultTime
}

export interface IntervalJoin {
  /** The interval in whole milliseconds, both ends included. */
  readonly lowerMs: Milliseconds
  readonly upperMs: Milliseconds
  readonly kind: JoinKind
  readonly time: ResultTime
}

/** @throws RangeError when the interval is empty or a setting is none of its words. */
export function intervalJoin(
  operator: string,
  { within, exclusive, time = 'max', kind = 'inner' }: IntervalOptions & { kind?: JoinKind },
): IntervalJoin {
  checkKind(operator, kind)
  if (!['left', 'right', 'max'].includes(time)) {
    throw new RangeError(
      `join '${operator}': the result time ${JSON.stringify(time)} is none of left, right, max`,
    )
  }
  if (exclusive !== undefined && !['lower', 'upper', 'both'].includes(exclusive)) {
    throw new RangeError(
      `join '${operator}': exclusive ${JSON.stringify(exclusive)} is none of lower, upper, both`,
    )
  }
  const ends = [...within]
  if (ends.length !== 2) {
    throw new RangeError(`join '${operator}': within takes a lower and an upper end: ['0s', '10m']`)
  }
  const lower = milliseconds(within[0], `join '${operator}', lower end`)
  const upper = milliseconds(within[1], `join '${operator}', upper end`)
  const lowerMs = exclusive === 'lower' || exclusive === 'both' ? lower + 1 : lower
  const upperMs = exclusive === 'upper' || exclusive === 'both' ? upper - 1 : upper
  if (lowerMs > upperMs) {
    throw new RangeError(
      `join '${operator}': no time is within ${String(within[0])} and ${String(within[1])}` +
        `${exclusive === undefined ? '' : ` without its ${exclusive === 'both' ? 'ends' : `${exclusive} end`}`}; the lower end comes first`,
    )
  }
  return { lowerMs, upperMs, kind, time }
}

/**
 * By how much results may be older than the watermark. A record that leaves alone does so when the
 * watermark has come to the end of its interval; a pair is made when its later record comes, and may
 * carry the time of the earlier.
 */
export function holdBackOf({ lowerMs, upperMs, kind, time }: IntervalJoin): Milliseconds {
  const byLeft = leavesAlone(kind, 0) || time === 'left' ? upperMs : 0
  const byRight = leavesAlone(kind, 1) || time === 'right' ? -lowerMs : 0
  return Math.max(0, byLeft, byRight)
}

export class IntervalJoinOperator implements KeyedOperator {
  readonly state = { version: 1, cells: { waiting: joinBuffer() } }
  readonly holdBackMs: Milliseconds
  /** By side: from when to when a partner's time may be, seen from a record's own. */
  readonly fromMs: readonly [Milliseconds, Milliseconds]
  readonly untilMs: readonly [Milliseconds, Milliseconds]
  /** By side: whether records leave alone. */
  readonly leavesAlone: readonly [boolean, boolean]
  readonly #join: JoinFunction
  readonly #time: ResultTime

  constructor(interval: IntervalJoin, join: JoinFunction) {
    const { lowerMs, upperMs, kind, time } = interval
    this.#join = join
    this.#time = time
    this.fromMs = [lowerMs, -upperMs]
    this.untilMs = [upperMs, -lowerMs]
    this.leavesAlone = [leavesAlone(kind, 0), leavesAlone(kind, 1)]
    this.holdBackMs = holdBackOf(interval)
  }

  onRecord(turn: Turn, value: unknown, time: Timestamp, input: number): void {
    const side = input === 0 ? 0 : 1
    if (time <= turn.watermark) {
      turn.late({ side: side === 0 ? 'left' : 'right', value }, time)
      return
    }
    const waiting = turn.cell as JoinBuffer
    const outcome =
      waiting.size(other(side)) === 0 ? 'alone' : this.#meet(turn, waiting, { side, time, value })
    if (outcome === 'failed') return
    const lastTime = time + this.untilMs[side]
    if (lastTime > turn.watermark) {
      const isOnly = waiting.add(side, time, value, outcome === 'met')
      if (isOnly) turn.wakeAt(lastTime, 'event')
    } else if (outcome === 'alone' && this.leavesAlone[side]) {
      this.#leave(turn, { side, time, value })
    }
  }

  onTimer(turn: Turn, time: Timestamp, _clock: TimerClock): void {
    const waiting = turn.cell as JoinBuffer
    this.#release(turn, waiting, time, 0)
    this.#release(turn, waiting, time, 1)
  }

  /** Makes the pairs of a record with those of the other side that wait within its interval. */
  #meet(turn: Turn, waiting: JoinBuffer, record: Arrived): 'alone' | 'met' | 'failed' {
    const { side, time, value } = record
    const others = other(side)
    const first = waiting.countBefore(others, time + this.fromMs[side])
    const partners: Waiting[] = []
    for (let i = first; ; i++) {
      const partner = waiting.at(others, i)
      if (partner === undefined || partner.time > time + this.untilMs[side]) break
      partners.push(partner)
    }
    if (partners.length === 0) return 'alone'
    const results = attempt(turn, value, () =>
      partners.map((partner) => this.pair(side, value, partner.value)),
    )
    if (results === undefined) return 'failed'
    for (const [i, partner] of partners.entries()) {
      turn.emit(results[i], this.timeOf(side, time, partner.time))
      if (this.leavesAlone[others]) waiting.mark(others, first + i)
    }
    return 'met'
  }

  /** Lets the records go that no partner can meet any more. */
  #release(turn: Turn, waiting: JoinBuffer, time: Timestamp, side: Side): void {
    for (;;) {
      const record = waiting.at(side, 0)
      if (record === undefined || record.time + this.untilMs[side] > time) return
      if (this.leavesAlone[side] && !record.matched) this.#leave(turn, record)
      waiting.dropFirst(side)
    }
  }

  /** The result of a record that met none. */
  #leave(turn: Turn, { side, time, value }: Arrived): void {
    const result = attempt(turn, value, () => this.pair(side, value, undefined))
    if (result !== undefined) turn.emit(result, time)
  }

  /** The result of a record with its partner, or with none. @throws what user code throws. */
  pair(side: Side, value: unknown, partner: unknown): {} | null {
    return joined(side === 0 ? this.#join(value, partner) : this.#join(partner, value))
  }

  /** The time of the result of a record with a partner. */
  timeOf(side: Side, time: Timestamp, partnerTime: Timestamp): Timestamp {
    if (this.#time === 'max') return Math.max(time, partnerTime)
    return (this.#time === 'left') === (side === 0) ? time : partnerTime
  }
}

type Arrived = Pick<Waiting, 'side' | 'time' | 'value'>

const other = (side: Side): Side => (side === 0 ? 1 : 0)
