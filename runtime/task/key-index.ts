/**
 * From keys to slots. Keys that are small whole numbers, the common ones, lie beside their slots in one
 * table with open addressing: with a million keys a Map costs several cache misses a look-up, which is
 * most of a record's time, and this one. All other keys are in a Map.
 */
import type { Key } from '../../operators/operator.ts'

/** What `get` gives for a key that is not there. */
export const NO_SLOT = -1

const CAPACITY_MIN = 64
/** 2^32 divided by the golden ratio: spreads neighbouring keys over the table (Knuth). */
const SPREAD = 0x9e3779b1

export class KeyIndex {
  readonly #others = new Map<Key, number>()
  /** Key and slot + 1, side by side; 0 where there is nothing. A power of two of places. */
  #table = new Int32Array(CAPACITY_MIN * 2)
  #mask = CAPACITY_MIN - 1
  #shift = 32 - Math.log2(CAPACITY_MIN)
  #count = 0

  get size(): number {
    return this.#count + this.#others.size
  }

  get(key: Key): number {
    if ((key as number) !== ((key as number) | 0)) return this.#others.get(key) ?? NO_SLOT
    const table = this.#table
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
    const table = this.#table
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

  #grow(): void {
    const before = this.#table
    this.#table = new Int32Array(before.length * 2)
    this.#mask = this.#mask * 2 + 1
    this.#shift -= 1
    this.#count = 0
    for (let i = 0; i < before.length; i += 2) {
      if (before[i + 1] !== 0) this.set(before[i] as number, (before[i + 1] as number) - 1)
    }
  }
}
