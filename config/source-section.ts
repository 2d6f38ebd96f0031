/** Where a source reads, and how its records get their event time. */
import * as z from 'zod'
import { LOG_DIR_DEFAULT } from './defaults.ts'
import {
  ALWAYS,
  duration,
  exactlyOne,
  fileFormat,
  instant,
  oneOfRequired,
  path,
  section,
  streamName,
  text,
  theOne,
  UNKNOWN_FORMAT,
} from './fields.ts'
import { formatOf } from './file-format.ts'
import { jetstreamSource } from './jetstream-section.ts'
import { start } from './start.ts'

const fileSource = section({
  path: path('A file or a glob of files, read in the order of their names; .gz is unpacked.'),
  format: fileFormat.optional(),
  columns: z
    .record(z.string(), z.literal('string'))
    .meta({ description: 'CSV columns that stay text though they look like numbers.' })
    .default({}),
  follow: z
    .boolean()
    .meta({ description: 'In live mode: wait for lines that are appended to the last file.' })
    .default(false),
}).transform((written, context) => {
  const format = written.format ?? formatOf(written.path)
  if (format === undefined) {
    context.issues.push({ code: 'custom', message: UNKNOWN_FORMAT, input: written, path: ['path'] })
    return z.NEVER
  }
  return {
    kind: 'file' as const,
    path: written.path,
    format,
    textColumns: Object.keys(written.columns),
    follow: written.follow,
  }
})

const embeddedSource = section({
  stream: streamName('The stream to read.'),
  log: path(
    'Folder of the embedded log; default .millrace/log in the working directory.',
  ).optional(),
  from: start,
}).transform(({ stream, log, from }) => ({
  kind: 'embedded' as const,
  stream,
  log: log ?? LOG_DIR_DEFAULT,
  start: from,
}))

const generatorSource = section({
  module: path('A module whose default export makes the records.'),
  options: z.unknown().meta({ description: 'Any JSON; handed to the generator.' }).optional(),
}).transform(({ module, options }) => ({ kind: 'generator' as const, module, options }))

/** Units of the field that holds the event time. */
export const TIME_UNITS = ['s', 'ms', 'us', 'iso'] as const

const eventTime = section({
  field: text('The field of a record that holds its event time.').optional(),
  from: z
    .literal('log', { error: `write log, or name a field with 'field'` })
    .meta({ description: 'log: the time at which the log took the record.' })
    .optional(),
  unit: z
    .enum(TIME_UNITS)
    .meta({ description: 'Seconds, milliseconds or microseconds since 1970, or ISO text.' })
    .default('ms'),
  order: z
    .enum(['ordered', 'unordered'])
    .meta({
      description: 'unordered: in batch nothing is late; ordered: outOfOrder holds there too.',
    })
    .default('unordered'),
  outOfOrder: duration('How far behind the newest record others still count as in time.').prefault(
    '5s',
  ),
  idleAfter: duration('After which silence an input no longer holds event time back.', {
    atLeast: '1ms',
  }).prefault('30s'),
  maxAhead: duration('Records further ahead of the log than this go to the dead letter.').prefault(
    '1d',
  ),
  minTime: instant('Records before this go to the dead letter: finds seconds read as ms.').prefault(
    '1990-01-01',
  ),
})
  .superRefine((written, context) => {
    if (written.field === undefined || written.from === undefined) return
    context.addIssue('has field and from; a record has one event time, so use one of them')
  }, ALWAYS)
  .transform((written) => ({
    /** The field that holds it. */
    field: written.field,
    /** log: the time at which the log took the record. Neither: as the job says, else the log's. */
    from: written.from,
    unit: written.unit,
    order: written.order,
    outOfOrderMs: written.outOfOrder,
    idleAfterMs: written.idleAfter,
    maxAheadMs: written.maxAhead,
    minTimeMs: written.minTime,
  }))

const SOURCE_KINDS = ['file', 'embedded', 'jetstream', 'generator'] as const

/** One source of a job. */
export const sourceSection = section({
  file: fileSource.optional(),
  embedded: embeddedSource.optional(),
  jetstream: jetstreamSource.optional(),
  generator: generatorSource.optional(),
  eventTime: eventTime.prefault({}),
  onDataLoss: z
    .enum(['fail', 'skip'])
    .meta({ description: 'When unread messages are gone: stop, or count them and go on.' })
    .default('fail'),
})
  .superRefine(exactlyOne(SOURCE_KINDS, 'a source'), ALWAYS)
  .transform((written) => {
    const input = theOne([written.file, written.embedded, written.jetstream, written.generator])
    return { input, eventTime: written.eventTime, onDataLoss: written.onDataLoss }
  })
  .meta(oneOfRequired(SOURCE_KINDS))
