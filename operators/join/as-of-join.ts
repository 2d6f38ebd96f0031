/**
 * Joins each left record with the newest right record of its key that is not newer than itself, once
 * the watermark has come to the left record's time: then no other can come. Of right records of one
 * time the later in the order of input counts.
 *
 * O1 Of the right records up to the watermark only the newest can be met by a left record to come:
 *    the others go with the key's next turn, and one that has become older than the tolerance at once.
 * O2 A right record that comes late is taken for the left records to come, and changes no result that
 *    was given; it is late only when no left record to come can meet it.
 */
import type { KeyedOperator, TimerClock, Turn } from '../operator.ts'
import { type Duration, milliseconds, type Milliseconds, type Timestamp } from '../time.ts'
import { attempt } from './attempt.ts'
import { type JoinBuffer, joinBuffer } from './join-buffer.ts'
import { type JoinFunction, joined } from './join-kind.ts'
import type { Waiting } from './waiting-line.ts'

export type AsOfKind = 'inner' | 'left'

export interface AsOfOptions {
  /** How much older than the left record the right one may be; default: as old as it is. */
  readonly tolerance?: Duration
}

export interface AsOfJoin {
  /** +∞ when any age will do. */
  readonly toleranceMs: Milliseconds
  readonly kind: AsOfKind
}

/** @throws RangeError when the tolerance is negative or the kind neither inner nor left. */
export function asOfJoin(
  operator: string,
  { tolerance, kind = 'inner' }: AsOfOptions & { readonly kind?: AsOfKind },
): AsOfJoin {
  if (kind !== 'inner' && kind !== 'left') {
    throw new RangeError(
      `as-of join '${operator}': the kind ${JSON.stringify(kind)} is none of inner, left`,
    )
  }
  if (tolerance === undefined) return { toleranceMs: Number.POSITIVE_INFINITY, kind }
  const toleranceMs = milliseconds(tolerance, `as-of join '${operator}', tolerance`)
  if (toleranceMs < 0) {
    throw new RangeError(
      `as-of join '${operator}': the tolerance ${String(tolerance)} is negative; right records are never newer than the left one`,
    )
  }
  return { toleranceMs, kind }
}

const [LEFT, RIGHT] = [0, 1] as const

export class AsOfJoinOperator implements KeyedOperator {
  readonly state = { version: 1, cells: { waiting: joinBuffer() } }
  readonly #join: JoinFunction
  readonly #toleranceMs: Milliseconds
  readonly #leavesAlone: boolean

  constructor({ toleranceMs, kind }: AsOfJoin, join: JoinFunction) {
    this.#join = join
    this.#toleranceMs = toleranceMs
    this.#leavesAlone = kind === 'left'
  }

  onRecord(turn: Turn, value: unknown, time: Timestamp, input: number): void {
    const waiting = turn.cell as JoinBuffer
    if (input === RIGHT) this.#takeRight(turn, waiting, value, time)
    else if (time <= turn.watermark) turn.late({ side: 'left', value }, time)
    else if (waiting.add(LEFT, time, value, false)) turn.wakeAt(time, 'event')
  }

  #takeRight(turn: Turn, waiting: JoinBuffer, value: unknown, time: Timestamp): void {
    const { watermark } = turn
    const isReplaced = waiting.countUpTo(RIGHT, watermark) > waiting.countUpTo(RIGHT, time)
    if (time <= watermark && (isReplaced || time + this.#toleranceMs <= watermark)) {
      turn.late({ side: 'right', value }, time)
      return
    }
    const isOnly = waiting.add(RIGHT, time, value, false)
    this.#dropReplaced(waiting, watermark)
    if (isOnly && this.#toleranceMs !== Number.POSITIVE_INFINITY) {
      turn.wakeAt(time + this.#toleranceMs, 'event')
    }
  }

  onTimer(turn: Turn, time: Timestamp, _clock: TimerClock): void {
    const waiting = turn.cell as JoinBuffer
    for (;;) {
      const left = waiting.at(LEFT, 0)
      if (left === undefined || left.time > time) break
      this.#meet(turn, waiting, left)
      waiting.dropFirst(LEFT)
    }
    this.#dropReplaced(waiting, time)
    for (;;) {
      const right = waiting.at(RIGHT, 0)
      if (right === undefined || right.time + this.#toleranceMs > time) return
      waiting.dropFirst(RIGHT)
    }
  }

  #meet(turn: Turn, waiting: JoinBuffer, { value, time }: Waiting): void {
    const newest = waiting.at(RIGHT, waiting.countUpTo(RIGHT, time) - 1)
    const right =
      newest !== undefined && newest.time >= time - this.#toleranceMs ? newest : undefined
    if (right === undefined && !this.#leavesAlone) return
    const result = attempt(turn, value, () => joined(this.#join(value, right?.value)))
    if (result !== undefined) turn.emit(result, time)
  }

  /** Drops the right records behind which there is another one up to a time (O1). */
  #dropReplaced(waiting: JoinBuffer, upTo: Timestamp): void {
    while ((waiting.at(RIGHT, 1)?.time ?? Number.POSITIVE_INFINITY) <= upTo) {
      waiting.dropFirst(RIGHT)
    }
  }
}
