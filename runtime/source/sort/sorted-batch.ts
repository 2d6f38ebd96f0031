/** A batch of records in sorted order: their bytes are put together and decoded anew. */
import { basename } from 'node:path'
import { invariant } from '../../errors.ts'
import { CutRecords, type Cutter } from '../format/cutter.ts'
import { Undecodable } from '../source.ts'
import type { EntryCursor } from './cursor.ts'
import { entryBytesAt, fileAt, lineAt, reasonAt, recordStartAt } from './entry.ts'

const BYTES_MAX = 1 << 20
const [LF, CR] = [10, 13] as const

export class SortedBatch {
  readonly #recordsMax: number
  readonly #files: readonly string[]
  #buffer = Buffer.allocUnsafeSlow(1 << 16)
  #used = 0
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  readonly #fileNumbers: number[] = []
  readonly #lines: number[] = []
  /** Why each record cannot be decoded; empty for those that can. */
  readonly #reasons: string[] = []

  /** @param files paths of the source's files, by their numbers. */
  constructor(files: readonly string[], recordsMax: number) {
    this.#files = files
    this.#recordsMax = recordsMax
  }

  get count(): number {
    return this.#starts.length
  }

  get isFull(): boolean {
    return this.count >= this.#recordsMax || this.#used >= BYTES_MAX
  }

  /** Takes the current entry of a cursor. */
  add({ buffer, offset }: EntryCursor): void {
    const start = recordStartAt(buffer, offset)
    const end = offset + entryBytesAt(buffer, offset)
    this.#makeRoom(end - start + 2)
    this.#starts.push(this.#used)
    this.#used += buffer.copy(this.#buffer, this.#used, start, end)
    this.#ends.push(this.#used)
    // A record ends with its line. The cutters take one CR for a part of the line end.
    if (this.#buffer[this.#used - 1] === CR) this.#buffer[this.#used++] = CR
    this.#buffer[this.#used++] = LF
    this.#fileNumbers.push(fileAt(buffer, offset))
    this.#lines.push(lineAt(buffer, offset))
    this.#reasons.push(reasonAt(buffer, offset))
  }

  #makeRoom(bytes: number): void {
    if (this.#used + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#buffer.length, this.#used + bytes))
    larger.set(this.#buffer.subarray(0, this.#used))
    this.#buffer = larger
  }

  /** Decodes the records, those of one cutter that follow each other at a time. */
  values(cutterOf: (file: number) => Cutter): unknown[] {
    const values: unknown[] = []
    for (let first = 0; first < this.count;) {
      const reason = this.#reasons[first] as string
      if (reason !== '') {
        values.push(new Undecodable(reason))
        first += 1
        continue
      }
      const cutter = cutterOf(this.#fileNumbers[first] as number)
      let behind = first + 1
      while (behind < this.count && this.#goesOn(behind, cutter, cutterOf)) behind += 1
      const records = new CutRecords(0, behind - first)
      const end = behind === this.count ? this.#used : (this.#starts[behind] as number)
      cutter.cut(this.#buffer, this.#starts[first] as number, end, true, records)
      invariant(records.count === behind - first, 'a record is cut again as it was cut before')
      for (const value of records.values) values.push(value)
      first = behind
    }
    return values
  }

  #goesOn(index: number, cutter: Cutter, cutterOf: (file: number) => Cutter): boolean {
    return this.#reasons[index] === '' && cutterOf(this.#fileNumbers[index] as number) === cutter
  }

  placeOf(index: number): string {
    const file = this.#files[this.#fileNumbers[index] as number] as string
    return `${basename(file)}:${this.#lines[index]}`
  }

  bytesOf(index: number): Uint8Array {
    return this.#buffer.subarray(this.#starts[index], this.#ends[index])
  }
}
