/** `millrace publish`: puts the records of a file into a stream, a JSON message a record. */
import { resolve } from 'node:path'
import { formatOf } from '../../config/file-format.ts'
import type { FileFormat } from '../../config/file-format.ts'
import { ConfigError } from '../errors.ts'
import { FileSource } from '../source/file-source.ts'
import { Undecodable } from '../source/source.ts'
import { sleep } from '../time/clock.ts'
import type { Clock } from '../time/clock.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { counted, grouped, lasted, perSecond } from './figures.ts'
import type { CliIo } from './io.ts'
import type { Publisher, PublisherOptions } from './publisher.ts'
import type { CliServices } from './services.ts'

export interface PublishFlags {
  readonly to: PublisherOptions
  /** A numeric field; records are sorted by it, those with the same number stay in their order. */
  readonly orderBy?: string
  /** How many times faster than the field says; 'max' does not pace. */
  readonly speed: number | 'max'
  /** What the field counts. */
  readonly unit: 's' | 'ms'
  readonly format?: FileFormat
  /** CSV columns that stay text. */
  readonly textColumns: readonly string[]
  readonly quiet?: boolean
}

/** Messages that are handed to a stream at once. */
const RUN_MESSAGES_MAX = 1_000
/** Records are paced in steps of this: a timer a record would limit the rate. */
const PACE_STEP_MS = 20
const RECORD_BYTES_MAX = 64 * 1024 * 1024

/** Reads, sorts and publishes a file. @throws ConfigError, UnavailableError */
export async function publish(
  io: CliIo,
  services: CliServices,
  file: string,
  flags: PublishFlags,
): Promise<ExitCode> {
  if (flags.speed !== 'max' && flags.orderBy === undefined) {
    throw new ConfigError('--speed needs --order-by: the field that says when a record was')
  }
  const path = resolve(io.workingDir, file)
  const counts: Counts = { published: 0, skipped: 0, firstSkipped: undefined }
  const records = readRecords(path, flags, io.clock, counts)
  const ordered =
    flags.orderBy === undefined ? records : sorted(await collect(records), flags.orderBy)
  const startedMs = io.clock.monotonic()
  const publisher = await services.openPublisher(flags.to)
  try {
    for await (const run of paced(ordered, flags, io.clock)) {
      await publishRun(publisher, run, counts)
      io.liveLine?.update(` ${file}   ${counted(counts.published, 'record')} published`)
    }
  } finally {
    io.liveLine?.clear()
    await publisher.close()
  }
  if (flags.quiet !== true) io.out(resultText(file, publisher, counts, elapsed(io, startedMs)))
  return EXIT.ok
}

const elapsed = (io: CliIo, startedMs: number): number => io.clock.monotonic() - startedMs

interface Counts {
  published: number
  skipped: number
  /** Where the first record stood that cannot be read, and why. */
  firstSkipped: string | undefined
}

async function publishRun(
  publisher: Publisher,
  run: readonly unknown[],
  counts: Counts,
): Promise<void> {
  await publisher.append(run.map((record) => Buffer.from(JSON.stringify(record))))
  counts.published += run.length
}

/** The records of a file in its order; what cannot be read is counted. */
async function* readRecords(
  path: string,
  flags: PublishFlags,
  clock: Clock,
  counts: Counts,
): AsyncGenerator {
  const format = flags.format ?? formatOf(path)
  if (format === undefined) {
    throw new ConfigError(`${path}: its format is unknown; say --format csv or --format jsonl`)
  }
  const source = new FileSource({
    name: 'publish',
    path,
    format,
    textColumns: new Set(flags.textColumns),
    follow: false,
    recordBytesMax: RECORD_BYTES_MAX,
    clock,
  })
  for (const input of await source.inputs()) {
    await input.open(undefined)
    try {
      for (let batch = input.poll(); batch !== 'end'; batch = input.poll()) {
        if (batch === 'pending') {
          await input.ready()
          continue
        }
        for (const [index, value] of batch.values.entries()) {
          if (!(value instanceof Undecodable)) yield value
          else {
            counts.skipped += 1
            counts.firstSkipped ??= `${batch.placeOf(index)}: ${value.reason}`
          }
        }
      }
    } finally {
      await input.close()
    }
  }
}

async function collect(records: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const record of records) all.push(record)
  return all
}

/** Stable: records of the same number stay in their order. */
function sorted(records: readonly unknown[], field: string): unknown[] {
  return records.toSorted((a, b) => numberAt(a, field) - numberAt(b, field))
}

function numberAt(record: unknown, field: string): number {
  const value: unknown =
    typeof record === 'object' && record !== null ? Reflect.get(record, field) : undefined
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new ConfigError(
    `--order-by ${field}: a record has no number there: ${JSON.stringify(record).slice(0, 200)}`,
  )
}

/** Runs of records, each handed out when its time has come. */
async function* paced(
  records: Iterable<unknown> | AsyncIterable<unknown>,
  { speed, orderBy, unit }: PublishFlags,
  clock: Clock,
): AsyncGenerator<readonly unknown[]> {
  let run: unknown[] = []
  let firstTime: number | undefined
  const startedMs = clock.monotonic()
  const perUnitMs = unit === 's' ? 1_000 : 1
  for await (const record of records) {
    if (speed !== 'max' && orderBy !== undefined) {
      const time = numberAt(record, orderBy) * perUnitMs
      firstTime ??= time
      const dueMs = startedMs + (time - firstTime) / speed
      if (dueMs - clock.monotonic() >= PACE_STEP_MS) {
        if (run.length > 0) yield run
        run = []
        await sleep(clock, Math.max(0, dueMs - clock.monotonic()))
      }
    }
    run.push(record)
    if (run.length < RUN_MESSAGES_MAX) continue
    yield run
    run = []
  }
  if (run.length > 0) yield run
}

function resultText(
  file: string,
  publisher: Publisher,
  { published, skipped, firstSkipped }: Counts,
  elapsedMs: number,
): string {
  const rate = perSecond(published, elapsedMs)
  const first = ` ${file}   ${counted(published, 'record')} to ${publisher.where} · ${rate} · ${lasted(elapsedMs)}\n`
  if (firstSkipped === undefined) return first
  return `${first} left out ${grouped(skipped)} that cannot be read; the first: ${firstSkipped}\n`
}
