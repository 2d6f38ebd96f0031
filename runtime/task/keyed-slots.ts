/**
 * Slots of keys: what is kept of millions of keys lies in columns, at a slot's place in each. A key may
 * have several slots; nearly always it has one. Slots that were let go are used again.
 */
import type { Key } from '../../operators/operator.ts'
import { KeyIndex, NO_SLOT } from './key-index.ts'
import { ROWS_PER_STEP } from '../time/turns.ts'
import { DIRTY, RECENT, SlotFlags, STORED } from './slot-flags.ts'

/** Its key had other slots when this one was made, or has got some since. */
const SEVERAL = 8
/** Stands among the changed ones; it goes on to do so when the slot is let go and made again. */
const LISTED = 16

const CAPACITY_MIN = 256

export class KeyedSlots {
  /** The newest slot of each key. */
  readonly #first = new KeyIndex()
  /** By slot; undefined where a slot is free. */
  readonly #keys: (Key | undefined)[] = []
  readonly #free: number[] = []
  /** The next older slot of the same key. */
  #next = new Int32Array(CAPACITY_MIN)
  #changed: number[] = []
  readonly flags = new SlotFlags()
  size = 0

  /** The newest slot of a key; -1 when it has none. */
  firstOf(key: Key): number {
    return this.#first.get(key)
  }

  /** The next older one of the same key; -1 behind the last. */
  nextOf(slot: number): number {
    return this.#next[slot] as number
  }

  /** The newest slot of a slot's key. */
  firstBeside(slot: number): number {
    return this.flags.has(slot, SEVERAL) ? this.firstOf(this.#keys[slot] as Key) : slot
  }

  /** The key of a slot; undefined when the slot is free. */
  keyOf(slot: number): Key | undefined {
    return this.#keys[slot]
  }

  /** One more than the largest slot so far. */
  get slots(): number {
    return this.#keys.length
  }

  /** For how many slots a column needs room. */
  get capacity(): number {
    return this.#next.length
  }

  /** About how many bytes belong to the slots that are stored beside their keys' rows. */
  get bytesBeside(): number {
    return 0
  }

  /** How many slots have changed since they were last taken. */
  get changedCount(): number {
    return this.#changed.length
  }

  /**
   * A new slot.
   * @param first what firstOf(key) gives: looked up once, which is most of the cost with many keys.
   */
  make(key: Key, first: number): number {
    const freed = this.#free.pop()
    const slot = freed ?? this.#keys.length
    if (slot >= this.#next.length) this.#grow()
    this.#keys[slot] = key
    this.#next[slot] = first
    const listed = freed === undefined ? 0 : this.flags.of(freed) & LISTED
    const isOnly = first === NO_SLOT
    this.flags.set(slot, listed | (isOnly ? 0 : (this.flags.of(first) & STORED) | SEVERAL))
    if (!isOnly) this.flags.mark(first, SEVERAL)
    this.#first.set(key, slot)
    this.size += 1
    return slot
  }

  /** Lets a slot go. @returns the newest one of its key that is left, or -1. */
  free(slot: number): number {
    const key = this.#keys[slot] as Key
    const next = this.nextOf(slot)
    let left = slot
    // One that is alone needs no look-up to know that it is the first.
    if (this.flags.has(slot, SEVERAL)) left = this.firstOf(key)
    if (left === slot) {
      left = next
      if (next === NO_SLOT) this.#first.delete(key)
      else this.#first.set(key, next)
    } else {
      let before = left
      while (this.nextOf(before) !== slot) before = this.nextOf(before)
      this.#next[before] = next
    }
    this.flags.set(slot, this.flags.of(slot) & LISTED)
    this.#keys[slot] = undefined
    this.#free.push(slot)
    this.size -= 1
    return left
  }

  noteChanged(slot: number): void {
    const { flags } = this
    const bits = flags.of(slot)
    if ((bits & LISTED) === 0) this.#changed.push(slot)
    flags.set(slot, bits | DIRTY | RECENT | LISTED)
  }

  /** The newest slots of the keys that have changed since the last call, one a key. */
  *takeChanged(): Generator<void, Int32Array> {
    const changed = this.#changed
    this.#changed = []
    const firsts = new Int32Array(changed.length)
    let count = 0
    let looked = 0
    for (const slot of changed) {
      if (++looked % ROWS_PER_STEP === 0) yield
      this.flags.unmark(slot, LISTED)
      // Let go since, or taken already with another slot of its key.
      if (!this.flags.has(slot, DIRTY)) continue
      const first = this.firstBeside(slot)
      for (let of = first; of !== NO_SLOT; of = this.nextOf(of)) {
        this.flags.unmark(of, DIRTY)
        this.flags.mark(of, STORED)
      }
      firsts[count++] = first
    }
    return firsts.subarray(0, count)
  }

  #grow(): void {
    const grown = new Int32Array(this.#next.length * 2)
    grown.set(this.#next)
    this.#next = grown
  }
}
