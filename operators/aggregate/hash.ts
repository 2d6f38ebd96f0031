/**
 * A hash of 64 bits, the same in every process and on every machine: two lanes of 32 bits in the
 * manner of MurmurHash3 (Appleby, public domain), with its constants of the x86 variant for 128
 * bits, crossed at the end. Well mixed, not secret: whoever knows it can find values that collide.
 */

export interface Hash {
  /** The upper 32 bits, as a signed integer. */
  high: number
  /** The lower 32 bits, as a signed integer. */
  low: number
}

const TEXT_SEED = 0x2f6b4a27
const NUMBER_SEED = 0x51ed270b

const float = new DataView(new ArrayBuffer(8))

/** Hashes a number or a text into an object that is there, so that a record allocates nothing. */
export function hash(value: number | string, into: Hash): void {
  if (typeof value === 'number') {
    float.setFloat64(0, value)
    into.high = NUMBER_SEED
    into.low = NUMBER_SEED
    mix(into, float.getInt32(0))
    mix(into, float.getInt32(4))
    finish(into, 8)
    return
  }
  into.high = TEXT_SEED
  into.low = TEXT_SEED
  for (let i = 0; i < value.length; i++) mix(into, value.charCodeAt(i))
  finish(into, value.length)
}

function mix(lanes: Hash, block: number): void {
  const first = Math.imul(rotate(Math.imul(block, 0x239b961b), 15), 0xab0e9789)
  const second = Math.imul(rotate(Math.imul(block, 0x38b34ae5), 16), 0xa1e38b93)
  lanes.high = (Math.imul(rotate(lanes.high ^ first, 19) + lanes.low, 5) + 0x561ccd1b) | 0
  lanes.low = (Math.imul(rotate(lanes.low ^ second, 17) + lanes.high, 5) + 0x0bcaa747) | 0
}

function finish(lanes: Hash, length: number): void {
  let high = lanes.high ^ length
  let low = lanes.low ^ length
  high = (high + low) | 0
  low = (low + high) | 0
  high = avalanche(high)
  low = avalanche(low)
  high = (high + low) | 0
  low = (low + high) | 0
  lanes.high = high
  lanes.low = low
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by))
}

/** Every bit of the word changes about half of the bits of the result. */
function avalanche(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
