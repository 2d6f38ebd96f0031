/** A sorted run of entries in a temporary file. */
import { type FileHandle, open } from 'node:fs/promises'
import { InvariantError } from '../../errors.ts'
import type { EntryCursor } from './cursor.ts'
import { ENTRY_HEAD_BYTES, entryBytesAt, timeAt } from './entry.ts'

const WRITE_BYTES = 1 << 20

/** Writes a run, entry by entry. */
export class RunWriter {
  readonly #file: FileHandle
  #buffer = Buffer.allocUnsafeSlow(WRITE_BYTES)
  #used = 0

  private constructor(file: FileHandle) {
    this.#file = file
  }

  static async create(path: string): Promise<RunWriter> {
    return new RunWriter(await open(path, 'w'))
  }

  /** Adds the current entry of a cursor. False when flush() has to come before the next. */
  add({ buffer, offset }: EntryCursor): boolean {
    const length = entryBytesAt(buffer, offset)
    if (this.#used + length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(this.#used + length)
      larger.set(this.#buffer.subarray(0, this.#used))
      this.#buffer = larger
    }
    this.#used += buffer.copy(this.#buffer, this.#used, offset, offset + length)
    return this.#used < WRITE_BYTES - ENTRY_HEAD_BYTES
  }

  async flush(): Promise<void> {
    for (let at = 0; at < this.#used;) {
      at += (await this.#file.write(this.#buffer, at, this.#used - at)).bytesWritten
    }
    this.#used = 0
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** Reads a run from its beginning. */
export class RunReader implements EntryCursor {
  readonly #path: string
  readonly #file: FileHandle
  #length = 0
  #next = 0
  #position = 0
  #isAtEnd = false
  buffer: Buffer
  offset = 0
  time = 0

  private constructor(path: string, file: FileHandle, bufferBytes: number) {
    this.#path = path
    this.#file = file
    this.buffer = Buffer.allocUnsafeSlow(bufferBytes)
  }

  static async open(path: string, bufferBytes: number): Promise<RunReader> {
    return new RunReader(path, await open(path, 'r'), bufferBytes)
  }

  next(): 'entry' | 'pending' | 'end' {
    const at = this.#next
    const rest = this.#length - at
    if (rest < ENTRY_HEAD_BYTES || rest < entryBytesAt(this.buffer, at)) {
      if (!this.#isAtEnd) return 'pending'
      if (rest === 0) return 'end'
      throw new InvariantError(`the run ${this.#path} ends with a whole entry`)
    }
    this.offset = at
    this.time = timeAt(this.buffer, at)
    this.#next = at + entryBytesAt(this.buffer, at)
    return 'entry'
  }

  async fill(): Promise<void> {
    const rest = this.buffer.subarray(this.#next, this.#length)
    const needed = rest.length < ENTRY_HEAD_BYTES ? ENTRY_HEAD_BYTES : entryBytesAt(rest, 0)
    // The buffer is used again: nobody looks at the current entry after the next one was asked for.
    const into = needed > this.buffer.length ? Buffer.allocUnsafeSlow(2 * needed) : this.buffer
    this.#length = rest.copy(into, 0)
    this.buffer = into
    this.#next = 0
    const room = into.length - this.#length
    const { bytesRead } = await this.#file.read(into, this.#length, room, this.#position)
    this.#position += bytesRead
    this.#length += bytesRead
    this.#isAtEnd = bytesRead === 0
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}
