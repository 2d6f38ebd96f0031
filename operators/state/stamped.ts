import type { Timestamp } from '../time.ts'

/**
 * A value with the time at which it was last written: what a cell with a time to live keeps. It is
 * told from a value without by its class, in memory and in the store: so a time to live can be given
 * to state that has none, and taken away again.
 */
export class Stamped<Value = unknown> {
  readonly at: Timestamp
  readonly value: Value

  constructor(at: Timestamp, value: Value) {
    this.at = at
    this.value = value
  }
}

/** The value, whether it has a stamp or not. */
export const unstamped = (stored: unknown): unknown =>
  stored instanceof Stamped ? stored.value : stored
