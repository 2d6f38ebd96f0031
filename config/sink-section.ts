/** Where a sink writes, and where records go that cannot be processed. */
import * as z from 'zod'
import { LOG_DIR_DEFAULT } from './defaults.ts'
import {
  ALWAYS,
  byteSize,
  count,
  duration,
  exactlyOne,
  fileFormat,
  oneOfRequired,
  path,
  section,
  streamName,
  theOne,
  UNKNOWN_FORMAT,
} from './fields.ts'
import { formatOf } from './file-format.ts'
import { jetstreamSink } from './jetstream-section.ts'

const fileSink = section({
  path: path('The file to write.'),
  format: fileFormat.optional(),
}).transform((written, context) => {
  const format = written.format ?? formatOf(written.path)
  if (format === undefined) {
    context.issues.push({ code: 'custom', message: UNKNOWN_FORMAT, input: written, path: ['path'] })
    return z.NEVER
  }
  if (written.path.endsWith('.gz')) {
    context.issues.push({
      code: 'custom',
      message: 'ends in .gz, but results are not packed; leave .gz out',
      input: written,
      path: ['path'],
    })
    return z.NEVER
  }
  return { kind: 'file' as const, path: written.path, format }
})

const embeddedSink = section({
  stream: streamName('The stream to write; made when it is not there.'),
  log: path(
    'Folder of the embedded log; default .millrace/log in the working directory.',
  ).optional(),
  partitions: count('Partitions of a stream that is made.', 1, 1024).optional(),
  retention: section({
    age: duration('Messages older than this may be removed.', { atLeast: '1s' }).optional(),
    size: byteSize('The oldest messages beyond this size may be removed.', {
      atLeast: '1kB',
    }).optional(),
  })
    .meta({ description: 'Default: messages are kept for ever.' })
    .optional(),
}).transform(({ stream, log, partitions, retention }) => ({
  kind: 'embedded' as const,
  stream,
  log: log ?? LOG_DIR_DEFAULT,
  partitions,
  retention: { ageMs: retention?.age, bytesMax: retention?.size },
}))

const tableSink = section({
  per: z
    .enum(['key', 'window'])
    .meta({ description: "key: each key's newest row; window: a row a key and window." })
    .default('key'),
})
  .transform(({ per }) => ({ kind: 'table' as const, per }))
  .meta({ description: "A queryable table in the job's state: millrace state get." })

const consoleSink = section({})
  .transform(() => ({ kind: 'console' as const }))
  .meta({ description: 'Prints results; not exactly-once.' })

const SINK_KINDS = ['file', 'embedded', 'jetstream', 'table', 'console'] as const

/** One sink of a job. */
export const sinkSection = section({
  file: fileSink.optional(),
  embedded: embeddedSink.optional(),
  jetstream: jetstreamSink.optional(),
  table: tableSink.optional(),
  console: consoleSink.optional(),
})
  .superRefine(exactlyOne(SINK_KINDS, 'a sink'), ALWAYS)
  .transform(({ file, embedded, jetstream, table, console }) =>
    theOne([file, embedded, jetstream, table, console]),
  )
  .meta(oneOfRequired(SINK_KINDS))

const DEAD_LETTER_KINDS = ['file', 'embedded', 'jetstream'] as const

/** Where records go that cannot be decoded, timed, keyed or processed. */
export const deadLetterSection = section({
  file: fileSink.optional(),
  embedded: embeddedSink.optional(),
  jetstream: jetstreamSink.optional(),
})
  .superRefine(exactlyOne(DEAD_LETTER_KINDS, 'deadLetter'), ALWAYS)
  .transform(({ file, embedded, jetstream }) => theOne([file, embedded, jetstream]))
  .meta({
    ...oneOfRequired(DEAD_LETTER_KINDS),
    description: 'Default: the file dead-letter.jsonl in the state folder.',
  })
