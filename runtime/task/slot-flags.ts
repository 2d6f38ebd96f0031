/** What a store knows of each slot of a host that keeps its keys in columns. */

/** The store has a row of this slot. */
export const STORED = 1
/** Changed since the last commit was put together. */
export const DIRTY = 2
/** Changed since room was last made. */
export const RECENT = 4

const CAPACITY_MIN = 64

/** Bits by slot: those above, and what else a host wants to remember. */
export class SlotFlags {
  #bits = new Uint8Array(CAPACITY_MIN)

  /** All bits of a slot. */
  of(slot: number): number {
    return this.#bits[slot] as number
  }

  set(slot: number, bits: number): void {
    if (slot >= this.#bits.length) this.#grow()
    this.#bits[slot] = bits
  }

  has(slot: number, flag: number): boolean {
    return (this.of(slot) & flag) !== 0
  }

  mark(slot: number, flag: number): void {
    this.#bits[slot] = this.of(slot) | flag
  }

  unmark(slot: number, flag: number): void {
    this.#bits[slot] = this.of(slot) & ~flag
  }

  /** Slots are made in order, so one step of growth is always enough. */
  #grow(): void {
    const grown = new Uint8Array(this.#bits.length * 2)
    grown.set(this.#bits)
    this.#bits = grown
  }
}
