import type { Timestamp } from '../time.ts'
import type { StateCell } from './cell.ts'
import type { Expiring, Life } from './expiring.ts'
import { Stamped } from './stamped.ts'
import type { ValueCell } from './value-cell.ts'

/** One value of a key that lives for a time. */
export class ExpiringValue<Value>
  implements Expiring, Pick<ValueCell<Value>, 'isEmpty' | 'get' | 'set' | 'clear'>
{
  readonly clock
  readonly #life: Life
  /** Values that were written before there was a time to live have no stamp. */
  #cell: ValueCell<Stamped<Value> | Value> | undefined

  constructor(life: Life) {
    this.clock = life.clock
    this.#life = life
  }

  bind(cell: StateCell): void {
    this.#cell = cell as ValueCell<Stamped<Value> | Value>
  }

  get isEmpty(): boolean {
    return this.#living() === undefined
  }

  get(): Value | undefined {
    const held = this.#living()
    if (held === undefined) return undefined
    if (this.#life.isRefreshedByReading) this.#refresh(held)
    return held.value
  }

  set(value: Value): void {
    this.#cell?.set(this.#life.stamp(value))
  }

  clear(): void {
    this.#cell?.clear()
  }

  sweep(): Timestamp {
    const held = this.#living()
    return held === undefined ? Number.POSITIVE_INFINITY : this.#life.removalOf(held.at)
  }

  /** The value, if its time is not over; then it is removed. */
  #living(): Stamped<Value> | undefined {
    const held = this.#cell?.get()
    if (held === undefined) return undefined
    if (held instanceof Stamped) {
      if (!this.#life.isOver(held.at)) return held
      this.clear()
      return undefined
    }
    // What is first seen under a time to live begins to live now.
    const stamped = this.#life.stamp(held)
    this.#cell?.set(stamped)
    return stamped
  }

  #refresh(held: Stamped<Value>): void {
    const stamped = this.#life.stamp(held.value, held.at)
    if (stamped.at > held.at) this.#cell?.set(stamped)
  }
}
