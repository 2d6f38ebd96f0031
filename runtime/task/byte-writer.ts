/** Bytes that grow: messages are written one behind the other and taken as one block. */
const CAPACITY_BYTES_MIN = 256 * 1024

export class ByteWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(CAPACITY_BYTES_MIN)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Goes back to an earlier length. */
  cut(length: number): void {
    this.#length = length
  }

  /** The bytes written so far, as a block of their own; writing starts over. */
  take(): Uint8Array {
    const block = Buffer.allocUnsafeSlow(this.#length)
    this.#bytes.copy(block, 0, 0, this.#length)
    this.#length = 0
    return block
  }

  byte(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = byte
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  text(text: string): void {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    this.#reserve(text.length * 3)
    this.#length += this.#bytes.write(text, this.#length, 'utf8')
  }

  /** A short text of ASCII only, which a loop copies faster than a call. */
  ascii(text: string): void {
    this.#reserve(text.length)
    const bytes = this.#bytes
    let at = this.#length
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i)
    this.#length = at
  }

  /** A text in quotes, when it is ASCII that needs no escape; false, and nothing written, when not. */
  quoted(text: string): boolean {
    this.#reserve(text.length + 2)
    const bytes = this.#bytes
    let at = this.#length
    bytes[at++] = QUOTE
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code < SPACE || code >= DELETE || code === QUOTE || code === BACKSLASH) return false
      bytes[at++] = code
    }
    bytes[at++] = QUOTE
    this.#length = at
    return true
  }

  /** The decimal digits of an integer up to 2^53, as String gives them. */
  integer(integer: number): void {
    this.#reserve(DIGITS_MAX + 1)
    let rest = integer
    if (rest < 0) {
      this.#bytes[this.#length++] = MINUS
      rest = -rest
    }
    if (rest < GROUP) {
      this.#digits(rest, 1)
      return
    }
    // Two halves that fit 32 bits: their division is several times faster.
    const high = Math.floor(rest / GROUP)
    if (high < GROUP) this.#digits(high, 1)
    else this.ascii(String(high))
    this.#digits(rest - high * GROUP, GROUP_DIGITS)
  }

  /** A number below 10^9, with zeros before it up to a width. */
  #digits(number: number, width: number): void {
    let count = width
    while (count < GROUP_DIGITS && number >= (POWERS_OF_TEN[count] as number)) count += 1
    const bytes = this.#bytes
    let rest = number | 0
    for (let at = this.#length + count - 1; at >= this.#length; at--) {
      const quotient = (rest / 10) | 0
      bytes[at] = ZERO + (rest - quotient * 10)
      rest = quotient
    }
    this.#length += count
  }

  #reserve(count: number): void {
    const needed = this.#length + count
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}

const [QUOTE, BACKSLASH, SPACE, DELETE, MINUS, ZERO] = [34, 92, 32, 127, 45, 48] as const
const GROUP = 1_000_000_000
const GROUP_DIGITS = 9
const DIGITS_MAX = 17
const POWERS_OF_TEN = Array.from({ length: GROUP_DIGITS + 1 }, (_, exponent) => 10 ** exponent)
