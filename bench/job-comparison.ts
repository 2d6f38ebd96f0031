/** A job of ours against another job of ours, on the same file. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { checksumOfFile } from './checksum.ts'
import { compare, type Comparison, type Measurement } from './compare.ts'
import type { BenchData } from './make-data.ts'
import { ourArguments } from './our-run.ts'
import { makeRunFolder } from './places.ts'
import { runChild } from './run-child.ts'
import type { RunOptions } from './subject.ts'

export interface JobPair {
  readonly data: BenchData
  /** Names of jobs in bench/jobs. */
  readonly ours: string
  readonly baseline: string
  /** Whether both give the same results. */
  readonly areEqual?: boolean
}

export async function compareJobs(
  what: string,
  { data, ours, baseline, areEqual = false }: JobPair,
  options: RunOptions,
): Promise<Comparison> {
  const measure = async (job: string): Promise<Measurement> => {
    const measurement = await measureJob(job, data)
    return areEqual ? measurement : { ...measurement, checksum: undefined }
  }
  return compare(what, { ours: () => measure(ours), baseline: () => measure(baseline) }, options)
}

/** Runs a job of bench/jobs from a file of numbers to a file. */
export async function measureJob(
  job: string,
  { path, records }: BenchData,
  nodeArguments: readonly string[] = [],
): Promise<Measurement & { readonly stdout: string }> {
  const folder = makeRunFolder()
  const output = join(folder, 'results.jsonl')
  try {
    const args = ourArguments({
      manifest: `bench/jobs/${job}.yaml`,
      mode: 'batch',
      stateFolder: join(folder, 'state'),
      set: { 'sources.numbers.file.path': path, 'sinks.results.file.path': output },
    })
    const { seconds, peakRssAnonBytes, stdout } = await runChild(
      [...nodeArguments, ...args],
      folder,
    )
    return { records, seconds, peakRssAnonBytes, stdout, checksum: await checksumOfFile(output) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
