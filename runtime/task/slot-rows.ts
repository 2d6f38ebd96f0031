/**
 * The rows in the store of keys that are kept in slots: one a key. Writes those that changed, drops
 * others to make room, and reads them again.
 *
 * N1 A key whose slots differ from the committed store is in memory: changed, or just written. Only
 *    others are dropped to make room.
 */
import type { Key } from '../../operators/operator.ts'
import { inRowOrder, ownRowKey } from '../state/key-codec.ts'
import { decodeRow, encodeRow } from '../state/row-codec.ts'
import type { Store, StoreWriter } from '../state/store.ts'
import { ROWS_PER_STEP, type Steps } from '../time/turns.ts'
import type { CacheLimits } from './actor-cache.ts'
import { NO_SLOT } from './key-index.ts'
import type { KeyedSlots } from './keyed-slots.ts'
import { DIRTY, RECENT, STORED } from './slot-flags.ts'

/** A value in memory takes about this many times its encoded bytes. */
const BYTES_GROWTH = 2

export interface SlotRowsOptions {
  readonly store: Store
  /** Number of the operator in the store. */
  readonly number: number
  readonly limits: CacheLimits
  readonly mayHaveStored: boolean
  /** A rough price of a slot in memory beside its row. */
  readonly slotBytes: number
}

export class SlotRows {
  readonly #slots: KeyedSlots
  readonly #options: SlotRowsOptions
  /** Keys whose rows are to go with the next commit, and with the one that is under way. */
  #removed = new Set<Key>()
  #removing = new Set<Key>()
  /** The slot at which room is made next. */
  #hand = 0
  /** Mean bytes of a row as last written. */
  #rowBytes = 0
  /** Whether the store may have rows of keys that are not in memory. */
  someAreElsewhere: boolean

  constructor(slots: KeyedSlots, options: SlotRowsOptions) {
    this.#slots = slots
    this.#options = options
    this.someAreElsewhere = options.mayHaveStored
  }

  /** What the store has of a key that is not in memory. @param what it is, for messages. */
  read(key: Key, what: string): unknown {
    if (this.#removed.has(key) || this.#removing.has(key)) return undefined
    const bytes = this.#options.store.get('state', this.#rowKey(key))
    if (bytes === undefined) return undefined
    return decodeRow(bytes, `${what} of key ${JSON.stringify(key)}`).value
  }

  /** Lets a slot go for good, and with its key's last one the row. */
  free(slot: number): void {
    const slots = this.#slots
    const key = slots.keyOf(slot) as Key
    const wasStored = slots.flags.has(slot, STORED)
    const left = slots.free(slot)
    if (left !== NO_SLOT) slots.noteChanged(left)
    else if (wasStored) this.#removed.add(key)
  }

  /** Puts what changed into the commit of an epoch. @param rowOf a key's row, by its newest slot. */
  *write(writer: StoreWriter, epoch: number, rowOf: (first: number) => unknown): Steps {
    const removed = [...this.#removed]
    let rows = 0
    const places = Int32Array.from(removed.keys())
    for (const place of yield* inRowOrder(places, (at) => removed[at] as Key)) {
      writer.remove('state', this.#rowKey(removed[place] as Key))
      if (++rows % ROWS_PER_STEP === 0) yield
    }
    this.#removing = this.#removed
    this.#removed = new Set()
    const slots = this.#slots
    const keyOf = (slot: number): Key => slots.keyOf(slot) as Key
    const changed = yield* inRowOrder(yield* slots.takeChanged(), keyOf)
    let bytes = 0
    for (const first of changed) {
      if (++rows % ROWS_PER_STEP === 0) yield
      const row = encodeRow(rowOf(first), epoch)
      writer.put('state', this.#rowKey(keyOf(first)), row)
      bytes += row.length
    }
    if (changed.length > 0) this.#rowBytes = bytes / changed.length
  }

  /** Drops keys that did not change since they were last looked at (N1): a hand goes round over the slots. */
  *evict(): Steps {
    this.#removing = new Set()
    const slots = this.#slots
    for (let toLookAt = slots.slots; toLookAt > 0 && this.#isOverFull; toLookAt--) {
      if (toLookAt % ROWS_PER_STEP === 0) yield
      this.#hand = (this.#hand + 1) % slots.slots
      const key = slots.keyOf(this.#hand)
      if (key === undefined || this.#wasUsed(key)) continue
      this.someAreElsewhere = true
      for (let slot = slots.firstOf(key); slot !== NO_SLOT; slot = slots.free(slot));
    }
  }

  /** Whether what changed takes so much of too little room that it has to be written soon. */
  get isCrowded(): boolean {
    return this.#isOverFull && this.#slots.changedCount * 2 >= this.#options.limits.entriesMax
  }

  get #isOverFull(): boolean {
    const { limits, slotBytes } = this.#options
    const { size, bytesBeside } = this.#slots
    const bytes = size * (slotBytes + this.#rowBytes * BYTES_GROWTH) + bytesBeside * BYTES_GROWTH
    return size > limits.entriesMax || bytes > limits.bytesMax
  }

  /** Whether a key has changed since it was last asked; then it stays for now. */
  #wasUsed(key: Key): boolean {
    const slots = this.#slots
    let wasUsed = false
    for (let slot = slots.firstOf(key); slot !== NO_SLOT; slot = slots.nextOf(slot)) {
      if (slots.flags.has(slot, DIRTY | RECENT)) wasUsed = true
      slots.flags.unmark(slot, RECENT)
    }
    return wasUsed
  }

  #rowKey(key: Key): Uint8Array {
    return ownRowKey(this.#options.number, key)
  }
}
