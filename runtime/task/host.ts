/** What a task needs of whatever runs one keyed operator: key actors, or slices of windows. */
import type { Push } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import type { StoreWriter } from '../state/store.ts'
import type { Steps } from '../time/turns.ts'

export interface Host {
  /** Name of the operator. */
  readonly name: string
  /** Takes the records of one of the operator's inputs, by its place among them. */
  pushOf(input: number): Push
  /**
   * Fires what is due in event time, and lets time go on behind the operator once that is all.
   * @returns false when the budget ran out before.
   */
  fireEventTimers(budget: number): boolean
  /** Fires what is due on the clock; false when the budget ran out before. */
  fireProcessingTimers(budget: number): boolean
  /** Whether something waits for an event time that has come. */
  readonly isDue: boolean
  /** The next time on the clock for which something waits; +∞ when nothing does. */
  readonly nextProcessingTime: Timestamp
  /**
   * Puts everything that changed since the last call into the commit of an epoch. Until all its steps are
   * taken nothing else is asked of the host.
   */
  write(writer: StoreWriter, epoch: number): Steps
  /** Makes room in memory once commits up to an epoch are committed; as undisturbed as `write`. */
  evict(committedEpoch: number): Steps
  /** Keys that are in memory: key actors, or slots of open windows. */
  readonly cachedKeys: number
  /** Whether the room in memory goes to what changed since the last commit: it cannot be evicted before the next. */
  readonly isCrowded: boolean
  /** Results handed on by timers: windows fired, alarms rung. */
  readonly fired: number
  /** Records that came too late. */
  readonly lateCount: number
}
