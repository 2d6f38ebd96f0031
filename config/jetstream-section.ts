/** How to reach a NATS server: the same fields wherever a manifest names one. */
import * as z from 'zod'
import { ALWAYS, count, duration, path, section, streamName, text } from './fields.ts'
import { checkRange, rangeFields } from './log-range.ts'

/** Any server text but one that carries spaces; the client understands `host`, `host:port` and URLs. */
const server = z
  .string()
  .regex(/^\S+$/, { error: 'is not a server; write it as in nats://127.0.0.1:4222' })

const servers = z
  .union([server, z.array(server).min(1)], {
    error: 'write a server as in nats://127.0.0.1:4222, or a list of servers',
  })
  .transform((written) => (typeof written === 'string' ? [written] : written))
  .meta({ description: 'One server or a list of servers of one cluster.' })
  .prefault('nats://127.0.0.1:4222')

const connectionShape = {
  servers,
  credentials: path('A NATS credentials file (.creds).').optional(),
  user: text('User name; needs `password`.').optional(),
  password: text('Password; keep it out of the file: ${env:NATS_PASSWORD}.').optional(),
  token: text('Token; keep it out of the file: ${env:NATS_TOKEN}.').optional(),
  tls: section({
    ca: path('Certificates of the authority, when it is not a public one.').optional(),
    cert: path('Certificate of this client.').optional(),
    key: path('Private key of this client.').optional(),
  })
    .superRefine(({ cert, key }, context) => {
      if ((cert === undefined) === (key === undefined)) return
      context.addIssue('cert and key go together; write both or none')
    }, ALWAYS)
    .meta({ description: 'Connect by TLS.' })
    .optional(),
  inboxPrefix: text('Prefix of reply subjects, where permissions ask for one.').optional(),
} as const

/** What `connection` is made of. */
type ConnectionFields = z.output<z.ZodObject<typeof connectionShape>>

/** Separates how to connect from what to do there. */
function connectionOf(fields: ConnectionFields) {
  const { servers: list, credentials, user, password, token, tls, inboxPrefix } = fields
  return { servers: list, credentials, user, password, token, tls, inboxPrefix }
}

/** Checks what the ways to say who one is ask of each other. */
function checkIdentity(
  written: Readonly<Record<string, unknown>>,
  context: z.core.$RefinementCtx,
): void {
  const ways = ['credentials', 'user', 'token'].filter((way) => written[way] !== undefined)
  if (ways.length > 1) context.addIssue(`has ${ways.join(' and ')}; use one of them`)
  if ((written['user'] === undefined) !== (written['password'] === undefined)) {
    context.addIssue('user and password go together; write both or none')
  }
}

/** Reads a JetStream stream. */
export const jetstreamSource = section({
  ...connectionShape,
  stream: streamName('The stream to read.'),
  subject: text('Reads only the subjects that match, as in ratings.eu.>.').optional(),
  ...rangeFields,
})
  .superRefine(checkIdentity, ALWAYS)
  .superRefine(checkRange)
  .transform((written) => ({
    kind: 'jetstream' as const,
    connection: connectionOf(written),
    stream: written.stream,
    subject: written.subject,
    from: written.from,
    to: written.to,
  }))

const SHARED_MODES = { own: 'own', ids: 'shared', chained: 'sharedChained' } as const

/** Writes into a JetStream stream. */
export const jetstreamSink = section({
  ...connectionShape,
  stream: streamName('The stream to write.'),
  subject: text("Subject of the messages; default: the stream's name.").optional(),
  shared: z
    .boolean()
    .meta({ description: 'Whether others write to this stream too; false: it is ours alone.' })
    .default(false),
  chained: z
    .boolean()
    .meta({ description: 'For a shared stream: exact without conditions, but slower.' })
    .optional(),
  create: z.boolean().meta({ description: 'Make the stream when it is not there.' }).default(true),
  replicas: count('Copies of a stream that is made.', 1, 5).optional(),
  duplicateWindow: duration('Of a shared stream that is made: how late a repeat is still seen.', {
    atLeast: '100ms',
  }).prefault('2m'),
})
  .superRefine(checkIdentity, ALWAYS)
  .superRefine((written, context) => {
    if (written.chained !== undefined && !written.shared) {
      context.addIssue('chained is for shared streams; a stream of our own always is; remove it')
    }
  }, ALWAYS)
  .transform((written) => ({
    kind: 'jetstream' as const,
    connection: connectionOf(written),
    stream: written.stream,
    subject: written.subject,
    /** own: nobody else writes there; shared: by message ids; sharedChained: one request in flight. */
    writing: !written.shared
      ? SHARED_MODES.own
      : written.chained === true
        ? SHARED_MODES.chained
        : SHARED_MODES.ids,
    create: written.create,
    replicas: written.replicas,
    duplicateWindowMs: written.duplicateWindow,
  }))

/** Keeps snapshots in a JetStream stream. */
export const jetstreamSnapshots = section({
  ...connectionShape,
  stream: streamName('The stream; made when it is not there, and used for nothing else.'),
  replicas: count('Copies of a stream that is made.', 1, 5).optional(),
})
  .superRefine(checkIdentity, ALWAYS)
  .transform((written) => ({
    kind: 'jetstream' as const,
    connection: connectionOf(written),
    stream: written.stream,
    replicas: written.replicas,
  }))
  .meta({ description: 'A stream of snapshots.' })
