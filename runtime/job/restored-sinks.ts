/**
 * What becomes of results that are out when a state goes back to a snapshot. A restore begins another
 * history of the job, so this is decided before anything runs.
 *
 * resume: they are made again and compared with what is in the sink; equal ones are skipped.
 * again: files are cut back to the snapshot, and the results are written again.
 *
 * A file can do both. Sinks that know how far they are refuse by themselves when they are ahead of the
 * state; those that do not know are refused here.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ResolvedManifest } from '../../config/manifest.ts'
import { ConfigError, DataLossError } from '../errors.ts'
import type { FileMemo } from '../sink/file-sink.ts'
import type { Taken } from '../sink/sink.ts'
import { DEAD_LETTER } from '../task/open-task.ts'

export const RESULTS_AFTER = ['resume', 'again'] as const
export type ResultsAfter = (typeof RESULTS_AFTER)[number]

/** The file in the state folder that dead letters go to, unless the manifest names another place. */
export const DEAD_LETTER_FILE = 'dead-letter.jsonl'

export const deadLetterPath = (stateDir: string): string => join(stateDir, DEAD_LETTER_FILE)

export type SinkRows = Readonly<Record<string, Taken>>

export interface RestoredSinksOptions {
  readonly manifest: ResolvedManifest
  readonly stateDir: string
  readonly results: ResultsAfter
}

/** @throws ConfigError for a sink that cannot go back; DataLossError for a file that is not there. */
export async function restoredSinks(
  rows: SinkRows,
  options: RestoredSinksOptions,
): Promise<SinkRows> {
  const restored: Record<string, Taken> = {}
  for (const [name, taken] of Object.entries(rows)) {
    restored[name] = await restoredSink(name, taken, options)
  }
  return restored
}

async function restoredSink(
  name: string,
  taken: Taken,
  { manifest, stateDir, results }: RestoredSinksOptions,
): Promise<Taken> {
  const isDeadLetter = name === DEAD_LETTER
  const section = isDeadLetter ? manifest.deadLetter : manifest.sinks.get(name)
  const what = isDeadLetter ? 'the dead letter' : `sink '${name}'`
  if (section === undefined) {
    // The default dead letter is restored with the state.
    if (!isDeadLetter) return taken
    return { ...taken, memo: { ...(taken.memo as FileMemo), path: deadLetterPath(stateDir) } }
  }
  if (section.kind === 'file') {
    const memo = await restoredFile(what, section.path, taken.memo as FileMemo, results)
    return { ...taken, memo }
  }
  if (section.kind !== 'embedded' && section.kind !== 'jetstream') return taken
  if (results === 'again') {
    throw new ConfigError(
      `--results again works with files: ${what} writes to a stream, which keeps what it was given. Use --results resume, or start with a new state and another stream.`,
    )
  }
  if (section.kind === 'jetstream' && section.writing !== 'own') {
    throw new ConfigError(
      `${what} writes to a stream that others write too, where nobody can tell which results from after the snapshot are out. Start with a new state, or give the sink a stream of its own.`,
    )
  }
  return taken
}

async function restoredFile(
  what: string,
  path: string,
  { length, columns }: FileMemo,
  results: ResultsAfter,
): Promise<FileMemo> {
  const size = (await stat(path).catch(() => undefined))?.size ?? 0
  if (size < length) {
    throw new DataLossError(
      `${what}: ${path} has ${size} bytes, and had ${length} when the snapshot was taken. Bring the file there before the state is restored.`,
    )
  }
  const isAhead = results === 'resume' && size > length
  return {
    path,
    length,
    ...(columns !== undefined && { columns }),
    ...(isAhead && { compareTo: size }),
  }
}
