/** Says whether two results are equal as sets of lines, whatever their order. */
import { createReadStream } from 'node:fs'

const NEWLINE = 10

/** Sums a hash of each line; two sums of 32 bits and the count make an accident unlikely. */
export class Checksum {
  #lines = 0
  #first = 0
  #second = 0

  /** Takes one line, without its newline. */
  add(bytes: Uint8Array, start = 0, end = bytes.length): void {
    let first = 0x811c9dc5
    let second = 17
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number
      first = Math.imul(first ^ byte, 0x01000193)
      second = (Math.imul(second, 31) + byte) | 0
    }
    this.#lines += 1
    // Mixed before it is summed, so that a changed last byte does not cancel out.
    this.#first = (this.#first + Math.imul(first ^ (first >>> 15), 0x2c1b3c6d)) >>> 0
    this.#second = (this.#second + Math.imul(second ^ (second >>> 13), 0x297a2d39)) >>> 0
  }

  get lines(): number {
    return this.#lines
  }

  /** `<lines>-<16 hex digits>`. */
  toString(): string {
    return `${this.#lines}-${hex(this.#first)}${hex(this.#second)}`
  }
}

const hex = (sum: number): string => sum.toString(16).padStart(8, '0')

/** Of the lines of a file. */
export async function checksumOfFile(path: string): Promise<string> {
  const checksum = new Checksum()
  let rest: Uint8Array = Buffer.alloc(0)
  for await (const read of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const chunk = rest.length === 0 ? (read as Buffer) : Buffer.concat([rest, read as Buffer])
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      checksum.add(chunk, start, end)
      start = end + 1
    }
    rest = chunk.subarray(start)
  }
  if (rest.length > 0) checksum.add(rest)
  return checksum.toString()
}
