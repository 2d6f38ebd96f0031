/**
 * A file, or the files of a pattern, sorted by event time before the first record is handed out; equal
 * times keep the order of the files and their lines. Records that cannot be decoded or have no time
 * come first, in their order, and go where such records go.
 *
 * A position is how many records were taken in sorted order. A restart sorts again, so files that have
 * changed are seen: they are refused by the checksum of all they hold (I8).
 */
import { DataLossError, invariant, StateError } from '../errors.ts'
import { CsvCutter } from './format/csv.ts'
import type { Cutter } from './format/cutter.ts'
import { JsonlCutter } from './format/jsonl.ts'
import { type FileBatch, FileInput, type FileSourceOptions, matchingFiles } from './file-source.ts'
import type { EntryCursor } from './sort/cursor.ts'
import { ExternalSort } from './sort/external-sort.ts'
import { SortedBatch } from './sort/sorted-batch.ts'
import {
  type InputExtent,
  type InputPosition,
  type PollResult,
  type Source,
  type SourceInput,
  Undecodable,
} from './source.ts'

export interface SortedFileSourceOptions extends Omit<FileSourceOptions, 'follow'> {
  /** Event time of a decoded value; not finite when it has none. Must be what the records then get. */
  readonly timeOf: (value: unknown) => number
  /** Folder for temporary files. */
  readonly folder: string
  /** Memory to sort in, about. */
  readonly memoryBytesMax: number
}

interface SortedPosition {
  /** Records taken in sorted order. */
  readonly taken: number
  /** What was sorted: how many records and their checksum; none before the first was taken. */
  readonly of?: readonly [records: number, crc: number]
  readonly startedAt: number
}

const RECORDS_PER_BATCH = 2_048
/** Batches that are read between two looks at the event loop. */
const BATCHES_PER_TURN = 8

export class SortedFileSource implements Source {
  readonly #options: SortedFileSourceOptions

  constructor(options: SortedFileSourceOptions) {
    this.#options = options
  }

  async inputs(): Promise<readonly SourceInput[]> {
    return [new SortedFileInput(this.#options, await matchingFiles(this.#options.path))]
  }
}

export class SortedFileInput implements SourceInput {
  readonly id: string
  readonly isBounded = true
  readonly #options: SortedFileSourceOptions
  readonly #files: readonly string[]
  readonly #unsorted: FileInput
  readonly #sort: ExternalSort
  /** The cutter of each file that was read; files of the same columns share one. */
  readonly #cutters: Cutter[] = []
  readonly #cutterByHeader = new Map<string, Cutter>()
  #from: SortedPosition = { taken: 0, startedAt: 0 }
  #sorted: EntryCursor | undefined
  #taken = 0
  /** Records that an earlier run has taken and that are still to be passed over. */
  #toSkip = 0
  #atEnd = false
  #isClosed = false
  #working: Promise<void> = Promise.resolve()

  constructor(options: SortedFileSourceOptions, files: readonly string[]) {
    const { name, folder, memoryBytesMax } = options
    this.id = `${name}/0`
    this.#options = options
    this.#files = files
    this.#unsorted = new FileInput({ ...options, follow: false }, files)
    this.#sort = new ExternalSort({ what: `source '${name}'`, folder, memoryBytesMax })
  }

  async open(position: InputPosition | undefined): Promise<InputPosition> {
    await this.#sort.clear()
    this.#from = this.#positionOf(position)
    this.#taken = this.#from.taken
    this.#toSkip = this.#from.taken
    await this.#unsorted.open(undefined)
    return this.#from
  }

  #positionOf(position: InputPosition | undefined): SortedPosition {
    if (position === undefined) return { taken: 0, startedAt: this.#options.clock.now() }
    const from = position as Partial<SortedPosition>
    if (Number.isSafeInteger(from.taken) && Number.isFinite(from.startedAt)) {
      return from as SortedPosition
    }
    throw new StateError(
      `the state has ${JSON.stringify(position)} as the position of input ${this.id}, which is no place in a sorted file: the source was not read with order: sorted. Change that back, or start with a new state.`,
    )
  }

  /** For progress: reading for the sort is one half of the work, handing out the other. */
  get bytesRead(): number {
    const { bytesRead, bytesTotal = bytesRead } = this.#unsorted
    const { records } = this.#sort
    const share = this.#sorted === undefined || records === 0 ? 0 : this.#taken / records
    return Math.floor((bytesRead + bytesTotal * share) / 2)
  }

  get bytesTotal(): number | undefined {
    return this.#unsorted.bytesTotal
  }

  get extent(): InputExtent | undefined {
    const { bytesRead, bytesTotal } = this
    return bytesTotal === undefined
      ? undefined
      : { unit: 'bytes', read: bytesRead, total: bytesTotal }
  }

  get hasBacklog(): boolean {
    return !this.#atEnd
  }

  poll(): PollResult {
    if (this.#atEnd) return 'end'
    if (this.#sorted === undefined || !this.#skip(this.#sorted)) return 'pending'
    const batch = new SortedBatch(this.#files, RECORDS_PER_BATCH)
    let step = this.#next(this.#sorted, batch)
    while (step === 'entry' && !batch.isFull) step = this.#next(this.#sorted, batch)
    if (step === 'end') this.#atEnd = true
    if (batch.count === 0) return this.#atEnd ? 'end' : 'pending'
    this.#taken += batch.count
    const { startedAt } = this.#from
    const { records, crc } = this.#sort
    const after: SortedPosition = { taken: this.#taken, of: [records, crc], startedAt }
    return {
      values: batch.values((file) => this.#cutters[file] as Cutter),
      times: startedAt,
      after,
      positionAfter: (index) => ({ ...after, taken: after.taken - batch.count + index + 1 }),
      placeOf: (index) => batch.placeOf(index),
      bytesOf: (index) => batch.bytesOf(index),
    }
  }

  #next(sorted: EntryCursor, batch: SortedBatch): 'entry' | 'pending' | 'end' {
    const step = sorted.next()
    if (step === 'entry') batch.add(sorted)
    return step
  }

  /** Passes over what earlier runs have taken; false when more has to be read first. */
  #skip(sorted: EntryCursor): boolean {
    for (; this.#toSkip > 0; this.#toSkip--) {
      const step = sorted.next()
      if (step === 'pending') return false
      invariant(step === 'entry', 'what was taken is among what was sorted')
    }
    return true
  }

  async ready(): Promise<void> {
    if (this.#atEnd || this.#isClosed) return
    this.#working = this.#sorted === undefined ? this.#read() : this.#sorted.fill()
    await this.#working
  }

  /** Reads some more of the files; at their end the sorted order is known. */
  async #read(): Promise<void> {
    for (let batches = 0; batches < BATCHES_PER_TURN && !this.#isClosed;) {
      const polled = this.#unsorted.poll()
      if (polled === 'pending') await this.#unsorted.ready()
      else if (polled === 'end') return await this.#finish()
      else {
        batches += 1
        await this.#add(polled)
      }
    }
    await this.#options.clock.breathe()
  }

  async #add(batch: FileBatch): Promise<void> {
    const { file, lines, values } = batch
    this.#cutters[file] ??= this.#cutterOf(file, batch.header)
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      const reason = value instanceof Undecodable ? value.reason : ''
      const entry = {
        time: reason === '' ? this.#timeOf(value) : Number.NEGATIVE_INFINITY,
        file,
        line: lines[i] as number,
        reason,
        bytes: batch.bytesOf(i),
      }
      if (!this.#sort.add(entry)) await this.#sort.spill()
    }
  }

  #timeOf(value: unknown): number {
    const time = this.#options.timeOf(value)
    return Number.isFinite(time) ? time : Number.NEGATIVE_INFINITY
  }

  #cutterOf(file: number, header: readonly string[]): Cutter {
    const known = this.#cutterByHeader.get(JSON.stringify(header))
    if (known !== undefined) return known
    const { format, textColumns } = this.#options
    const path = this.#files[file] as string
    const cutter =
      format === 'csv' ? new CsvCutter({ path, textColumns, header }) : new JsonlCutter()
    this.#cutterByHeader.set(JSON.stringify(header), cutter)
    return cutter
  }

  async #finish(): Promise<void> {
    const sorted = await this.#sort.finish()
    this.#refuseOther()
    await this.#unsorted.close()
    this.#sorted = sorted
  }

  /** What was sorted for an earlier run must be what is sorted now (I8). */
  #refuseOther(): void {
    const { of, taken } = this.#from
    const { records, crc } = this.#sort
    if (of === undefined || (of[0] === records && of[1] === crc)) return
    throw new DataLossError(
      `source '${this.#options.name}' was sorted and read up to record ${taken} of ${of[0]}, and what is there now (${records} records) does not sort to the same: its files, or how their time is told, have changed. Bring them back, or start afresh with another --state.`,
    )
  }

  async close(): Promise<void> {
    this.#isClosed = true
    // What went wrong there was told by ready().
    await this.#working.catch(() => undefined)
    await this.#unsorted.close()
    await this.#sort.close()
  }
}
