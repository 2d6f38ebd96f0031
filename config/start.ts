import * as z from 'zod'

/** Where a fresh job begins to read a log: behind a sequence, at a time (ms), at its start or its end. */
export const start = z
  .union(
    [
      z.enum(['start', 'new']),
      z.strictObject({ sequence: z.int().min(1) }),
      z.strictObject({ time: z.iso.datetime({ offset: true }).or(z.iso.date()) }),
    ],
    { error: `write start, new, {sequence: 17} or {time: '2026-01-31T08:30:00Z'}` },
  )
  .transform((written) => {
    if (typeof written === 'string') return written
    return 'sequence' in written
      ? { after: written.sequence - 1 }
      : { time: Date.parse(written.time) }
  })
  .meta({ description: 'Where a fresh job begins; a job with state goes on where it was.' })
  .prefault('start')
