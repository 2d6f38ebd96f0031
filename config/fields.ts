/** The kinds of fields a manifest is made of, each with its message for people and its editor schema. */
import * as z from 'zod'
import { milliseconds } from '../operators/time.ts'
import { bytes } from './bytes.ts'
import { FILE_FORMATS } from './file-format.ts'
import { nearestName } from './nearest.ts'
import { isTree } from './yaml-tree.ts'

/** A section of known fields; an unknown one is an error that names the nearest known. */
export function section<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? unknownFields(issue.keys, known) : undefined,
  })
}

/** One line for each unknown field, in their order. */
function unknownFields(written: readonly string[], known: readonly string[]): string {
  const lines = written.map((name) => {
    const near = nearestName(name, known)
    const all = known.length === 0 ? 'nothing is set here' : `known here: ${known.join(', ')}`
    return `unknown field; ${near === undefined ? all : `did you mean '${near}'?`}`
  })
  return lines.join('\n')
}

/**
 * Runs a check of a section also when fields of it are wrong already, so that one message tells
 * everything. The check must expect any value in any field.
 */
export const ALWAYS = { when: (payload: z.core.ParsePayload) => isTree(payload.value) }

/** For `superRefine(…, ALWAYS)`: exactly one of some optional fields is there. */
export function exactlyOne(kinds: readonly string[], what: string) {
  return (written: Readonly<Record<string, unknown>>, context: z.core.$RefinementCtx): void => {
    const present = kinds.filter((kind) => written[kind] !== undefined)
    if (present.length === 1) return
    const found = present.length === 0 ? 'has none' : `has ${present.join(' and ')}`
    context.addIssue(`${what} needs exactly one of ${kinds.join(', ')}; this one ${found}`)
  }
}

/** The one that is there, of what `exactlyOne` has checked. */
export function theOne<Kind>(kinds: readonly (Kind | undefined)[]): Kind {
  for (const kind of kinds) if (kind !== undefined) return kind
  throw new TypeError('none of the fields is there; exactlyOne runs before')
}

/** The `oneOf` of the editor schema that goes with `exactlyOne`. */
export function oneOfRequired(kinds: readonly string[]) {
  return { oneOf: kinds.map((kind) => ({ required: [kind] })) }
}

/** A length of time; resolves to whole milliseconds. `atLeast` and `atMost` are durations too. */
export function duration(what: string, bounds: { atLeast?: string; atMost?: string } = {}) {
  return measured(what, bounds, milliseconds, {
    example: `'500ms', '1s', '5m', '2h' or '7d'`,
    pattern: String.raw`^\s*\d+(\.\d+)?\s*(ms|s|m|h|d)\s*$`,
  })
}

/** A size; resolves to whole bytes. `atLeast` and `atMost` are sizes too. */
export function byteSize(what: string, bounds: { atLeast?: string; atMost?: string } = {}) {
  return measured(what, bounds, bytes, {
    example: `'512kB', '64MB' or '1GiB'`,
    pattern: String.raw`^\s*\d+(\.\d+)?\s*([kKmMgG]?[iI]?[bB])\s*$`,
  })
}

function measured(
  what: string,
  bounds: { atLeast?: string; atMost?: string },
  parse: (text: string | number) => number,
  hints: { example: string; pattern: string },
) {
  const least = bounds.atLeast === undefined ? 0 : parse(bounds.atLeast)
  const most = bounds.atMost === undefined ? Number.MAX_SAFE_INTEGER : parse(bounds.atMost)
  const refusal = `write a number with a unit, as in ${hints.example}`
  return z
    .union([z.string(), z.number()], { error: refusal })
    .transform((written, context) => {
      const parsed = attempt(() => parse(written))
      if (parsed !== undefined && parsed >= least && parsed <= most) return parsed
      const message =
        parsed === undefined
          ? `${JSON.stringify(written)} cannot be read; ${refusal}`
          : `${JSON.stringify(written)} is out of range; ${rangeText(bounds)}`
      context.issues.push({ code: 'custom', message, input: written })
      return z.NEVER
    })
    .meta({
      description: what,
      anyOf: [
        { type: 'string', pattern: hints.pattern },
        { type: 'integer', minimum: 0 },
      ],
    })
}

function rangeText(bounds: { atLeast?: string; atMost?: string }): string {
  const parts = [
    bounds.atLeast === undefined ? 'not negative' : `at least ${bounds.atLeast}`,
    bounds.atMost === undefined ? undefined : `at most ${bounds.atMost}`,
  ]
  return parts.filter((part) => part !== undefined).join(' and ')
}

/** A point in time: an ISO date, with or without a time of day; resolves to ms since the epoch. */
export function instant(what: string) {
  const refusal = 'write a date, as in 2026-01-31 or 2026-01-31T08:30:00Z'
  return z
    .string({ error: refusal })
    .transform((written, context) => {
      const parsed = ISO_TIME.test(written) ? Date.parse(written) : Number.NaN
      if (!Number.isNaN(parsed)) return parsed
      const message = `${JSON.stringify(written)} cannot be read; ${refusal}`
      context.issues.push({ code: 'custom', message, input: written })
      return z.NEVER
    })
    .meta({ description: what })
}

/** A time of day needs its zone: without one it would mean another moment on another machine. */
const ISO_TIME = /^[+-]?\d{4,6}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/

/** Marks fields whose text is a path; load-manifest makes them absolute before the schema sees them. */
export const PATH_FORMAT = 'path'

/** A file or folder. */
export function path(what: string) {
  return text(what).meta({ description: what, format: PATH_FORMAT })
}

/** Text that is not empty. */
export function text(what: string) {
  return z
    .string()
    .min(1, { error: 'is empty; write a text' })
    .refine((written) => !written.includes('\0'), { error: 'has a NUL character; remove it' })
    .meta({ description: what })
}

/** A name of a source or a sink: it becomes part of positions, subjects and file names. */
export const name = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/, {
  error: 'is not a name; use up to 64 letters, digits, _ and -',
})

/** A name of a stream; JetStream's rules hold for the embedded log too, so that a job can move. */
export function streamName(what: string) {
  return z
    .string()
    .regex(/^[^\s.*>/\\\0]{1,255}$/, {
      error: 'is not a stream name; leave out spaces and . * > / \\',
    })
    .meta({ description: what })
}

/** Names a file's format where its name does not. */
export const fileFormat = z
  .enum(FILE_FORMATS)
  .meta({ description: "csv or jsonl; default: by the file's extension." })

/** What to say about a file whose name does not tell its format. */
export const UNKNOWN_FORMAT =
  'does not end in .csv or .jsonl, so its format is unknown; write format: csv or format: jsonl'

/** A whole number from `least` to `most`. */
export function count(what: string, least: number, most = Number.MAX_SAFE_INTEGER) {
  return z.int().min(least).max(most).meta({ description: what })
}

function attempt(parse: () => number): number | undefined {
  try {
    return parse()
  } catch {
    return undefined
  }
}
