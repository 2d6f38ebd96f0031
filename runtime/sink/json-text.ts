/**
 * JSON text of a result, as JSON.stringify gives it. Flat objects of numbers and short plain text,
 * which most results are, are written two to three times faster than JSON.stringify does; everything
 * else is left to it.
 */
// oxlint-disable-next-line no-control-regex -- JSON escapes control characters
const NEEDS_ESCAPE = /["\\\u0000-\u001f\ud800-\udfff]/
/** `"name":` of each property name seen; names come from code, so there are few. */
const prefixes = new Map<string, string>()
const PREFIXES_MAX = 10_000

export function jsonText(value: unknown): string {
  if (
    value === null ||
    typeof value !== 'object' ||
    Object.getPrototypeOf(value) !== Object.prototype
  ) {
    return stringify(value)
  }
  let text = ''
  for (const name in value) {
    const member = (value as Record<string, unknown>)[name]
    if (typeof member === 'number') {
      text +=
        (text === '' ? '{' : ',') +
        prefixOf(name) +
        (Number.isFinite(member) ? numberText(member) : 'null')
    } else if (typeof member === 'string') {
      text +=
        (text === '' ? '{' : ',') +
        prefixOf(name) +
        (NEEDS_ESCAPE.test(member) ? JSON.stringify(member) : `"${member}"`)
    } else if (typeof member === 'boolean' || member === null) {
      text += (text === '' ? '{' : ',') + prefixOf(name) + String(member)
    } else return stringify(value)
  }
  return text === '' ? '{}' : `${text}}`
}

/** Undefined, functions and symbols have no JSON text: null stands for them, as it does in an array. */
function stringify(value: unknown): string {
  return JSON.stringify(value) ?? 'null'
}

function prefixOf(name: string): string {
  let prefix = prefixes.get(name)
  if (prefix === undefined) {
    prefix = `${JSON.stringify(name)}:`
    if (prefixes.size < PREFIXES_MAX) prefixes.set(name, prefix)
  }
  return prefix
}

/** The text of the last large numbers: windows share their bounds, and converting costs 100 ns. */
const recentNumbers = new Float64Array(64).fill(Number.NaN)
const recentTexts: string[] = Array.from({ length: 64 }, () => '')

function numberText(number: number): string {
  // V8 keeps the texts of small numbers itself.
  if (number < 1e9) return `${number}`
  const slot = (number / 1_000) & 63
  if (recentNumbers[slot] !== number) {
    recentNumbers[slot] = number
    recentTexts[slot] = `${number}`
  }
  return recentTexts[slot] as string
}
