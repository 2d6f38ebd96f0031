/**
 * The manifest of a job: where it reads and writes, and how it runs. This schema is the only list
 * of the fields, their defaults and units; the resolved type and the editor schema follow from it.
 *
 * In the resolved manifest durations are milliseconds (`…Ms`), sizes are bytes (`…BytesMax`), bounds
 * end in `Max`, and what is "exactly one of" in the file is a union told apart by `kind`.
 */
import * as z from 'zod'
import { ALWAYS, byteSize, count, duration, name, path, section, text } from './fields.ts'
import { deadLetterSection, sinkSection } from './sink-section.ts'
import { snapshotSection } from './snapshot-section.ts'
import { sourceSection } from './source-section.ts'

const jobName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/, {
    error: 'is not a job name; use up to 64 letters, digits, _ and -',
  })
  .meta({ description: "Default: the job's own name." })

const commit = section({
  every: duration(
    'The longest an epoch stays open; drained inputs commit at once. Default: 100ms live, 5s in batch.',
    { atLeast: '1ms', atMost: '1h' },
  ).optional(),
  records: count('An epoch is committed after this many records.', 1).default(10_000_000),
  bytes: byteSize('An epoch is committed after this much input.', { atLeast: '1kB' }).prefault(
    '64MB',
  ),
})
  .transform(({ every, records, bytes }) => ({
    /** Not said: as the mode asks for. */
    everyMs: every,
    recordsMax: records,
    bytesMax: bytes,
  }))
  .meta({ description: 'When an epoch ends.' })

const cache = section({
  entries: count('Keys of an operator that are kept in memory.', 1).default(1_000_000),
  bytes: byteSize('Memory for the keys of an operator, about.', { atLeast: '64kB' }).prefault(
    '256MB',
  ),
})
  .transform(({ entries, bytes }) => ({ entriesMax: entries, bytesMax: bytes }))
  .meta({ description: 'State beyond it is loaded when it is asked for.' })

const restart = section({
  strategy: z
    .enum(['exponential', 'fixed', 'none'])
    .meta({ description: 'How the pause between attempts grows; none: the first failure ends it.' })
    .default('exponential'),
  attempts: count('Failures in a row after which the job gives up.', 1).default(10),
  delay: duration('The pause before the first new attempt.').prefault('1s'),
  delayMax: duration('The longest pause.').prefault('1m'),
})
  .superRefine((written, context) => {
    if (written.delay > written.delayMax) {
      context.addIssue('delay is longer than delayMax; make delayMax at least as long')
    }
  })
  .transform(({ strategy, attempts, delay, delayMax }) => ({
    strategy,
    attemptsMax: attempts,
    delayMs: delay,
    delayMaxMs: delayMax,
  }))
  .meta({ description: 'What happens after something outside failed.' })

const limits = section({
  recordBytes: byteSize('Larger records go to the dead letter.', {
    atLeast: '1B',
    atMost: '512MB',
  }).prefault('1MiB'),
  outboxBytes: byteSize('Reading pauses while this much waits for its sinks.', {
    atLeast: '64kB',
  }).prefault('64MB'),
})
  .transform(({ recordBytes, outboxBytes }) => ({
    recordBytesMax: recordBytes,
    outboxBytesMax: outboxBytes,
  }))
  .meta({ description: 'Bounds of what the job takes in.' })

const metrics = section({
  port: count('0: any that is free; the log says which.', 0, 65_535).default(9464),
  host: text('Any other address than one of this machine alone needs a token.').default(
    '127.0.0.1',
  ),
  token: text('Asked for as a bearer token; keep it out of the file: ${env:…}.').optional(),
})
  .superRefine(({ host, token }, context) => {
    if (token !== undefined || /^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host)) return
    context.addIssue(
      `${host} can be reached from other machines; write a token, or host: 127.0.0.1`,
    )
  })
  .meta({ description: 'Serves /metrics for Prometheus, and /healthz.' })

const SPEED = 'write how many times as fast as the records came, as in 10x, or max'

/** @returns how many times as fast as event time went; Infinity: as fast as it can be read. */
const speed = z
  .string({ error: SPEED })
  .regex(/^(max|\d+(\.\d+)?x)$/, { error: SPEED })
  .transform((written) =>
    written === 'max' ? Number.POSITIVE_INFINITY : Number.parseFloat(written),
  )
  .refine((times) => times > 0, { error: SPEED })
  .meta({
    description: 'In batch: replays at a multiple of the event time of the records. Default: max.',
  })

const operator = section({
  onError: z
    .union([z.literal('fail'), z.strictObject({ deadLetterAfter: z.int().min(1).max(1000) })], {
      error: 'write fail or {deadLetterAfter: 3}',
    })
    .meta({
      description: 'When user code throws: fail the job, or set the record aside after n attempts.',
    })
    .default('fail'),
})

/** Records become maps: an operator may be called `constructor`. */
const named = <Section extends z.ZodType>(entry: Section) =>
  z.record(name, entry).transform((entries) => new Map(Object.entries(entries)))

/** Checks and resolves what was read from a manifest file. */
export const manifestSchema = section({
  job: path("The job's module (.ts, .js), inside the manifest's folder."),
  name: jobName.optional(),
  sources: named(sourceSection).meta({ description: "The job's sources, by their names in it." }),
  sinks: named(sinkSection).meta({ description: "The job's sinks, by their names in it." }),
  deadLetter: deadLetterSection.optional(),
  state: path(
    'Folder of the state; default .millrace/<job name> in the working directory.',
  ).optional(),
  commit: commit.prefault({}),
  cache: cache.prefault({}),
  restart: restart.prefault({}),
  parallelism: count(
    'Tasks that share the keys of each operator. A state that has another number is moved to it.',
    1,
    128,
  ).default(1),
  processes: count('Processes that share the tasks.', 1, 128).default(1),
  durability: z
    .enum(['local'])
    .meta({ description: 'local: a commit counts when it is on this disk.' })
    .default('local'),
  snapshots: snapshotSection.optional(),
  metrics: metrics.optional(),
  limits: limits.prefault({}),
  operators: z
    .record(z.string().min(1), operator)
    .transform((entries) => new Map(Object.entries(entries)))
    .meta({ description: "Settings of the job's operators, by their names in it." })
    .prefault({}),
  mode: z
    .enum(['live', 'batch'])
    .meta({ description: "live: go on for ever; batch: end at the inputs' end." })
    .default('live'),
  followedBy: z
    .literal('live', { error: 'write live, or remove it' })
    .meta({ description: 'Behind a batch: go on live from exactly where it ended.' })
    .optional(),
  speed: speed.optional(),
})
  .superRefine((written, context) => {
    for (const field of ['sources', 'sinks'] as const) {
      if (written[field] instanceof Map && written[field].size === 0) {
        context.addIssue({ code: 'custom', message: 'has none; name at least one', path: [field] })
      }
    }
  }, ALWAYS)
  .meta({ title: 'Manifest of a millrace job' })

type DeepReadonly<Value> =
  Value extends Map<infer Name, infer Entry>
    ? ReadonlyMap<Name, DeepReadonly<Entry>>
    : Value extends object
      ? { readonly [Field in keyof Value]: DeepReadonly<Value[Field]> }
      : Value

/** A checked manifest: defaults filled in, units resolved, paths absolute (by load-manifest). */
export type ResolvedManifest = DeepReadonly<z.output<typeof manifestSchema>>

/** Live, results are to be out soon. In batch nobody waits for them, and what comes and goes within an epoch is never written. */
const COMMIT_EVERY_MS = { live: 100, batch: 5_000 } as const

/** When epochs end in a mode. */
export function commitLimits({ commit: written }: ResolvedManifest, runMode: 'live' | 'batch') {
  return { ...written, everyMs: written.everyMs ?? COMMIT_EVERY_MS[runMode] }
}

/** A source of a resolved manifest. */
export type SourceManifest =
  ResolvedManifest['sources'] extends ReadonlyMap<string, infer Entry> ? Entry : never

/** How the records of a source get their event time. */
export type EventTimeManifest = SourceManifest['eventTime']

/** What a source reads, told apart by `kind`. */
export type SourceInputManifest = SourceManifest['input']

/** A sink of a resolved manifest, told apart by `kind`. */
export type SinkManifest =
  ResolvedManifest['sinks'] extends ReadonlyMap<string, infer Entry> ? Entry : never

/** Where dead letters go, when it is not the file in the state folder. */
export type DeadLetterManifest = NonNullable<ResolvedManifest['deadLetter']>

/** How to reach a NATS server. */
export type JetStreamConnectionManifest = Extract<
  SinkManifest,
  { readonly kind: 'jetstream' }
>['connection']
