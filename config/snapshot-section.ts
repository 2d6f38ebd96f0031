/** Where snapshots are kept, when they are taken, and how many stay. */
import * as z from 'zod'
import {
  ALWAYS,
  count,
  duration,
  exactlyOne,
  oneOfRequired,
  path,
  section,
  text,
  theOne,
} from './fields.ts'
import { jetstreamSnapshots } from './jetstream-section.ts'

const s3 = section({
  bucket: text('The bucket; it is not made.'),
  prefix: text('What all names in the bucket begin with, as in millrace/.').optional(),
  endpoint: z
    .url({ protocol: /^https?$/, error: 'is no URL; write it as in https://s3.example.com' })
    .meta({ description: 'Where the service is; default: that of Amazon in the region.' })
    .optional(),
  region: text('The region, as the service calls it.').default('us-east-1'),
  accessKeyId: text('The access key; keep it out of the file: ${env:AWS_ACCESS_KEY_ID}.'),
  secretAccessKey: text('Its secret; keep it out of the file: ${env:AWS_SECRET_ACCESS_KEY}.'),
  sessionToken: text('Goes with a temporary key: ${env:AWS_SESSION_TOKEN}.').optional(),
})
  .transform(({ endpoint, prefix = '', ...rest }) => ({
    kind: 's3' as const,
    ...rest,
    prefix,
    endpoint: endpoint ?? `https://s3.${rest.region}.amazonaws.com`,
  }))
  .meta({ description: 'A bucket of Amazon S3, or of a service that speaks as it does.' })

const PLACE_KINDS = ['jetstream', 's3'] as const

const folder = path('Folder that keeps them, best on another disk; made when it is not there.')
const place = section({ jetstream: jetstreamSnapshots.optional(), s3: s3.optional() })
  .superRefine(exactlyOne(PLACE_KINDS, 'to'), ALWAYS)
  .transform((written) => theOne([written.jetstream, written.s3]))
  .meta(oneOfRequired(PLACE_KINDS))

const to = z
  .union([folder.transform((written) => ({ kind: 'folder' as const, path: written })), place], {
    error: refusal,
  })
  .meta({ description: 'Where they are kept: a folder, a JetStream stream, or an S3 bucket.' })

/** Of a section its problems, each with its field; of anything else what to write. */
function refusal({ input, errors }: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidUnion>): string {
  if (typeof input !== 'object' || input === null) {
    return 'write a folder, or a section with jetstream or s3'
  }
  const problems = errors.at(-1) ?? []
  return problems.map((each) => [each.path.join('.'), each.message].join(' ').trim()).join('; ')
}

export const snapshotSection = section({
  to,
  every: duration('Time from one to the next; without it, only those that are asked for.', {
    atLeast: '10ms',
    atMost: '7d',
  }).optional(),
  keep: count('So many of the newest are kept, with what they stand on.', 1, 10_000).default(3),
})
  .transform(({ to: where, every, keep }) => ({ to: where, everyMs: every, keep }))
  .meta({ description: 'Copies of the state from which the job can start again anywhere.' })
