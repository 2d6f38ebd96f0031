/**
 * A file, or the files of a pattern in the order of their names, as one input: rows keep the order in
 * which they are written. Its end is the input's end, unless the newest file is followed.
 */
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { ConfigError, DataLossError, StateError } from '../errors.ts'
import { crc32 } from '../state/crc32.ts'
import { type Clock, sleep } from '../time/clock.ts'
import { type FileChunks, fileProblem, openChunks } from './file-chunks.ts'
import { CsvCutter } from './format/csv.ts'
import { CutRecords, type Cutter } from './format/cutter.ts'
import { JsonlCutter } from './format/jsonl.ts'
import {
  type InputExtent,
  type InputPosition,
  type Source,
  type SourceBatch,
  type SourceInput,
  Undecodable,
} from './source.ts'

export interface FileSourceOptions {
  /** Name of the source in the job. */
  readonly name: string
  /** A file or a pattern. */
  readonly path: string
  readonly format: 'csv' | 'jsonl'
  /** CSV columns that stay text. */
  readonly textColumns: ReadonlySet<string>
  /** Waits for more at the end of the last file instead of ending. */
  readonly follow: boolean
  /** Longer records go to the dead letter. */
  readonly recordBytesMax: number
  readonly clock: Clock
}

/** A place in a file: what was read last is recognised by its checksum (I8). */
interface FilePosition {
  readonly file: string
  readonly offset: number
  readonly line: number
  /** The last bytes before the offset, at most TAIL_BYTES: how many and their CRC-32. */
  readonly tail: readonly [bytes: number, crc: number]
  readonly header?: readonly string[]
  /** The clock when this state first read the source: what is further ahead than maxAhead is told by it. */
  readonly startedAt: number
}

/** A batch of one file. */
export interface FileBatch extends SourceBatch {
  /** Number of the file among those of the source. */
  readonly file: number
  /** The line on which each record begins. */
  readonly lines: ArrayLike<number>
  /** Columns of a CSV file. */
  readonly header: readonly string[]
}

/** A record that is too long: where it began, and as much of it as is kept. */
interface Oversized {
  readonly head: Buffer
  readonly line: number
}

const RECORDS_PER_BATCH = 2_048
const TAIL_BYTES = 64
const FOLLOW_DELAY_MS = 20

export class FileSource implements Source {
  readonly #options: FileSourceOptions

  constructor(options: FileSourceOptions) {
    this.#options = options
  }

  async inputs(): Promise<readonly SourceInput[]> {
    return [new FileInput(this.#options, await matchingFiles(this.#options.path))]
  }
}

const MAY_BE_PATTERN = /[*?[\]{}()!+@\\]/

/** @throws ConfigError when no file is there. */
export async function matchingFiles(pattern: string): Promise<string[]> {
  // Loaded only for what may be a pattern: a start is to be quick.
  const globbing = MAY_BE_PATTERN.test(pattern) ? await import('tinyglobby') : undefined
  if (globbing?.isDynamicPattern(pattern) !== true) {
    const found = await stat(pattern).catch((error: unknown) => {
      throw fileProblem(pattern, error)
    })
    if (found.isDirectory()) throw fileProblem(pattern, { code: 'EISDIR' })
    return [pattern]
  }
  const files = (await globbing.glob(pattern, { absolute: true, onlyFiles: true })).toSorted()
  if (files.length === 0) throw new ConfigError(`no file matches ${pattern}`)
  return files
}

export class FileInput implements SourceInput {
  readonly id: string
  readonly #options: FileSourceOptions
  readonly #files: readonly string[]
  #index = 0
  #chunks: FileChunks | undefined
  #cutter: Cutter = new JsonlCutter()
  readonly #records = new CutRecords(0, RECORDS_PER_BATCH)
  /** Bytes read and not yet cut. */
  #buffer: Buffer = Buffer.alloc(0)
  #start = 0
  /** Offset in the file of the buffer's first byte. */
  #bufferOffset = 0
  #line = 0
  #fileEnded = false
  #ended = false
  /** Set inside a record that is too long: its bytes are passed over up to the line end. */
  #oversized: Oversized | undefined
  #startedAt = 0
  /** Bytes handed out so far in this run, for progress. */
  bytesRead = 0
  bytesTotal: number | undefined

  constructor(options: FileSourceOptions, files: readonly string[]) {
    this.id = `${options.name}/0`
    this.#options = options
    this.#files = files
  }

  async open(position: InputPosition | undefined): Promise<InputPosition> {
    const from = position as FilePosition | undefined
    if (from !== undefined) {
      if (typeof from.file !== 'string') {
        throw new StateError(
          `the state has ${JSON.stringify(from)} as the position of input ${this.id}, which is no place in a file as it stands: it was read sorted, or from another kind of source. Change that back, or start with a new state.`,
        )
      }
      this.#index = this.#files.indexOf(from.file)
      if (this.#index === -1) {
        throw new DataLossError(
          `source '${this.#options.name}' was read up to ${from.file}:${from.line}, and that file is not there any more. Bring it back, or start afresh with another --state.`,
        )
      }
    }
    this.#startedAt = from?.startedAt ?? this.#options.clock.now()
    await this.#measure()
    await this.#openFile(from)
    return from ?? this.#position(0, 0)
  }

  async #measure(): Promise<void> {
    let total = 0
    for (const file of this.#files.slice(this.#index)) total += (await stat(file)).size
    // The packed size says nothing of how far reading has come.
    this.bytesTotal = this.#files.some((file) => file.endsWith('.gz')) ? undefined : total
  }

  get #file(): string {
    return this.#files[this.#index] as string
  }

  async #openFile(from: FilePosition | undefined): Promise<void> {
    const tailBytes = from?.tail[0] ?? 0
    const offset = (from?.offset ?? 0) - tailBytes
    await this.#chunks?.close()
    this.#chunks = await openChunks(this.#file, offset)
    this.#cutter =
      this.#options.format === 'csv'
        ? new CsvCutter({
            path: this.#file,
            textColumns: this.#options.textColumns,
            header: from?.header,
          })
        : new JsonlCutter()
    this.#buffer = Buffer.alloc(0)
    this.#start = 0
    this.#bufferOffset = offset
    this.#line = from?.line ?? 0
    this.#fileEnded = false
    this.#oversized = undefined
    await this.#fill()
    if (from !== undefined) this.#checkTail(from)
    else if (this.#buffer[0] === 0xef && this.#buffer[1] === 0xbb && this.#buffer[2] === 0xbf)
      this.#start = 3
  }

  /** What was read last must still be there: else the file was cut or written anew (I8). */
  #checkTail(from: FilePosition): void {
    const [bytes, crc] = from.tail
    const tail = this.#buffer.subarray(0, bytes)
    if (tail.length < bytes || crc32(tail) !== crc) {
      throw new DataLossError(
        `${from.file} was read up to line ${from.line} (byte ${from.offset}), and what stands there now is not what was read: the file was shortened or written anew. Bring the file back, or start afresh with another --state.`,
      )
    }
    this.#start = bytes
    this.bytesRead = from.offset
  }

  poll(): FileBatch | 'pending' | 'end' {
    if (this.#ended) return 'end'
    if (this.#oversized !== undefined) return this.#passOver(this.#oversized)
    const records = this.#records
    records.begin(this.#line)
    const isLast = this.#fileEnded && !this.#follows
    const next = this.#cutter.cut(this.#buffer, this.#start, this.#buffer.length, isLast, records)
    const start = this.#start
    this.#start = next
    this.#line = records.line
    if (records.count > 0) {
      this.bytesRead += next - start
      this.#refuseOversized(records)
      return this.#batch(records, this.#buffer, next)
    }
    const rest = this.#buffer.length - next
    if (rest > this.#options.recordBytesMax && !this.#fileEnded) {
      const head = Buffer.from(this.#buffer.subarray(next, next + this.#options.recordBytesMax))
      this.#oversized = { head, line: this.#line + 1 }
    }
    return 'pending'
  }

  /** Looks for the end of a record that is too long; what lies before it is not kept. */
  #passOver(oversized: Oversized): FileBatch | 'pending' {
    const lineEnd = this.#buffer.indexOf(10, this.#start)
    const found = lineEnd !== -1
    const next = found ? lineEnd + 1 : this.#buffer.length
    this.bytesRead += next - this.#start
    this.#start = next
    if (!found && !(this.#fileEnded && !this.#follows)) return 'pending'
    this.#oversized = undefined
    this.#line = oversized.line
    const records = this.#records
    records.begin(this.#line)
    records.add(this.#tooLong, 0, oversized.head.length)
    return this.#batch(records, oversized.head, next)
  }

  #refuseOversized(records: CutRecords): void {
    const { recordBytesMax } = this.#options
    const { starts, ends, values, count } = records
    if ((ends[count - 1] as number) - (starts[0] as number) <= recordBytesMax) return
    for (let i = 0; i < count; i++) {
      if ((ends[i] as number) - (starts[i] as number) <= recordBytesMax) continue
      values[i] = this.#tooLong
      records.numbersCount = 0
    }
  }

  get #tooLong(): Undecodable {
    return new Undecodable(`longer than ${this.#options.recordBytesMax} bytes (limits.recordBytes)`)
  }

  get #follows(): boolean {
    return this.#options.follow && this.#index === this.#files.length - 1
  }

  #batch(records: CutRecords, bytes: Buffer, next: number): FileBatch {
    const file = this.#file
    const bufferOffset = this.#bufferOffset
    const after = this.#position(bufferOffset + next, next)
    return {
      file: this.#index,
      lines: records.lines,
      header: this.#header,
      values: records.values,
      ...(records.numbersCount === records.count && { numbers: this.#header }),
      times: this.#startedAt,
      after,
      positionAfter: (index) => {
        if (index === records.count - 1) return after
        // The next record's beginning, and the line before it.
        const [start = 0, line = 0] = [records.starts[index + 1], records.lines[index + 1]]
        return {
          ...after,
          offset: bufferOffset + start,
          line: line - 1,
          tail: tailOf(bytes, start),
        }
      },
      placeOf: (index) => `${basename(file)}:${records.lines[index]}`,
      bytesOf: (index) => bytes.subarray(records.starts[index], records.ends[index]),
    }
  }

  #position(offset: number, next: number): FilePosition {
    const header = this.#header
    return {
      file: this.#file,
      offset,
      line: this.#line,
      tail: tailOf(this.#buffer, next),
      ...(header.length > 0 && { header }),
      startedAt: this.#startedAt,
    }
  }

  get #header(): readonly string[] {
    return this.#cutter instanceof CsvCutter ? this.#cutter.columns : []
  }

  get isBounded(): boolean {
    return !this.#options.follow
  }

  get extent(): InputExtent | undefined {
    const { bytesRead, bytesTotal } = this
    return bytesTotal === undefined || this.#options.follow
      ? undefined
      : { unit: 'bytes', read: bytesRead, total: bytesTotal }
  }

  get hasBacklog(): boolean {
    return !this.#ended && !(this.#follows && this.#fileEnded)
  }

  async ready(): Promise<void> {
    if (this.#ended) return
    if (!this.#fileEnded) return await this.#fill()
    if (this.#follows) {
      await sleep(this.#options.clock, FOLLOW_DELAY_MS)
      this.#fileEnded = false
      await this.#reopenAtEnd()
      return
    }
    if (this.#index + 1 < this.#files.length) {
      this.#index += 1
      await this.#openFile(undefined)
      return
    }
    this.#ended = true
  }

  /** Reads the next chunk behind what is left of the last one. */
  async #fill(): Promise<void> {
    const joined = await this.#chunks?.next(this.#buffer.subarray(this.#start))
    if (joined === undefined) {
      this.#fileEnded = true
      return
    }
    this.#bufferOffset += this.#start
    this.#start = 0
    this.#buffer = joined
  }

  async #reopenAtEnd(): Promise<void> {
    const offset = this.#bufferOffset + this.#buffer.length
    await this.#chunks?.close()
    this.#chunks = await openChunks(this.#file, offset)
    await this.#fill()
  }

  async close(): Promise<void> {
    await this.#chunks?.close()
    this.#chunks = undefined
  }
}

/** What a position remembers of the bytes before it. */
function tailOf(buffer: Buffer, end: number): FilePosition['tail'] {
  const tail = buffer.subarray(Math.max(0, end - TAIL_BYTES), end)
  return [tail.length, crc32(tail)]
}
