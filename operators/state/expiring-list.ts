import type { Timestamp } from '../time.ts'
import type { StateCell } from './cell.ts'
import type { Expiring, Life } from './expiring.ts'
import type { ListCell } from './list-cell.ts'
import { Stamped } from './stamped.ts'

type PublicNames = 'isEmpty' | 'length' | 'at' | 'push' | 'shift' | 'toArray' | 'clear'

/**
 * A list of a key each of whose values lives for a time from when it was pushed; and not shorter than
 * the values before it: so it is always the oldest that go.
 */
export class ExpiringList<Value> implements Expiring, Pick<ListCell<Value>, PublicNames> {
  readonly clock
  readonly #life: Life
  /** Values that were pushed before there was a time to live have no stamp. */
  #cell: ListCell<Stamped<Value> | Value> | undefined

  constructor(life: Life) {
    this.clock = life.clock
    this.#life = life
  }

  bind(cell: StateCell): void {
    this.#cell = cell as ListCell<Stamped<Value> | Value>
  }

  get isEmpty(): boolean {
    return this.length === 0
  }

  get length(): number {
    return this.#living()?.length ?? 0
  }

  at(index: number): Value | undefined {
    return this.#living()?.at(index)?.value
  }

  push(value: Value): void {
    const cell = this.#living()
    cell?.push(this.#life.stamp(value, cell.at(cell.length - 1)?.at))
  }

  shift(): Value | undefined {
    return this.#living()?.shift()?.value
  }

  toArray(): Value[] {
    return (
      this.#living()
        ?.toArray()
        .map(({ value }) => value) ?? []
    )
  }

  clear(): void {
    this.#cell?.clear()
  }

  sweep(): Timestamp {
    const oldest = this.#living()?.at(0)
    return oldest === undefined ? Number.POSITIVE_INFINITY : this.#life.nextPass(oldest.at)
  }

  /** The cell without what is over, which is always at its start. */
  #living(): ListCell<Stamped<Value>> | undefined {
    const cell = this.#cell
    if (cell === undefined) return undefined
    if (!(cell.at(0) instanceof Stamped)) this.#stampAll(cell)
    const stamped = cell as ListCell<Stamped<Value>>
    for (let oldest = stamped.at(0); oldest !== undefined; oldest = stamped.at(0)) {
      if (!this.#life.isOver(oldest.at)) break
      stamped.shift()
    }
    return stamped
  }

  /** What is first seen under a time to live begins to live now. */
  #stampAll(cell: ListCell<Stamped<Value> | Value>): void {
    const values = cell.toArray()
    if (values.length === 0) return
    cell.clear()
    for (const held of values) cell.push(held instanceof Stamped ? held : this.#life.stamp(held))
  }
}
