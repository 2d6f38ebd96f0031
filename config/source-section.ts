/** Where a source reads, and how its records get their event time. */
import * as z from 'zod'
import { LOG_DIR_DEFAULT } from './defaults.ts'
import {
  ALWAYS,
  byteSize,
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
import { checkRange, rangeFields } from './log-range.ts'

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
  ...rangeFields,
})
  .superRefine(checkRange)
  .transform(({ stream, log, from, to }) => ({
    kind: 'embedded' as const,
    stream,
    log: log ?? LOG_DIR_DEFAULT,
    from,
    to,
  }))

const generatorSource = section({
  module: path('A module whose default export makes the records.'),
  options: z.unknown().meta({ description: 'Any JSON; handed to the generator.' }).optional(),
}).transform(({ module, options }) => ({ kind: 'generator' as const, module, options }))

/** Units of the field that holds the event time. */
export const TIME_UNITS = ['s', 'ms', 'us', 'iso'] as const

/** How the records of a source come: what the watermark is told from. */
export const ORDERS = ['ordered', 'unordered', 'monotonous', 'sorted'] as const

/** Orders in which no record comes behind another: their bound is 0. Sorting needs none, so one that is written may stay. */
const isStrict = (order: unknown): boolean => order === 'monotonous' || order === 'sorted'

const OUT_OF_ORDER_MS = 5_000

const alignment = section({
  group: text('Sources that name the same group keep together.').default('default'),
  maxDrift: duration('How far it may be ahead of the slowest of the group before it waits.', {
    atLeast: '1ms',
  }),
})
  .transform(({ group, maxDrift }) => ({ group, maxDriftMs: maxDrift }))
  .meta({ description: 'Keeps inputs together in event time, so that little waits in the state.' })

const SORT_MEMORY_BYTES = 64_000_000

const sort = section({
  memory: byteSize('Memory to sort in; what is beyond it is sorted on disk, in the state folder.', {
    atLeast: '1MB',
  }).prefault('64MB'),
}).transform(({ memory }) => ({ memoryBytesMax: memory }))

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
    .enum(ORDERS)
    .meta({
      description:
        'unordered: in batch nothing is late; ordered: outOfOrder holds there too; monotonous: no record is before the one it follows; sorted: a file is sorted by event time before it is read.',
    })
    .default('unordered'),
  outOfOrder: duration(
    'How far behind the newest record others still count as in time. Default: 5s.',
  ).optional(),
  idleAfter: duration(
    'After which silence an input no longer holds event time back; in batch, where every input ends, it always does. Default: 30s.',
    {
      atLeast: '1ms',
    },
  ).prefault('30s'),
  whenIdle: z
    .enum(['exclude', 'advance'])
    .meta({
      description:
        'exclude: event time goes on without the silent input; advance: its own goes on with the clock, less outOfOrder.',
    })
    .default('exclude'),
  alignment: alignment.optional(),
  watermarkField: text(
    'The field of a record that holds a watermark, in the unit of the event time: nothing up to it is still to come.',
  ).optional(),
  sort: sort.optional(),
  maxAhead: duration('Records further ahead of the log than this go to the dead letter.').prefault(
    '1d',
  ),
  minTime: instant('Records before this go to the dead letter: finds seconds read as ms.').prefault(
    '1990-01-01',
  ),
})
  .superRefine((written, context) => {
    const { field, from, order, outOfOrder } = written
    if (field !== undefined && from !== undefined)
      context.addIssue('has field and from; a record has one event time, so use one of them')
    if (order === 'monotonous' && outOfOrder !== undefined && outOfOrder !== 0)
      context.addIssue(
        'has outOfOrder, and with order: monotonous no record is behind another; remove one of them',
      )
    if (written.sort !== undefined && order !== 'sorted')
      context.addIssue(`has sort, which is for order: sorted; remove it, or write order: sorted`)
  }, ALWAYS)
  .transform((written) => ({
    /** The field that holds it. */
    field: written.field,
    /** log: the time at which the log took the record. Neither: as the job says, else the log's. */
    from: written.from,
    unit: written.unit,
    order: written.order,
    outOfOrderMs: isStrict(written.order) ? 0 : (written.outOfOrder ?? OUT_OF_ORDER_MS),
    idleAfterMs: written.idleAfter,
    whenIdle: written.whenIdle,
    alignment: written.alignment,
    /** The field that holds a watermark. */
    watermarkField: written.watermarkField,
    /** Of order sorted alone. */
    sort:
      written.order === 'sorted'
        ? (written.sort ?? { memoryBytesMax: SORT_MEMORY_BYTES })
        : undefined,
    maxAheadMs: written.maxAhead,
    minTimeMs: written.minTime,
  }))

const SOURCE_KINDS = ['file', 'embedded', 'jetstream', 'generator'] as const

/** Only what has an end can be sorted before it is read. */
function sortsWholeFiles(
  {
    file,
    eventTime: { order },
  }: { file?: { follow: boolean } | undefined; eventTime: { order: string } },
  context: z.core.$RefinementCtx,
): void {
  if (order !== 'sorted') return
  if (file === undefined)
    context.addIssue('has order: sorted, which is for files; use ordered or unordered')
  else if (file.follow)
    context.addIssue('has order: sorted and a file that is followed; it has no end to sort up to')
}

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
  .superRefine(sortsWholeFiles)
  .transform((written) => {
    const input = theOne([written.file, written.embedded, written.jetstream, written.generator])
    return { input, eventTime: written.eventTime, onDataLoss: written.onDataLoss }
  })
  .meta(oneOfRequired(SOURCE_KINDS))
