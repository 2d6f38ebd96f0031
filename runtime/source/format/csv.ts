/**
 * CSV with a header line (RFC 4180: quoted fields, doubled quotes, line ends inside quotes; LF or
 * CRLF). A field that is a canonical decimal number becomes a number: an optional minus, no leading
 * zeros, at most 15 significant digits, so that the number is exactly what is written; everything
 * else stays text, and so does every field of a column that is declared as text.
 */
import { isUtf8 } from 'node:buffer'
import { ConfigError } from '../../errors.ts'
import { Undecodable } from '../source.ts'
import type { CutRecords, Cutter } from './cutter.ts'

const [COMMA, QUOTE, LF, CR] = [44, 34, 10, 13] as const
const [DOT, MINUS, ZERO] = [46, 45, 48] as const
const DIGITS_MAX = 15
const POWERS_OF_TEN = Array.from({ length: DIGITS_MAX + 1 }, (_, exponent) => 10 ** exponent)

export interface CsvOptions {
  /** Names the file in messages. */
  readonly path: string
  /** Columns whose fields stay text. */
  readonly textColumns: ReadonlySet<string>
  /** The header's names when the header line itself lies before where reading starts. */
  readonly header: readonly string[] | undefined
}

export class CsvCutter implements Cutter {
  readonly #options: CsvOptions
  #columns: readonly string[] = []
  #isText: readonly boolean[] = []
  /** Columns of a file whose fields may all be numbers; 0 when some column is text or none is known. */
  #width = 0
  #make: (fields: readonly unknown[]) => unknown = () => undefined
  readonly #fields: unknown[] = []
  /** Where the parser stands; fields are read by methods that move it. */
  #at = 0
  /** What is wrong with the record being read. */
  #problem: string | undefined
  /** Line ends inside of quotes in the record being cut. */
  #innerLines = 0
  /** The first quote at or behind `#at` in the buffer being cut: looked for once, not once a record. */
  #quoteAt = -1

  constructor(options: CsvOptions) {
    this.#options = options
    if (options.header !== undefined) this.#setHeader(options.header)
  }

  /** The names of the columns, once the header was read. */
  get columns(): readonly string[] {
    return this.#columns
  }

  cut(buffer: Buffer, start: number, end: number, isLast: boolean, into: CutRecords): number {
    let at = start
    this.#quoteAt = -1
    // A record of numbers ends at the latest here; with one field too few there is none.
    const lastNumbers = this.#width === 0 ? -1 : end - this.#width * (DIGITS_MAX + 1)
    while (at < end && !into.isFull) {
      const next = at <= lastNumbers ? this.#numbers(buffer, at) : -1
      if (next !== -1) {
        into.line += 1
        into.numbersCount += 1
        into.add(this.#make(this.#fields), at, next - 1)
        at = next
        continue
      }
      this.#innerLines = 0
      const recordEnd = this.#endOfRecord(buffer, at, end)
      if (recordEnd === -1 && !isLast) break
      const stop = recordEnd === -1 ? end : recordEnd
      into.line += 1
      this.#record(buffer, at, stop, into)
      into.line += this.#innerLines
      at = recordEnd === -1 ? end : recordEnd + 1
    }
    return at
  }

  /**
   * The fast way for the common record, one whose fields are all whole or decimal numbers: one pass
   * over its bytes, no look ahead. Anything unusual gives -1, and the record is read the long way.
   * @returns the index behind the record's line end, with its numbers in #fields.
   */
  #numbers(buffer: Buffer, start: number): number {
    const fields = this.#fields
    const width = this.#width
    let at = start
    for (let column = 0; column < width; column++) {
      const first = at
      // The digits are the bytes of which this leaves 0 to 9.
      let digit = (buffer[at] as number) ^ ZERO
      if (digit > 9) return -1
      let number = digit
      while ((digit = (buffer[++at] as number) ^ ZERO) <= 9) number = number * 10 + digit
      if (at - first > 1 && buffer[first] === ZERO) return -1
      if (digit === (DOT ^ ZERO)) {
        const point = at
        while ((digit = (buffer[++at] as number) ^ ZERO) <= 9) number = number * 10 + digit
        const decimals = at - point - 1
        if (decimals === 0) return -1
        // Both are exact in float64, so the quotient is the nearest number to what is written.
        number /= POWERS_OF_TEN[decimals] as number
      }
      if (at - first > DIGITS_MAX) return -1
      if (digit !== (column === width - 1 ? LF ^ ZERO : COMMA ^ ZERO)) return -1
      fields[column] = number
      at += 1
    }
    return at
  }

  /** The index of the line end behind the record that starts at `at`, or -1 when it lies further on. */
  #endOfRecord(buffer: Buffer, at: number, end: number): number {
    const lineEnd = buffer.indexOf(LF, at)
    if (lineEnd === -1 || lineEnd >= end) return -1
    if (this.#quoteAt < at) {
      const quote = buffer.indexOf(QUOTE, at)
      this.#quoteAt = quote === -1 ? buffer.length : quote
    }
    // The common record has no quotes; then its first line end is its end.
    if (this.#quoteAt > lineEnd) return lineEnd
    let quoted = false
    let closedAt = -1
    for (let i = at; i < end; i++) {
      const byte = buffer[i]
      if (byte === QUOTE) {
        if (quoted) closedAt = i
        // A quote opens a field at its beginning only, or goes on with one that a doubled quote is in.
        if (quoted || i === at || buffer[i - 1] === COMMA || closedAt === i - 1) quoted = !quoted
      } else if (byte === LF) {
        if (!quoted) return i
        this.#innerLines += 1
      }
    }
    return -1
  }

  #record(buffer: Buffer, start: number, stop: number, into: CutRecords): void {
    const end = stop > start && buffer[stop - 1] === CR ? stop - 1 : stop
    if (end === start) return
    if (this.#columns.length === 0) {
      this.#setHeader(this.#headerFields(buffer, start, end))
      return
    }
    const fields = this.#fields
    const width = this.#columns.length
    let count = 0
    this.#at = start
    this.#problem = undefined
    for (;;) {
      const field = this.#field(buffer, end, this.#isText[count] === true)
      if (count < width) fields[count] = field
      count += 1
      if (this.#at >= end) break
      this.#at += 1 // the comma
      if (this.#at === end) {
        // A comma at the very end opens one more, empty field.
        if (count < width) fields[count] = ''
        count += 1
        break
      }
    }
    if (count !== width) {
      into.add(new Undecodable(`has ${count} fields, the header has ${width}`), start, end)
    } else if (this.#problem !== undefined) into.add(new Undecodable(this.#problem), start, end)
    else into.add(this.#make(fields), start, end)
  }

  /** Reads a field and stops at the comma or the end behind it. */
  #field(buffer: Buffer, end: number, isText: boolean): unknown {
    const start = this.#at
    if (buffer[start] === QUOTE) return this.#quoted(buffer, start, end)
    if (!isText) {
      const number = this.#number(buffer, start, end)
      if (number === number) return number
    }
    return this.#text(buffer, start, end)
  }

  /** NaN when the field is not a canonical decimal number. */
  #number(buffer: Buffer, start: number, end: number): number {
    let at = start
    const negative = buffer[at] === MINUS
    if (negative) at += 1
    const first = at
    let mantissa = 0
    let digit = 0
    while (at < end && (digit = (buffer[at] as number) - ZERO) >= 0 && digit <= 9) {
      mantissa = mantissa * 10 + digit
      at += 1
    }
    const whole = at - first
    if (whole === 0 || (whole > 1 && buffer[first] === ZERO)) return Number.NaN
    let decimals = 0
    if (at < end && buffer[at] === DOT) {
      const point = at++
      while (at < end && (digit = (buffer[at] as number) - ZERO) >= 0 && digit <= 9) {
        mantissa = mantissa * 10 + digit
        at += 1
      }
      decimals = at - point - 1
      if (decimals === 0) return Number.NaN
    }
    if (at < end && buffer[at] !== COMMA) return Number.NaN
    if (whole + decimals > DIGITS_MAX || (negative && mantissa === 0)) return Number.NaN
    this.#at = at
    // Both are exact in float64, so the quotient is the nearest number to what is written.
    const number = decimals === 0 ? mantissa : mantissa / (POWERS_OF_TEN[decimals] as number)
    return negative ? -number : number
  }

  #text(buffer: Buffer, start: number, end: number): string {
    let at = start
    let bits = 0
    let byte = 0
    while (at < end && (byte = buffer[at] as number) !== COMMA) {
      bits |= byte
      at += 1
    }
    this.#at = at
    if (bits < 0x80) return buffer.toString('latin1', start, at)
    if (!isUtf8(buffer.subarray(start, at))) this.#problem = 'not UTF-8'
    return buffer.toString('utf8', start, at)
  }

  #quoted(buffer: Buffer, start: number, end: number): string {
    let at = start + 1
    let text = ''
    for (;;) {
      const quote = buffer.indexOf(QUOTE, at)
      const stop = quote === -1 || quote >= end ? end : quote
      const part = buffer.subarray(at, stop)
      if (!isUtf8(part)) this.#problem = 'not UTF-8'
      text += part.toString('utf8')
      if (stop === end) {
        this.#at = end
        this.#problem ??= 'a quote is not closed'
        return text
      }
      if (buffer[stop + 1] !== QUOTE || stop + 1 >= end) {
        this.#at = stop + 1
        if (this.#at < end && buffer[this.#at] !== COMMA)
          this.#problem ??= 'there is text behind a closing quote'
        while (this.#at < end && buffer[this.#at] !== COMMA) this.#at += 1
        return text
      }
      text += '"'
      at = stop + 2
    }
  }

  #headerFields(buffer: Buffer, start: number, end: number): string[] {
    const names: string[] = []
    this.#at = start
    while (this.#at <= end) {
      names.push(String(this.#field(buffer, end, true)).trim())
      this.#at += 1
    }
    return names
  }

  /** @throws ConfigError when the header cannot name fields. */
  #setHeader(names: readonly string[]): void {
    const { path, textColumns } = this.#options
    const empty = names.findIndex((name) => name === '')
    if (empty !== -1)
      throw new ConfigError(`${path}: column ${empty + 1} of the header has no name`)
    const twice = names.find((name, i) => names.indexOf(name) !== i)
    if (twice !== undefined)
      throw new ConfigError(`${path}: the header names the column '${twice}' twice`)
    this.#columns = names
    this.#isText = names.map((name) => textColumns.has(name))
    this.#width = this.#isText.includes(true) ? 0 : names.length
    this.#make = objectMaker(names)
  }
}

/**
 * Makes objects with the given fields, in order. Compiled, because an object literal of known fields
 * is several times faster than setting fields by name; names are quoted, so that none can be code.
 */
function objectMaker(names: readonly string[]): (fields: readonly unknown[]) => unknown {
  const fields = names.map((name, i) => `${quoted(name)}: f[${i}]`).join(', ')
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- see above
    return new Function('f', `return { ${fields} }`) as (fields: readonly unknown[]) => unknown
  } catch {
    // Where code generation is forbidden.
    return (values) => Object.fromEntries(names.map((name, i) => [name, values[i]]))
  }
}

/** Computed where it would be the prototype's; a computed name takes twice as long. */
const quoted = (name: string): string =>
  name === '__proto__' ? '["__proto__"]' : JSON.stringify(name)
