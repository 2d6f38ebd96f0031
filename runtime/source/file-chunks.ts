/** Reads a file in large chunks, the next one while the current one is being worked on. */
import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { ConfigError, DataLossError, reasonOf } from '../errors.ts'

const CHUNK_BYTES = 1 << 20
/** Room before a chunk for the end of the one before: most records are shorter. */
const REST_BYTES_MAX = 64 * 1024

export interface FileChunks {
  /**
   * What was left of the last chunk, and the next bytes behind it; undefined at the end of the file.
   * The chunk before the last one is written over: there are two, and they take turns.
   */
  next(rest: Buffer): Promise<Buffer | undefined>
  close(): Promise<void>
}

/** Bytes of a file from an offset; of a file that ends in `.gz` the unpacked ones. */
export async function openChunks(path: string, offset: number): Promise<FileChunks> {
  return path.endsWith('.gz')
    ? await GzipChunks.open(path, offset)
    : await PlainChunks.open(path, offset)
}

export function fileProblem(path: string, error: unknown): ConfigError {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return new ConfigError(`the file ${path} does not exist`)
  if (code === 'EACCES') return new ConfigError(`the file ${path} may not be read by this user`)
  if (code === 'EISDIR')
    return new ConfigError(`${path} is a folder; name a file or a pattern such as ${path}/*.csv`)
  return new ConfigError(`the file ${path} cannot be read: ${reasonOf(error)}`, { cause: error })
}

class PlainChunks implements FileChunks {
  readonly #path: string
  readonly #file: FileHandle
  #offset: number
  /** Read into by turns: memory that is new has to be cleared first, which takes as long as reading. */
  #reading = emptyChunk()
  #spare = emptyChunk()
  /** How many bytes the chunk that is being read has got. */
  #ahead: Promise<number>

  private constructor(path: string, file: FileHandle, offset: number) {
    this.#path = path
    this.#file = file
    this.#offset = offset
    this.#ahead = this.#read()
  }

  static async open(path: string, offset: number): Promise<PlainChunks> {
    try {
      return new PlainChunks(path, await open(path, 'r'), offset)
    } catch (error) {
      throw fileProblem(path, error)
    }
  }

  async next(rest: Buffer): Promise<Buffer | undefined> {
    const bytesRead = await this.#ahead
    if (bytesRead === 0) return undefined
    const chunk = this.#reading
    const end = REST_BYTES_MAX + bytesRead
    const joined =
      rest.length > REST_BYTES_MAX
        ? Buffer.concat([rest, chunk.subarray(REST_BYTES_MAX, end)])
        : chunk.subarray(REST_BYTES_MAX - rest.copy(chunk, REST_BYTES_MAX - rest.length), end)
    this.#reading = this.#spare
    this.#spare = chunk
    // The rest has been copied by now: it may lie where this reads.
    this.#ahead = this.#read()
    return joined
  }

  #read(): Promise<number> {
    const reading = this.#readOne()
    // A failure is reported by next(), which may be asked for later.
    reading.catch(() => undefined)
    return reading
  }

  async #readOne(): Promise<number> {
    try {
      const { bytesRead } = await this.#file.read(
        this.#reading,
        REST_BYTES_MAX,
        CHUNK_BYTES,
        this.#offset,
      )
      this.#offset += bytesRead
      return bytesRead
    } catch (error) {
      throw fileProblem(this.#path, error)
    }
  }

  async close(): Promise<void> {
    await this.#ahead.catch(() => undefined)
    await this.#file.close()
  }
}

const emptyChunk = (): Buffer => Buffer.allocUnsafeSlow(REST_BYTES_MAX + CHUNK_BYTES)

class GzipChunks implements FileChunks {
  readonly #chunks: AsyncIterator<Buffer>
  readonly #path: string
  #toSkip: number

  private constructor(path: string, offset: number) {
    const file = createReadStream(path, { highWaterMark: CHUNK_BYTES })
    const unpacked = createGunzip({ chunkSize: CHUNK_BYTES })
    file.once('error', (error) => unpacked.destroy(error))
    this.#chunks = file.pipe(unpacked)[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    this.#path = path
    this.#toSkip = offset
  }

  static async open(path: string, offset: number): Promise<GzipChunks> {
    const probe = await PlainChunks.open(path, 0)
    await probe.close()
    return new GzipChunks(path, offset)
  }

  async next(rest: Buffer): Promise<Buffer | undefined> {
    const chunk = await this.#nextChunk()
    return chunk === undefined || rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
  }

  async #nextChunk(): Promise<Buffer | undefined> {
    for (;;) {
      let step: IteratorResult<Buffer>
      try {
        step = await this.#chunks.next()
      } catch (error) {
        throw new DataLossError(
          `the file ${this.#path} cannot be unpacked: ${reasonOf(error)}. What lies behind the damage is not read; mend the file and run again.`,
          { cause: error },
        )
      }
      if (step.done === true) return undefined
      if (this.#toSkip === 0) return step.value
      const skipped = Math.min(this.#toSkip, step.value.length)
      this.#toSkip -= skipped
      if (skipped < step.value.length) return step.value.subarray(skipped)
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}
