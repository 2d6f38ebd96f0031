/**
 * Sorts more entries by time than fit in memory: what does not fit is written to temporary files as
 * sorted runs, which are merged in the end. Entries of equal time keep the order in which they came.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError, InvariantError, reasonOf, UnavailableError } from '../../errors.ts'
import { crc32 } from '../../state/crc32.ts'
import type { EntryCursor } from './cursor.ts'
import { entryBytesMax, type SortEntry } from './entry.ts'
import { Merge } from './merge.ts'
import { RunReader, RunWriter } from './run-file.ts'
import { SortBlock } from './sort-block.ts'

export interface ExternalSortOptions {
  /** What is sorted, for messages: `source 'ratings'`. */
  readonly what: string
  /** Folder for the runs; made when one is needed, removed in the end. */
  readonly folder: string
  /** Memory for entries, about. */
  readonly memoryBytesMax: number
  /** Runs that are read at the same time; default 64. */
  readonly runsMax?: number
}

const BLOCK_BYTES_MAX = 1 << 20
const BLOCKS_MIN = 8
const READ_BYTES_MIN = 1 << 16
const READ_BYTES_MAX = 1 << 20
const RUNS_MAX = 64

export class ExternalSort {
  readonly #options: ExternalSortOptions
  readonly #blockBytes: number
  readonly #runsMax: number
  #open: SortBlock | undefined
  #blocks: EntryCursor[] = []
  #blocksBytes = 0
  #runs: string[] = []
  #runCount = 0
  #merged: Merge | undefined
  records = 0
  #crc = 0

  constructor(options: ExternalSortOptions) {
    this.#options = options
    this.#runsMax = options.runsMax ?? RUNS_MAX
    this.#blockBytes = Math.min(BLOCK_BYTES_MAX, Math.ceil(options.memoryBytesMax / BLOCKS_MIN))
  }

  /** Recognises what was added: all entries, in the order in which they came. Known after finish(). */
  get crc(): number {
    return this.#crc
  }

  /** Runs written so far, for tests and figures. */
  get runsWritten(): number {
    return this.#runCount
  }

  /** Adds an entry. False when spill() has to come before the next. */
  add(entry: SortEntry): boolean {
    this.records += 1
    if (this.#open?.add(entry) === true) return true
    this.#seal()
    const block = new SortBlock(Math.max(this.#blockBytes, entryBytesMax(entry)))
    block.add(entry)
    this.#open = block
    return this.#blocksBytes + this.#blockBytes <= this.#options.memoryBytesMax
  }

  #seal(): void {
    const block = this.#open
    if (block === undefined) return
    this.#open = undefined
    this.#crc = crc32(block.bytes, 0, this.#crc)
    this.#blocksBytes += block.memoryBytes
    this.#blocks.push(block.sorted())
  }

  /** Writes what is in memory to a run. @throws UnavailableError, ConfigError when that cannot be. */
  async spill(): Promise<void> {
    this.#seal()
    if (this.#blocks.length === 0) return
    const run = await this.#write(new Merge(this.#blocks))
    this.#blocks = []
    this.#blocksBytes = 0
    this.#runs.push(run)
  }

  /** All entries in order. Nothing may be added afterwards. */
  async finish(): Promise<EntryCursor> {
    if (this.#runs.length === 0) {
      this.#seal()
      this.#merged = new Merge(this.#blocks)
      return this.#merged
    }
    await this.spill()
    while (this.#runs.length > this.#runsMax) await this.#mergeRuns()
    this.#merged = new Merge(await this.#readers(this.#runs))
    return this.#merged
  }

  /** Merges neighbours, so that runs stay in the order of the input. */
  async #mergeRuns(): Promise<void> {
    const merged: string[] = []
    for (let at = 0; at < this.#runs.length; at += this.#runsMax) {
      const paths = this.#runs.slice(at, at + this.#runsMax)
      const merge = new Merge(await this.#readers(paths))
      try {
        merged.push(await this.#write(merge))
      } finally {
        await merge.close()
      }
      for (const path of paths) await rm(path, { force: true })
    }
    this.#runs = merged
  }

  async #readers(paths: readonly string[]): Promise<RunReader[]> {
    const share = Math.floor(this.#options.memoryBytesMax / paths.length)
    const bufferBytes = Math.max(READ_BYTES_MIN, Math.min(READ_BYTES_MAX, share))
    const readers: RunReader[] = []
    try {
      for (const path of paths) readers.push(await RunReader.open(path, bufferBytes))
    } catch (error) {
      for (const reader of readers) await reader.close()
      throw this.#problem(error)
    }
    return readers
  }

  async #write(entries: Merge): Promise<string> {
    const path = join(this.#options.folder, `run-${this.#runCount++}`)
    try {
      await mkdir(this.#options.folder, { recursive: true })
      const run = await RunWriter.create(path)
      try {
        for (let step = entries.next(); step !== 'end'; step = entries.next()) {
          if (step === 'pending') await entries.fill()
          else if (!run.add(entries)) await run.flush()
        }
        await run.flush()
      } finally {
        await run.close()
      }
    } catch (error) {
      throw this.#problem(error)
    }
    return path
  }

  #problem(error: unknown): Error {
    if (error instanceof InvariantError) return error
    const { what, folder } = this.#options
    const { code } = error as NodeJS.ErrnoException
    const text = `${what} is sorted with temporary files in ${folder}, and that failed: ${reasonOf(error)}`
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      return new UnavailableError(
        `${text}. Make room there (about as much as the unpacked input), or name another folder with --state.`,
        { cause: error },
      )
    }
    return new ConfigError(
      `${text}. Make the folder writable, name another with --state, or give the sort more memory (eventTime.sort.memory).`,
      { cause: error },
    )
  }

  /** Removes what a killed process has left in the folder. */
  async clear(): Promise<void> {
    try {
      await rm(this.#options.folder, { recursive: true, force: true })
    } catch (error) {
      throw this.#problem(error)
    }
  }

  /** Ends it at any time and removes its files. */
  async close(): Promise<void> {
    await this.#merged?.close()
    this.#merged = undefined
    this.#blocks = []
    // Where this fails, the next start says so: it begins with clear().
    await this.clear().catch(() => undefined)
  }
}
