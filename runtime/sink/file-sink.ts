/**
 * A file of lines. Rows are appended after their epoch is durable; a length counts as taken once it
 * was fsynced. After a restart the file is cut to the committed length and the outbox is appended
 * again, so what a crash left half-written is never seen twice.
 *
 * A state that went back to a snapshot makes results again that are in the file already: as far as
 * the file goes they are compared with it and not written, and the first difference is refused.
 */
import { dirname } from 'node:path'
import { ConfigError, DataLossError, reasonOf, UnavailableError } from '../errors.ts'
import { lastOf, messagesOf, type OutboxRow } from '../task/outbox-row.ts'
import { csvLine } from './csv-text.ts'
import type { ByteWriter } from '../task/byte-writer.ts'
import { writeJson } from './json-bytes.ts'
import { type Files, type OpenFile, systemFiles } from './files.ts'
import type { Sink, SinkOwner, Taken } from './sink.ts'

const LINE_END = 10
/** More at once is refused by Linux and macOS (IOV_MAX). */
const CHUNKS_MAX = 1_024

export interface FileSinkOptions {
  readonly path: string
  readonly format: 'jsonl' | 'csv'
  /** Allows a fresh state to empty a file that is not empty. */
  readonly overwrite: boolean
  /** Default: those of the machine. */
  readonly files?: Files
}

export interface FileMemo {
  readonly path: string
  /** Bytes that are durably taken. */
  readonly length: number
  /** Up to here the file holds results that are made again: they are compared with it. */
  readonly compareTo?: number
  /** CSV: the columns, from the first result on. */
  readonly columns?: readonly string[]
}

export class FileSink implements Sink {
  readonly #options: FileSinkOptions
  readonly #files: Files
  #file: OpenFile | undefined
  #length = 0
  #compareTo = 0
  #columns: readonly string[] | undefined

  constructor(options: FileSinkOptions) {
    this.#options = options
    this.#files = options.files ?? systemFiles
  }

  /** A line of JSON; CSV is made of it when it is written, for only then its columns are known for good. */
  encode(out: ByteWriter, value: unknown): void {
    writeJson(out, value)
    out.byte(LINE_END)
  }

  async open(owner: SinkOwner, taken: Taken | undefined): Promise<Taken> {
    const { path } = this.#options
    const memo = taken?.memo as FileMemo | undefined
    if (memo !== undefined && memo.path !== path) {
      throw new ConfigError(
        `sink '${owner.destination}' writes to ${path}, and this state wrote it to ${memo.path}. Name that file, or start afresh with another --state.`,
      )
    }
    try {
      await this.#files.mkdir(dirname(path), { recursive: true })
      // Never 'w': a file is only cut to a length that is known to be ours.
      await (await this.#files.open(path, 'a')).close()
      const file = await this.#files.open(path, 'r+')
      this.#file = file
      const { size } = await file.stat()
      this.#check(owner, memo, size)
      this.#length = memo?.length ?? 0
      this.#columns = memo?.columns
      this.#compareTo = Math.min(memo?.compareTo ?? 0, size)
      await file.truncate(Math.max(this.#length, this.#compareTo))
      await file.sync()
      if (memo === undefined) await this.#syncFolder(dirname(path))
    } catch (error) {
      throw this.#problem(error)
    }
    return { number: taken?.number ?? 0, memo: this.#memo() }
  }

  #check(owner: SinkOwner, memo: FileMemo | undefined, size: number): void {
    const { path, overwrite } = this.#options
    if (memo === undefined && size > 0 && !overwrite) {
      throw new ConfigError(
        `sink '${owner.destination}': ${path} is not empty, and this job starts with a fresh state. Use --overwrite to empty it, or name another file.`,
      )
    }
    if (memo !== undefined && size < memo.length) {
      throw new DataLossError(
        `sink '${owner.destination}': ${path} has ${size} bytes, and ${memo.length} were written and confirmed: results were lost from it. Bring the file back, or start afresh with another --state.`,
      )
    }
  }

  async deliver(rows: readonly OutboxRow[]): Promise<Taken> {
    const file = this.#file
    const last = rows.at(-1)
    if (file === undefined || last === undefined)
      throw new UnavailableError('the file sink is not open')
    try {
      const isCsv = this.#options.format === 'csv'
      const chunks = rows.map((row) => (isCsv ? this.#csvOf(row) : row.bytes))
      const known = await this.#knownBytes(file, chunks)
      await writeAll(file, withoutFirst(chunks, known), this.#length + known)
      for (const chunk of chunks) this.#length += chunk.length
      await file.datasync()
    } catch (error) {
      throw this.#problem(error)
    }
    return { number: lastOf(last), memo: this.#memo() }
  }

  /** A new file's name is durable once its folder is. */
  async #syncFolder(folder: string): Promise<void> {
    const handle = await this.#files.open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  /** How many of the bytes are in the file already. @throws DataLossError when others are there. */
  async #knownBytes(file: OpenFile, chunks: readonly Uint8Array[]): Promise<number> {
    const aheadBytes = this.#compareTo - this.#length
    if (aheadBytes <= 0) return 0
    const made = Buffer.concat(chunks).subarray(0, aheadBytes)
    const found = Buffer.alloc(made.length)
    await file.read(found, 0, found.length, this.#length)
    if (found.equals(made)) return made.length
    const at = made.findIndex((byte, index) => byte !== found[index])
    const { path } = this.#options
    throw new DataLossError(
      `${path} holds results from before the state went back to a snapshot, and those that are made now differ from byte ${this.#length + at} on: ${lineAt(found, at)} is there, ${lineAt(made, at)} was made. Nothing was overwritten. Use --results again to cut the file back to the snapshot, or name another file.`,
    )
  }

  /** The columns are those of the first result ever; the same rows give the same bytes again. */
  #csvOf(row: OutboxRow): Uint8Array {
    let text = ''
    for (const message of messagesOf(row)) {
      const value = JSON.parse(Buffer.from(message).toString('utf8')) as unknown
      const isRecord = typeof value === 'object' && value !== null
      const record = (isRecord ? value : { value }) as Record<string, unknown>
      if (this.#columns === undefined) {
        this.#columns = Object.keys(record)
        text += `${csvLine(this.#columns)}\n`
      }
      text += `${csvLine(this.#columns.map((column) => record[column]))}\n`
    }
    return Buffer.from(text, 'utf8')
  }

  #memo(): FileMemo {
    const { path } = this.#options
    return {
      path,
      length: this.#length,
      ...(this.#compareTo > this.#length && { compareTo: this.#compareTo }),
      ...(this.#columns !== undefined && { columns: this.#columns }),
    }
  }

  #problem(error: unknown): Error {
    const code = (error as NodeJS.ErrnoException).code
    if (code === undefined) return error as Error
    const { path } = this.#options
    if (code === 'ENOSPC' || code === 'EIO' || code === 'EDQUOT') {
      return new UnavailableError(
        `${path} cannot be written: ${reasonOf(error)}. Make room on the disk.`,
        { cause: error },
      )
    }
    return new ConfigError(
      `${path} cannot be written: ${reasonOf(error)}. Name a file that this user may write.`,
      {
        cause: error,
      },
    )
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }
}

/** The line around a byte, as far as people need it. */
function lineAt(bytes: Buffer, at: number): string {
  const start = bytes.lastIndexOf(LINE_END, Math.max(0, at - 1)) + 1
  const end = bytes.indexOf(LINE_END, at)
  return bytes.toString('utf8', start, Math.min(end < 0 ? bytes.length : end, start + 200))
}

/**
 * All chunks in one call: a busy task lets the file go on only between its own turns, and a turn a
 * chunk would let a backlog of results grow.
 */
async function writeAll(
  file: OpenFile,
  chunks: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let left = chunks.filter((chunk) => chunk.length > 0)
  let at = position
  while (left.length > 0) {
    const { bytesWritten } = await file.writev(left.slice(0, CHUNKS_MAX), at)
    at += bytesWritten
    left = withoutFirst(left, bytesWritten)
  }
}

/** What is left of the chunks behind so many bytes. */
function withoutFirst(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes
  let index = 0
  for (let chunk = chunks[0]; chunk !== undefined && skip >= chunk.length; chunk = chunks[index]) {
    skip -= chunk.length
    index += 1
  }
  const [first, ...rest] = chunks.slice(index)
  return first === undefined ? [] : [first.subarray(skip), ...rest]
}
