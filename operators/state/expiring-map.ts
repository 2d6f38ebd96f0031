import type { Timestamp } from '../time.ts'
import type { EntryKey, StateCell } from './cell.ts'
import type { Expiring, Life } from './expiring.ts'
import type { MapCell } from './map-cell.ts'
import { Stamped } from './stamped.ts'

type PublicNames =
  | 'isEmpty'
  | 'size'
  | 'get'
  | 'has'
  | 'set'
  | 'delete'
  | 'clear'
  | 'keys'
  | 'values'
  | 'entries'
  | typeof Symbol.iterator

/**
 * A map of a key each of whose entries lives for a time. Reading a value refreshes it where that is
 * asked for; asking for keys, for their presence and for their number does not.
 */
export class ExpiringMap<K extends EntryKey, Value>
  implements Expiring, Pick<MapCell<K, Value>, PublicNames>
{
  readonly clock
  readonly #life: Life
  /** Values that were written before there was a time to live have no stamp. */
  #cell: MapCell<K, Stamped<Value> | Value> | undefined

  constructor(life: Life) {
    this.clock = life.clock
    this.#life = life
  }

  bind(cell: StateCell): void {
    this.#cell = cell as unknown as MapCell<K, Stamped<Value> | Value>
  }

  get isEmpty(): boolean {
    return this.#cell?.isEmpty !== false || this.size === 0
  }

  /** Looks at every entry. */
  get size(): number {
    return this.#living().length
  }

  has(key: K): boolean {
    return this.#livingAt(key) !== undefined
  }

  get(key: K): Value | undefined {
    const held = this.#livingAt(key)
    if (held === undefined) return undefined
    this.#noteReading(key, held)
    return held.value
  }

  /** @throws TypeError when the value is undefined: that is what an absent entry has. */
  set(key: K, value: Value): void {
    if (value === undefined) throw new TypeError(`the entry '${key}' of a map cannot be undefined`)
    this.#cell?.set(key, this.#life.stamp(value))
  }

  delete(key: K): boolean {
    return this.has(key) && this.#cell?.delete(key) === true
  }

  clear(): void {
    this.#cell?.clear()
  }

  keys(): IterableIterator<K> {
    return this.#living()
      .map(([key]) => key)
      .values()
  }

  values(): IterableIterator<Value> {
    return this.#read()
      .map(([, value]) => value)
      .values()
  }

  entries(): IterableIterator<[K, Value]> {
    return this.#read().values()
  }

  [Symbol.iterator](): IterableIterator<[K, Value]> {
    return this.entries()
  }

  sweep(): Timestamp {
    let earliest = Number.POSITIVE_INFINITY
    for (const [, { at }] of this.#living()) earliest = Math.min(earliest, at)
    return this.#life.nextPass(earliest)
  }

  #read(): [K, Value][] {
    return this.#living().map(([key, held]) => {
      this.#noteReading(key, held)
      return [key, held.value]
    })
  }

  #living(): [K, Stamped<Value>][] {
    const keys = [...(this.#cell?.keys() ?? [])]
    return keys.flatMap((key): [K, Stamped<Value>][] => {
      const held = this.#livingAt(key)
      return held === undefined ? [] : [[key, held]]
    })
  }

  /** The entry, if its time is not over; then it is removed. */
  #livingAt(key: K): Stamped<Value> | undefined {
    const held = this.#cell?.get(key)
    if (held === undefined) return undefined
    if (held instanceof Stamped) {
      if (!this.#life.isOver(held.at)) return held
      this.#cell?.delete(key)
      return undefined
    }
    // What is first seen under a time to live begins to live now.
    const stamped = this.#life.stamp(held)
    this.#cell?.set(key, stamped)
    return stamped
  }

  #noteReading(key: K, held: Stamped<Value>): void {
    if (!this.#life.isRefreshedByReading) return
    const stamped = this.#life.stamp(held.value, held.at)
    if (stamped.at > held.at) this.#cell?.set(key, stamped)
  }
}
