/** `millrace check parity`: whether a job comes to the same results however it is run. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ResolvedManifest } from '../../config/manifest.ts'
import { ConfigError } from '../errors.ts'
import { tablesOf } from '../job/job-layout.ts'
import { withSources } from '../job/sample-sources.ts'
import { checkParity, type Counterexample } from '../parity/check-parity.ts'
import { readSample, type Sample } from '../parity/sample.ts'
import type { ParityJob } from '../parity/variants.ts'
import { nodesOf } from '../pipeline/graph.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { counted, grouped } from './figures.ts'
import type { CliIo } from './io.ts'
import { createLogger } from './logger.ts'
import { loadTarget, type TargetFlags } from './target.ts'

export interface ParityFlags extends TargetFlags {
  /** Records of each source. */
  readonly records: number
  readonly rounds: number
  readonly seed?: number
}

/** Lines of a counterexample that are printed. */
const LINES_SHOWN = 20

/** Prints what came of each way. @throws ConfigError when there is nothing to check with; what is wrong with a source. */
export async function checkParityCommand(
  io: CliIo,
  path: string,
  flags: ParityFlags,
): Promise<ExitCode> {
  const { job, loaded, definition } = await loadTarget(io, path, flags)
  const { manifest } = loaded
  const sample = await sampleOf(io, { manifest, definition }, flags.records)
  if (sample.records.length === 0) {
    throw new ConfigError(
      `the sources of ${job} have no records; name some with --set sources.NAME.file.path=…`,
    )
  }
  const seed = flags.seed ?? io.clock.now() % 2 ** 31
  const more = sample.hasMore ? ', the first of more' : ''
  io.out(`${job}   ${counted(sample.records.length, 'record')}${more}   seed ${seed}\n`)
  const { results, ways, counterexample } = await checkParity(
    parityJob(manifest, definition),
    sample.records,
    { seed, rounds: flags.rounds, onTried: () => undefined },
  )
  for (const [sink, count] of results) io.out(` ${sink}   ${counted(count, 'result')}\n`)
  if (counterexample === undefined) {
    io.out(
      ` the same ${ways.map((way) => `(${way})`).join(' ')}, ${counted(flags.rounds, 'time')} each\n`,
    )
    return EXIT.ok
  }
  io.out(textOf(counterexample))
  return EXIT.userCode
}

async function sampleOf(
  io: CliIo,
  job: { readonly manifest: ResolvedManifest; readonly definition: JobDefinition },
  limit: number,
): Promise<Sample> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-parity-'))
  try {
    const context = {
      mode: 'batch' as const,
      overwrite: false,
      clock: io.clock,
      stop: new AbortController().signal,
      log: createLogger(io, 'warn'),
    }
    return await withSources(job, { context, folder }, (sources) => readSample(sources, limit))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What of the manifest results depend on. */
function parityJob(manifest: ResolvedManifest, definition: JobDefinition): ParityJob {
  const sources = nodesOf(definition.graph, 'source').map(({ name }) => name)
  const sections = sources.map((name) => [name, manifest.sources.get(name)] as const)
  return {
    definition,
    boundsMs: new Map(
      sections.map(([name, section]) => [name, section?.eventTime.outOfOrderMs ?? 0]),
    ),
    options: {
      eventTime: Object.fromEntries(
        sections.map(([name, section]) => {
          const { field, unit = 'ms', minTimeMs } = section?.eventTime ?? {}
          const of = field === undefined ? { from: 'log' as const } : { field, unit }
          return [name, { ...of, ...(minTimeMs !== undefined && { minTime: minTimeMs }) }]
        }),
      ),
      bounded: sections.flatMap(([name, section]) =>
        section?.input.kind === 'file' || section?.input.kind === 'generator' ? [name] : [],
      ),
      tables: Object.fromEntries(tablesOf(definition.graph, manifest)),
      operators: Object.fromEntries(manifest.operators),
    },
  }
}

function textOf({ variant, what, seed, records, differences, failure }: Counterexample): string {
  const lines = [
    ` other results when run ${variant}: ${what} (seed ${seed})`,
    ` the smallest input that shows it: ${counted(records.length, 'record')}`,
    ...shown(
      records.map(
        ({ source, value, place }) => `  ${source}  ${JSON.stringify(value)}  (${place})`,
      ),
    ),
    ...(failure === undefined ? [] : [` only one of the two ended with an error: ${failure}`]),
  ]
  for (const { sink, onlyBatch, onlyOther } of differences) {
    lines.push(
      ` ${sink}, in batch only:`,
      ...shown(onlyBatch.map((line) => `  ${line}`)),
      ` ${sink}, ${variant} only:`,
      ...shown(onlyOther.map((line) => `  ${line}`)),
    )
  }
  return `${lines.join('\n')}\n`
}

function shown(lines: readonly string[]): readonly string[] {
  if (lines.length === 0) return ['  nothing']
  if (lines.length <= LINES_SHOWN) return lines
  return [...lines.slice(0, LINES_SHOWN), `  … and ${grouped(lines.length - LINES_SHOWN)} more`]
}
