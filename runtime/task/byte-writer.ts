/** Bytes that grow: messages are written one behind the other and taken as one block. */
const CAPACITY_BYTES_MIN = 256 * 1024

export class ByteWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(CAPACITY_BYTES_MIN)
  #view = viewOf(this.#bytes)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Goes back to an earlier length. */
  cut(length: number): void {
    this.#length = length
  }

  /** The bytes written so far, as a block of their own with some room before them; writing starts over. */
  take(roomBefore = 0): Buffer {
    const block = Buffer.allocUnsafeSlow(roomBefore + this.#length)
    this.#bytes.copy(block, roomBefore, 0, this.#length)
    this.#length = 0
    return block
  }

  /** The bytes to write into, from `length` on, with room for a count of them; valid until the next call. */
  room(count: number): Uint8Array {
    const needed = this.#length + count
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
      this.#view = viewOf(grown)
    }
    return this.#bytes
  }

  /** The bytes of `room` for writing several at once. */
  get view(): DataView {
    return this.#view
  }

  /** Takes what was written into `room` up to here. */
  advance(length: number): void {
    this.#length = length
  }

  byte(byte: number): void {
    this.room(1)[this.#length++] = byte
  }

  raw(bytes: Uint8Array): void {
    this.room(bytes.length).set(bytes, this.#length)
    this.#length += bytes.length
  }

  text(text: string): void {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    this.room(text.length * 3)
    this.#length += this.#bytes.write(text, this.#length, 'utf8')
  }
}

const viewOf = (bytes: Buffer): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** The longest decimal text of any number: 17 digits, sign, point and exponent. */
export const INTEGER_BYTES_MAX = 25

const [MINUS, ZERO] = [45, 48] as const
const GROUP = 1_000_000_000
const GROUP_DIGITS = 9
const POWERS_OF_TEN = Array.from({ length: GROUP_DIGITS + 1 }, (_, exponent) => 10 ** exponent)

/**
 * Writes the decimal digits of a safe integer, as String gives them.
 * @returns the place behind them.
 */
export function integerBytes(bytes: Uint8Array, start: number, integer: number): number {
  let at = start
  let rest = integer
  if (rest < 0) {
    bytes[at++] = MINUS
    rest = -rest
  }
  if (rest < GROUP) return digits(bytes, at, rest, 1)
  // Two halves that fit 32 bits: their division is several times faster. The upper one is below 2^24.
  const high = Math.floor(rest / GROUP)
  at = digits(bytes, at, high, 1)
  return digits(bytes, at, rest - high * GROUP, GROUP_DIGITS)
}

/** Both digits of each number below 100. */
const PAIRS = Uint8Array.from({ length: 200 }, (_, i) => {
  const number = i >> 1
  return ZERO + (i % 2 === 0 ? Math.floor(number / 10) : number % 10)
})

/** A number below 10^9, with zeros before it up to a width. */
function digits(bytes: Uint8Array, start: number, number: number, width: number): number {
  let count = width
  while (count < GROUP_DIGITS && number >= (POWERS_OF_TEN[count] as number)) count += 1
  let rest = number | 0
  let at = start + count
  while (at - start >= 2) {
    const quotient = (rest / 100) | 0
    const pair = (rest - quotient * 100) * 2
    bytes[--at] = PAIRS[pair + 1] as number
    bytes[--at] = PAIRS[pair] as number
    rest = quotient
  }
  if (at > start) bytes[start] = ZERO + rest
  return start + count
}
