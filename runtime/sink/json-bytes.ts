/**
 * JSON of a result as bytes, the same as JSON.stringify gives. Flat objects of numbers and plain text,
 * which most results are, are written straight into the outbox: no text is made that is then joined,
 * encoded and thrown away. Everything else is left to JSON.stringify.
 */
import type { ByteWriter } from '../task/byte-writer.ts'

const [COMMA, OPEN, CLOSE] = [44, 123, 125] as const
/** `"name":` of each property name seen that is plain; names come from code, so there are few. */
const prefixes = new Map<string, string>()
const PREFIXES_MAX = 10_000
const PLAIN = /^[\u0020\u0021\u0023-\u005b\u005d-\u007e]*$/

export function writeJson(out: ByteWriter, value: unknown): void {
  const start = out.length
  if (writeFlat(out, value)) return
  out.cut(start)
  // Undefined, functions and symbols have no JSON text: null stands for them, as it does in an array.
  const text: string | undefined = JSON.stringify(value)
  out.text(text ?? 'null')
}

function writeFlat(out: ByteWriter, value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  let separator: number = OPEN
  for (const name in value) {
    const prefix = prefixOf(name)
    if (prefix === undefined) return false
    out.byte(separator)
    out.ascii(prefix)
    if (!writeMember(out, (value as Record<string, unknown>)[name])) return false
    separator = COMMA
  }
  if (separator === OPEN) out.byte(OPEN)
  out.byte(CLOSE)
  return true
}

function writeMember(out: ByteWriter, member: unknown): boolean {
  if (typeof member === 'number') {
    if (Number.isSafeInteger(member)) out.integer(member)
    else out.ascii(Number.isFinite(member) ? String(member) : 'null')
  } else if (typeof member === 'string') {
    if (!out.quoted(member)) out.text(JSON.stringify(member))
  } else if (typeof member === 'boolean' || member === null) out.ascii(String(member))
  else return false
  return true
}

/** Undefined for a name that needs an escape. */
function prefixOf(name: string): string | undefined {
  const known = prefixes.get(name)
  if (known !== undefined) return known
  if (!PLAIN.test(name)) return undefined
  const prefix = `"${name}":`
  if (prefixes.size < PREFIXES_MAX) prefixes.set(name, prefix)
  return prefix
}
