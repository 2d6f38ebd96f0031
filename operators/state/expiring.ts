/**
 * Cells with a time to live. The cell itself is an ordinary one and holds stamped values; what user
 * code sees is a view of it, one for an operator and not one for a key, bound to the cell of the key
 * whose turn it is. So a time to live costs a stamp an entry and nothing else.
 */
import type { TimerClock } from '../operator.ts'
import type { Timestamp } from '../time.ts'
import type { StateCell } from './cell.ts'
import { sharedTime } from '../shared-time.ts'
import { Stamped } from './stamped.ts'
import type { Lifetime } from './time-to-live.ts'

/** Entries of collections are removed in passes, at least this part of their lifetime apart. */
const PASSES_A_LIFETIME = 4

/** What a view knows of the turn. */
export interface LifeClock {
  /** How far time has come for the turn: what was to live until then is over. */
  timeOf(clock: TimerClock): Timestamp
  /** The time of what is written now. */
  stampOf(clock: TimerClock): Timestamp
  /** Asks for a removal of what is over at a time, or earlier. */
  expireAt(at: Timestamp, clock: TimerClock): void
}

/** A view of a cell with a time to live. */
export interface Expiring {
  readonly clock: TimerClock
  /** Sets the view on the cell of a key. */
  bind(cell: StateCell): void
  /** Removes what is over. @returns when to come again; +∞ when nothing is left. */
  sweep(): Timestamp
}

/** The stamps of one cell: when they are made, and when they are over. */
export class Life {
  readonly clock: TimerClock
  readonly #lifetime: Lifetime
  readonly #lifeClock: LifeClock

  constructor(lifetime: Lifetime, lifeClock: LifeClock) {
    this.clock = lifetime.clock
    this.#lifetime = lifetime
    this.#lifeClock = lifeClock
  }

  get isRefreshedByReading(): boolean {
    return this.#lifetime.isRefreshedByReading
  }

  get now(): Timestamp {
    return this.#lifeClock.timeOf(this.clock)
  }

  /** The stamp of what is written now, not earlier than another one. */
  stamp<Value>(value: Value, notBefore = Number.NEGATIVE_INFINITY): Stamped<Value> {
    const at = Math.max(this.#lifeClock.stampOf(this.clock), notBefore)
    this.expire(at)
    return new Stamped(at, value)
  }

  /** From when on something of a time is over. */
  endOf(at: Timestamp): Timestamp {
    return at + this.#lifetime.lifeMs
  }

  isOver(at: Timestamp): boolean {
    return this.now >= this.endOf(at)
  }

  /** Something of this time and everything before it is over. */
  get overUpTo(): Timestamp {
    return this.now - this.#lifetime.lifeMs
  }

  /** Asks for the removal of something of a time. */
  expire(at: Timestamp): void {
    this.#lifeClock.expireAt(this.removalOf(at), this.clock)
  }

  /** When something of a time is to be removed: not long after its end, and together with others. */
  removalOf(at: Timestamp): Timestamp {
    return sharedTime(this.endOf(at), this.#lifetime.lifeMs)
  }

  /** When to look at a collection again of which the earliest entry has this time. */
  nextPass(earliest: Timestamp): Timestamp {
    const passMs = Math.floor(this.#lifetime.lifeMs / PASSES_A_LIFETIME)
    return Math.max(this.removalOf(earliest), sharedTime(this.now + passMs, passMs))
  }
}
