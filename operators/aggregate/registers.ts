/**
 * The registers of a HyperLogLog as plain numbers: a rank from 0 to 61 for each of 2^precision
 * indexes. While few are set they are a rising list of `index * 64 + rank`; later five ranks share
 * a number, which is small enough for the engine to keep without a box. Which of the two follows
 * from what is set, and not from how it came to be; their lengths tell them apart.
 */
import type { Hash } from './hash.ts'

const RANK_BITS = 6
const RANK_MASK = 63
const RANKS_PER_WORD = 5
/** In a longer list it takes too long to make room for an entry. */
const LISTED_MAX = 1_000

/** The shape of all registers of one precision. */
export interface RegisterShape {
  readonly registers: number
  /** The length of the packed form. */
  readonly words: number
  /** The longest list. */
  readonly listedMax: number
}

/** The shape of 2^precision registers. */
export function registerShape(precision: number): RegisterShape {
  const registers = 2 ** precision
  const words = Math.ceil(registers / RANKS_PER_WORD)
  return { registers, words, listedMax: Math.min(words - 1, LISTED_MAX) }
}

/** One more than the number of zeros that a hash begins with behind the index of its register. */
export function rankOf({ high, low }: Hash, precision: number): number {
  const rest = high << precision
  return 1 + (rest === 0 ? 32 - precision + Math.clz32(low) : Math.clz32(rest))
}

/** Sets a register to a rank, if it has less; gives the registers, changed in place or new. */
export function raise(held: number[], index: number, rank: number, shape: RegisterShape): number[] {
  if (held.length === shape.words) {
    raisePacked(held, index, rank)
    return held
  }
  const place = placeOf(held, index)
  const there = held[place]
  const entry = (index << RANK_BITS) | rank
  if (there !== undefined && there >>> RANK_BITS === index) {
    if (entry > there) held[place] = entry
    return held
  }
  held.splice(place, 0, entry)
  return held.length > shape.listedMax ? packed(held, shape) : held
}

/** Calls back for each register that is set. */
export function forEachSet(
  held: readonly number[],
  shape: RegisterShape,
  callback: (index: number, rank: number) => void,
): void {
  if (held.length < shape.words) {
    for (const entry of held) callback(entry >>> RANK_BITS, entry & RANK_MASK)
    return
  }
  for (let word = 0; word < held.length; word++) {
    let ranks = held[word] as number
    for (let index = word * RANKS_PER_WORD; ranks !== 0; index++) {
      if ((ranks & RANK_MASK) !== 0) callback(index, ranks & RANK_MASK)
      ranks >>>= RANK_BITS
    }
  }
}

function packed(listed: readonly number[], shape: RegisterShape): number[] {
  const words = new Array<number>(shape.words).fill(0)
  for (const entry of listed) raisePacked(words, entry >>> RANK_BITS, entry & RANK_MASK)
  return words
}

function raisePacked(words: number[], index: number, rank: number): void {
  const word = Math.floor(index / RANKS_PER_WORD)
  const shift = (index - word * RANKS_PER_WORD) * RANK_BITS
  const ranks = words[word] as number
  const held = (ranks >>> shift) & RANK_MASK
  if (rank > held) words[word] = ranks + ((rank - held) << shift)
}

/** Where an index is in a list, or belongs. */
function placeOf(listed: readonly number[], index: number): number {
  let low = 0
  let high = listed.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((listed[middle] as number) >>> RANK_BITS < index) low = middle + 1
    else high = middle
  }
  return low
}
