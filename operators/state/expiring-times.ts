import type { Timestamp } from '../time.ts'
import type { StateCell } from './cell.ts'
import type { Expiring, Life } from './expiring.ts'
import type { TimeCell } from './time-cell.ts'

type PublicNames =
  | 'isEmpty'
  | 'size'
  | 'first'
  | 'last'
  | 'add'
  | 'at'
  | 'range'
  | 'delete'
  | 'deleteBefore'
  | 'clear'

/** Values of a key by time that live for a time counted from their own: they need no stamps. */
export class ExpiringTimes<Value> implements Expiring, Pick<TimeCell<Value>, PublicNames> {
  readonly clock
  readonly #life: Life
  #cell: TimeCell<Value> | undefined

  constructor(life: Life) {
    this.clock = life.clock
    this.#life = life
  }

  bind(cell: StateCell): void {
    this.#cell = cell as TimeCell<Value>
  }

  get isEmpty(): boolean {
    return this.size === 0
  }

  get size(): number {
    return this.#living()?.size ?? 0
  }

  get first(): Timestamp | undefined {
    return this.#living()?.first
  }

  get last(): Timestamp | undefined {
    return this.#living()?.last
  }

  /** A value whose time is over already is not kept. */
  add(time: Timestamp, value: Value): void {
    if (this.#life.isOver(time)) return
    this.#cell?.add(time, value)
    this.#life.expire(time)
  }

  at(time: Timestamp): Value[] {
    return this.#living()?.at(time) ?? []
  }

  range(from?: Timestamp, to?: Timestamp): (readonly [time: Timestamp, value: Value])[] {
    return this.#living()?.range(from, to) ?? []
  }

  delete(time: Timestamp): number {
    return this.#living()?.delete(time) ?? 0
  }

  deleteBefore(time: Timestamp): number {
    return this.#living()?.deleteBefore(time) ?? 0
  }

  clear(): void {
    this.#cell?.clear()
  }

  sweep(): Timestamp {
    const earliest = this.#living()?.first
    return earliest === undefined ? Number.POSITIVE_INFINITY : this.#life.nextPass(earliest)
  }

  /** The cell without what is over, which is always at its start. */
  #living(): TimeCell<Value> | undefined {
    this.#cell?.deleteBefore(Math.floor(this.#life.overUpTo) + 1)
    return this.#cell
  }
}
