/**
 * JSON of a result as bytes, the same as JSON.stringify gives. Flat objects of numbers and plain text,
 * which most results are, are written straight into the outbox: no text is made that is then joined,
 * encoded and thrown away. Everything else is left to JSON.stringify.
 */
import { type ByteWriter, integerBytes, INTEGER_BYTES_MAX } from '../task/byte-writer.ts'

const [MINUS, POINT, ZERO] = [45, 46, 48] as const
const [QUOTE, OPEN, CLOSE, BACKSLASH, SPACE, DELETE] = [34, 123, 125, 92, 32, 127] as const
const PLAIN = /^[\u0020\u0021\u0023-\u005b\u005d-\u007e]*$/

/**
 * A property name and how it is written: `{"name":` or `,"name":`, in words of four bytes, the last one padded.
 * Beside it the last long whole number it was written with: results that follow each other share their window.
 */
interface Name {
  readonly name: string
  readonly words: Int32Array
  readonly length: number
  /** NaN when there was none. */
  integer: number
  readonly integerWords: Int32Array
  integerLength: number
}

/** The names at each place in the last result: the next one mostly has the same. */
const lastNames: Name[] = []
/** Names come from code, so there are few. The first of an object is written with its brace. */
const firstNames = new Map<string, Name>()
const furtherNames = new Map<string, Name>()
const NAMES_MAX = 10_000

export function writeJson(out: ByteWriter, value: unknown): void {
  const start = out.length
  if (writeFlat(out, value)) return
  out.cut(start)
  // Undefined, functions and symbols have no JSON text: null stands for them, as it does in an array.
  const text: string | undefined = JSON.stringify(value)
  out.text(text ?? 'null')
}

/** One loop over local variables: calls and bounds that are kept in fields took most of a row's time. */
function writeFlat(out: ByteWriter, value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  let place = 0
  let bytes = out.room(ROOM_BYTES)
  let view = out.view
  let at = out.length
  for (const name in value) {
    let known = lastNames[place]
    if (known === undefined || known.name !== name) {
      known = nameOf(name, place === 0)
      if (known === undefined) return false
      lastNames[place] = known
    }
    const member: unknown = (value as Record<string, unknown>)[name]
    const textBytes = typeof member === 'string' ? member.length + 2 : 0
    const needed = known.length + INTEGER_BYTES_MAX + textBytes + 8
    if (at + needed > bytes.length) {
      out.advance(at)
      bytes = out.room(needed + ROOM_BYTES)
      view = out.view
    }
    writeWords(view, at, known.words)
    at += known.length
    if (typeof member === 'number' && Number.isSafeInteger(member)) {
      if (member === known.integer) {
        writeWords(view, at, known.integerWords)
        at += known.integerLength
      } else {
        const end = integerBytes(bytes, at, member)
        if (member >= LONG_INTEGER_MIN) noteInteger(known, member, view, at, end)
        at = end
      }
    } else if (typeof member === 'number' && isShortDecimal(member)) {
      at = shortDecimalBytes(bytes, at, member)
    } else if (typeof member === 'string') {
      const end = quotedBytes(bytes, at, member)
      if (end === -1) return false
      at = end
    } else {
      const text = scalarText(member)
      if (text === undefined) return false
      for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i)
    }
    place += 1
  }
  if (place === 0) bytes[at++] = OPEN
  bytes[at++] = CLOSE
  out.advance(at)
  return true
}

/** Asked for at once: for most results all that they need. */
const ROOM_BYTES = 512
/** Smaller numbers are written faster than they are looked up. */
const LONG_INTEGER_MIN = 1e9
/** The 16 digits of the largest safe integer. */
const INTEGER_WORDS = 4

function writeWords(view: DataView, at: number, words: Int32Array): void {
  for (let i = 0; i < words.length; i++) view.setInt32(at + 4 * i, words[i] as number, true)
}

function noteInteger(name: Name, integer: number, view: DataView, at: number, end: number): void {
  const { integerWords: words } = name
  name.integer = integer
  name.integerLength = end - at
  for (let i = 0; i < INTEGER_WORDS; i++) words[i] = view.getInt32(at + 4 * i, true)
}

/** At most 24 bytes, as INTEGER_BYTES_MAX says too: the longest number has 17 digits, a sign, a point and an exponent. */
function scalarText(member: unknown): string | undefined {
  if (typeof member === 'number') return Number.isFinite(member) ? String(member) : 'null'
  return typeof member === 'boolean' || member === null ? String(member) : undefined
}

/**
 * Whether a number is a whole number of thousandths. It then has at most three decimals: as text of at
 * most 15 digits names one float64, these are the digits that String gives.
 */
function isShortDecimal(number: number): boolean {
  return Math.abs(number) < 1e9 && Math.round(number * 1_000) / 1_000 === number
}

function shortDecimalBytes(bytes: Uint8Array, start: number, number: number): number {
  let at = start
  if (number < 0) bytes[at++] = MINUS
  const thousandths = Math.round(Math.abs(number) * 1_000)
  const whole = Math.floor(thousandths / 1_000)
  const rest = thousandths - whole * 1_000
  at = integerBytes(bytes, at, whole)
  bytes[at++] = POINT
  bytes[at++] = ZERO + Math.floor(rest / 100)
  if (rest % 100 === 0) return at
  bytes[at++] = ZERO + (Math.floor(rest / 10) % 10)
  if (rest % 10 === 0) return at
  bytes[at++] = ZERO + (rest % 10)
  return at
}

/** A text in quotes, when it is ASCII that needs no escape: where it ends, or -1. */
function quotedBytes(bytes: Uint8Array, start: number, text: string): number {
  let at = start
  bytes[at++] = QUOTE
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < SPACE || code >= DELETE || code === QUOTE || code === BACKSLASH) return -1
    bytes[at++] = code
  }
  bytes[at++] = QUOTE
  return at
}

/** Undefined for a name that needs an escape. */
function nameOf(name: string, isFirst: boolean): Name | undefined {
  const names = isFirst ? firstNames : furtherNames
  const known = names.get(name)
  if (known !== undefined) return known
  if (!PLAIN.test(name)) return undefined
  const text = `${isFirst ? '{' : ','}"${name}":`
  const padded = Buffer.alloc(Math.ceil(text.length / 4) * 4)
  padded.write(text, 'latin1')
  const words = Int32Array.from({ length: padded.length / 4 }, (_, i) => padded.readInt32LE(4 * i))
  const made = {
    name,
    words,
    length: text.length,
    integer: Number.NaN,
    integerWords: new Int32Array(INTEGER_WORDS),
    integerLength: 0,
  }
  if (names.size < NAMES_MAX) names.set(name, made)
  return made
}
