/**
 * A file of lines. Rows are appended after their epoch is durable; a length counts as taken once it
 * was fsynced. After a restart the file is cut to the committed length and the outbox is appended
 * again, so what a crash left half-written is never seen twice.
 */
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ConfigError, DataLossError, reasonOf, UnavailableError } from '../errors.ts'
import { lastOf, messagesOf, type OutboxRow } from '../task/outbox-row.ts'
import { csvLine } from './csv-text.ts'
import type { ByteWriter } from '../task/byte-writer.ts'
import { writeJson } from './json-bytes.ts'
import type { Sink, SinkOwner, Taken } from './sink.ts'

const LINE_END = 10
/** More at once is refused by Linux and macOS (IOV_MAX). */
const CHUNKS_MAX = 1_024

export interface FileSinkOptions {
  readonly path: string
  readonly format: 'jsonl' | 'csv'
  /** Allows a fresh state to empty a file that is not empty. */
  readonly overwrite: boolean
}

interface FileMemo {
  readonly path: string
  /** Bytes that are durably taken. */
  readonly length: number
  /** CSV: the columns, from the first result on. */
  readonly columns?: readonly string[]
}

export class FileSink implements Sink {
  readonly #options: FileSinkOptions
  #file: FileHandle | undefined
  #length = 0
  #columns: readonly string[] | undefined

  constructor(options: FileSinkOptions) {
    this.#options = options
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
      await mkdir(dirname(path), { recursive: true })
      // Never 'w': a file is only cut to a length that is known to be ours.
      await (await open(path, 'a')).close()
      const file = await open(path, 'r+')
      this.#file = file
      const { size } = await file.stat()
      this.#check(owner, memo, size)
      this.#length = memo?.length ?? 0
      this.#columns = memo?.columns
      await file.truncate(this.#length)
      await file.sync()
      if (memo === undefined) await syncFolder(dirname(path))
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
      await writeAll(file, chunks, this.#length)
      for (const chunk of chunks) this.#length += chunk.length
      await file.datasync()
    } catch (error) {
      throw this.#problem(error)
    }
    return { number: lastOf(last), memo: this.#memo() }
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

/** A new file's name is durable once its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * All chunks in one call: a busy task lets the file go on only between its own turns, and a turn a
 * chunk would let a backlog of results grow.
 */
async function writeAll(
  file: FileHandle,
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
