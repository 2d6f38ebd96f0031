import type { KeyedOperator, TimerClock, Turn } from './operator.ts'
import { sharedTime } from './shared-time.ts'
import { map, type MapCell } from './state.ts'
import { type Duration, milliseconds, type Milliseconds, type Timestamp } from './time.ts'

export interface DeduplicateOptions {
  /** How far in event time from the record that was kept its duplicates are; earlier or later. */
  readonly within: Duration
  /** How long the keys of records are remembered beyond the watermark, for late ones; default 0. */
  readonly allowedLateness?: Duration
}

/** The side output of records of which an equal one was kept. */
export const DUPLICATES = 'duplicates'

/**
 * Keeps the first record of each key, and sets those aside that follow it.
 *
 * First is what comes first, whatever its time: nothing waits. A record is a duplicate when its time is
 * less than `within` away from that of a kept record of its key; later duplicates do not prolong this.
 * A record too late to tell (kept ones of its time may be forgotten) is late, and neither kept nor
 * taken for a duplicate.
 *
 * A key's kept records are at least `within` apart: so each stretch of that length has at most one,
 * and the stretches of a record's time and its two neighbours are all there is to look at.
 */
export class DeduplicateOperator implements KeyedOperator {
  readonly state = { version: 1, cells: { kept: map<number, Timestamp>() } }
  readonly #withinMs: Milliseconds
  readonly #latenessMs: Milliseconds

  /** @throws RangeError when `within` is not positive, or the lateness negative. */
  constructor(name: string, { within, allowedLateness = 0 }: DeduplicateOptions) {
    this.#withinMs = milliseconds(within, `deduplicate '${name}': within`)
    this.#latenessMs = milliseconds(allowedLateness, `deduplicate '${name}': allowedLateness`)
    if (this.#withinMs <= 0) {
      throw new RangeError(`deduplicate '${name}': within ${String(within)} is not positive`)
    }
    if (this.#latenessMs < 0) {
      throw new RangeError(
        `deduplicate '${name}': allowedLateness ${String(allowedLateness)} is negative`,
      )
    }
  }

  onRecord(turn: Turn, record: unknown, time: Timestamp): void {
    const kept = turn.cell as MapCell<number, Timestamp>
    const stretch = Math.floor(time / this.#withinMs)
    for (let at = stretch - 1; at <= stretch + 1; at++) {
      const keptTime = kept.get(at)
      if (keptTime === undefined || Math.abs(keptTime - time) >= this.#withinMs) continue
      turn.emitTo(DUPLICATES, record, time)
      return
    }
    if (time + this.#latenessMs <= turn.watermark) {
      turn.late(record, time)
      return
    }
    kept.set(stretch, time)
    turn.wakeAt(sharedTime(this.#forgetTime(time), this.#withinMs), 'event')
    turn.emit(record, time)
  }

  onTimer(turn: Turn, time: Timestamp, _clock: TimerClock): void {
    const kept = turn.cell as MapCell<number, Timestamp>
    for (const [stretch, keptTime] of kept) {
      if (this.#forgetTime(keptTime) <= time) kept.delete(stretch)
    }
  }

  /** From when on every record that could be a duplicate is late: those still to come are later. */
  #forgetTime(keptTime: Timestamp): Timestamp {
    return keptTime + this.#withinMs - 1 + this.#latenessMs
  }
}
