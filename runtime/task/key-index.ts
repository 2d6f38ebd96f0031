/**
 * From keys to slots. Keys that are small whole numbers, the common ones, are in one table. As long as they
 * count from about zero, as numbers that were given out do, the table has the slot of each key at the key's
 * own place: a fourth of the memory, and no search. Else they lie beside their slots, with open addressing:
 * with a million keys a Map costs several cache misses a look-up, which is most of a record's time, and
 * this one. All other keys are in a Map.
 */
import type { Key } from '../../operators/operator.ts'

/** What `get` gives for a key that is not there. */
export const NO_SLOT = -1

const CAPACITY_MIN = 64
/** A table by key has at most this many places for each key: it then is no larger than the other one. */
const PLACES_PER_KEY_MAX = 8
/** 2^32 divided by the golden ratio: spreads neighbouring keys over the table (Knuth). */
const SPREAD = 0x9e3779b1

export class KeyIndex {
  readonly #others = new Map<Key, number>()
  /**
   * By key: slot + 1 at the place of the key. Else key and slot + 1, side by side, in a power of two of
   * places. 0 where there is nothing.
   */
  #table = new Int32Array(CAPACITY_MIN * 2)
  #isByKey = false
  #mask = CAPACITY_MIN - 1
  #shift = 32 - Math.log2(CAPACITY_MIN)
  #count = 0

  get size(): number {
    return this.#count + this.#others.size
  }

  get(key: Key): number {
    if ((key as number) !== ((key as number) | 0)) return this.#others.get(key) ?? NO_SLOT
    const table = this.#table
    if (this.#isByKey) {
      return (key as number) >>> 0 < table.length ? (table[key as number] as number) - 1 : NO_SLOT
    }
    const mask = this.#mask
    let place = Math.imul(key as number, SPREAD) >>> this.#shift
    for (;;) {
      const slot = table[2 * place + 1] as number
      if (slot === 0) return NO_SLOT
      if (table[2 * place] === key) return slot - 1
      place = (place + 1) & mask
    }
  }

  set(key: Key, slot: number): void {
    if ((key as number) !== ((key as number) | 0)) {
      this.#others.set(key, slot)
      return
    }
    if (this.#isByKey && !this.#hasPlaceOf(key as number)) this.#leaveByKey(key as number)
    const table = this.#table
    if (this.#isByKey) {
      if (table[key as number] === 0) this.#count += 1
      table[key as number] = slot + 1
      return
    }
    let place = this.#home(key as number)
    while (table[2 * place + 1] !== 0 && table[2 * place] !== key) place = (place + 1) & this.#mask
    const isNew = table[2 * place + 1] === 0
    table[2 * place] = key as number
    table[2 * place + 1] = slot + 1
    if (!isNew) return
    this.#count += 1
    // At most half full: then the place of a key is mostly its home or the next.
    if (this.#count * 2 > this.#mask) this.#grow()
  }

  delete(key: Key): void {
    if ((key as number) !== ((key as number) | 0)) {
      this.#others.delete(key)
      return
    }
    const table = this.#table
    if (this.#isByKey) {
      if (!this.#hasPlaceOf(key as number) || table[key as number] === 0) return
      table[key as number] = 0
      this.#count -= 1
      return
    }
    const mask = this.#mask
    let place = this.#home(key as number)
    for (; table[2 * place] !== key || table[2 * place + 1] === 0; place = (place + 1) & mask) {
      if (table[2 * place + 1] === 0) return
    }
    this.#count -= 1
    // What lies behind moves up, so that no search ends at the gap (Knuth 6.4, algorithm R).
    let gap = place
    for (;;) {
      place = (place + 1) & mask
      if (table[2 * place + 1] === 0) break
      const home = this.#home(table[2 * place] as number)
      const isBetween = ((place - home) & mask) < ((place - gap) & mask)
      if (isBetween) continue
      table[2 * gap] = table[2 * place] as number
      table[2 * gap + 1] = table[2 * place + 1] as number
      gap = place
    }
    table[2 * gap + 1] = 0
  }

  clear(): void {
    this.#others.clear()
    if (this.#count > 0) this.#table.fill(0)
    this.#count = 0
  }

  #home(key: number): number {
    return Math.imul(key, SPREAD) >>> this.#shift
  }

  /** Whether a table by key has room for a key. */
  #hasPlaceOf(key: number): boolean {
    return key >>> 0 < this.#table.length
  }

  /** A key has come that a table by key has no place for: makes a larger one, or one by search. */
  #leaveByKey(key: number): void {
    const before = this.#table
    const places = powerOfTwoAbove(key >>> 0)
    if (places <= (this.#count + 1) * PLACES_PER_KEY_MAX) {
      this.#table = new Int32Array(places)
      this.#table.set(before)
      return
    }
    this.#isByKey = false
    this.#makeTable(Math.max(CAPACITY_MIN, powerOfTwoAbove(this.#count * 2)))
    for (let old = 0; old < before.length; old++) {
      if (before[old] !== 0) this.set(old, (before[old] as number) - 1)
    }
  }

  #makeTable(capacity: number): void {
    this.#table = new Int32Array(capacity * 2)
    this.#mask = capacity - 1
    this.#shift = 32 - Math.log2(capacity)
    this.#count = 0
  }

  #grow(): void {
    const before = this.#table
    this.#makeTable((this.#mask + 1) * 2)
    this.#isByKey = this.#areBelow(before, this.#table.length)
    for (let i = 0; i < before.length; i += 2) {
      if (before[i + 1] !== 0) this.set(before[i] as number, (before[i + 1] as number) - 1)
    }
  }

  #areBelow(table: Int32Array, limit: number): boolean {
    for (let i = 0; i < table.length; i += 2) {
      if (table[i + 1] !== 0 && (table[i] as number) >>> 0 >= limit) return false
    }
    return true
  }
}

/** The smallest power of two that is larger. */
const powerOfTwoAbove = (number: number): number => 2 ** (32 - Math.clz32(number))
