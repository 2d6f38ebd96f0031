/** Which part of a log a source reads. */
import * as z from 'zod'

/** A time of the log: an ISO date, with or without a time of day, or milliseconds since 1970. */
const logTime = z.iso
  .datetime({ offset: true })
  .or(z.iso.date())
  .or(z.int().min(0))
  .transform((written) => (typeof written === 'string' ? Date.parse(written) : written))

const sequence = z.strictObject({ sequence: z.int().min(1) })
const time = z.strictObject({ time: logTime })

const PLACES = `{sequence: 17} or {time: '2026-01-31T08:30:00Z'}`

const from = z
  .union([z.enum(['start', 'now']), sequence, time], { error: `write start, now, ${PLACES}` })
  .transform((written) => {
    if (typeof written === 'string') return written
    return 'sequence' in written ? { after: written.sequence - 1 } : { time: written.time }
  })
  .meta({
    description:
      "Where a fresh job begins: with a sequence, or with the first message that the log took at a time or later (the log's time, not the records'). A job with state goes on where it was.",
  })
  .prefault('start')

const to = z
  .union([z.literal('now'), sequence, time], { error: `write now, ${PLACES}` })
  .transform((written) => {
    if (typeof written === 'string') return written
    return 'sequence' in written ? { through: written.sequence } : { before: written.time }
  })
  .meta({
    description:
      'Where a batch ends: with a sequence, before the first message that the log took at a time or later, or where the log ends when the batch begins.',
  })
  .prefault('now')

/** The fields of a source that reads a log. */
export const rangeFields = { from, to } as const

type Range = { readonly [Field in keyof typeof rangeFields]: z.output<(typeof rangeFields)[Field]> }

/** An end before the beginning, where that can be told without the log. */
export function checkRange(written: Range, context: z.core.$RefinementCtx): void {
  const { from: first, to: last } = written
  if (typeof first === 'string' || typeof last === 'string') return
  if ('after' in first && 'through' in last && last.through <= first.after) {
    context.addIssue(
      `ends with sequence ${last.through}, before it begins with sequence ${first.after + 1}; let 'to' be behind 'from'`,
    )
  }
  if ('time' in first && 'before' in last && last.before < first.time) {
    const [begin, end] = [first.time, last.before].map((ms) => new Date(ms).toISOString())
    context.addIssue(`ends at ${end}, before it begins at ${begin}; let 'to' be behind 'from'`)
  }
}
