/** A job from a file to a file against its hand-written loop. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { checksumOfFile } from './checksum.ts'
import { compare } from './compare.ts'
import type { Comparison, Measurement } from './compare.ts'
import { makeData } from './make-data.ts'
import { ourArguments } from './our-run.ts'
import { makeRunFolder, programArguments } from './places.ts'
import { runChild } from './run-child.ts'
import type { RunOptions, Size } from './subject.ts'

export interface FileJob {
  readonly manifest: string
  /** Name of the sink in it. */
  readonly sink: string
  /** Name in baselines/main.ts. */
  readonly loop: string
}

export async function compareFiles(
  what: string,
  job: FileJob,
  options: RunOptions,
): Promise<Comparison> {
  const { path: input, records } = await ratingsFor(options.size)
  const measure = async (
    argumentsFor: (folder: string, output: string) => readonly string[],
  ): Promise<Measurement> => {
    const folder = makeRunFolder()
    const output = join(folder, 'results.jsonl')
    try {
      const { seconds, peakRssAnonBytes } = await runChild(argumentsFor(folder, output), folder)
      return { records, seconds, peakRssAnonBytes, checksum: await checksumOfFile(output) }
    } finally {
      // At once, so that writing the results of this run to disk does not slow the next.
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return compare(
    what,
    {
      ours: () =>
        measure((folder, output) =>
          ourArguments({
            manifest: job.manifest,
            mode: 'batch',
            stateFolder: join(folder, 'state'),
            set: {
              'sources.ratings.file.path': input,
              [`sinks.${job.sink}.file.path`]: output,
            },
          }),
        ),
      baseline: () =>
        measure((_, output) => programArguments('baselines/main', [job.loop, input, output])),
    },
    options,
  )
}

/** A day of ratings. */
export function ratingsFor(size: Size, records = 5_000_000): ReturnType<typeof makeData> {
  return size === 'full' ? makeData(records, 10_000) : makeData(20_000, 500)
}
