/**
 * A frame: a batch of records that travels as one message between tasks, and how far time had come with
 * the one who sends it: before each of its records, and behind the last.
 *
 * Format (1) · flags (1) · 0 (2) · records (4) · bytes of the shapes, of the values, of the keys (4 each)
 * · 0 (4) · watermark behind it (8) · times (8 each) · watermarks before each record (8 each, or none when
 * it did not move) · shapes · values · keys. Numbers have the machine's order of bytes: frames stay on it.
 *
 * Values are encoded when they are put in: what user code does to a value later changes no frame.
 */
import { Packr, Unpackr } from 'msgpackr'
import type { Key } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import { StateError } from '../errors.ts'
import { ByteWriter } from './byte-writer.ts'
import { whatCannotTravel } from './travelling.ts'

export const FRAME_RECORDS_MAX = 500
const FRAME_BYTES_MAX = 64 * 1024

/** How far a task has come in what it sends to another. */
export interface SenderTime {
  readonly watermark: Timestamp
  /** It has no news of time: it is left out of the minimum until it has. */
  readonly idle: boolean
  /** Nothing comes behind this. */
  readonly ended: boolean
  /** Its end is known to come, so that others may wait for all of it. */
  readonly bounded: boolean
}

export interface Frame extends SenderTime {
  readonly values: readonly unknown[]
  readonly times: Float64Array
  /** How far time had come with the sender before each record; undefined when it did not move since the frame before. */
  readonly watermarks: Float64Array | undefined
  readonly keyOf: (index: number) => Key | undefined
}

const FORMAT = 1
const [IDLE, ENDED, BOUNDED, STEPS, NUMBERS, SHAPED] = [1, 2, 4, 8, 16, 32]
const HEADER_BYTES = 32
/** Values of more shapes than this are not worth a table of them. msgpackr knows 32. */
const SHAPES_MAX = 24
/** An array of so many entries follows, for msgpackr. */
const ARRAY_32 = 0xdd

type Shapes = string[][]

/** What tells arrays of records that msgpackr made from others. */
const PACKED = { useRecords: true, moreTypes: true } as const

/** Cuts records into frames. */
export class FrameWriter {
  readonly #times = new Float64Array(FRAME_RECORDS_MAX)
  readonly #watermarks = new Float64Array(FRAME_RECORDS_MAX)
  readonly #values = new ByteWriter()
  #keys: (Key | undefined)[] = []
  #count = 0
  /** The watermark behind the frame before. */
  #before: Timestamp = Number.NaN
  #moved = false
  #shapes: Shapes | undefined = []
  #packr = new Packr({ ...PACKED, structures: this.#shapes ?? [] })

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /**
   * Takes a record in; true when the frame is full and is to be taken.
   * @throws TypeError when the value cannot travel; nothing of it is kept then.
   */
  add(value: unknown, time: Timestamp, key: Key | undefined, watermark: Timestamp): boolean {
    const problem = whatCannotTravel(value)
    if (problem !== undefined) throw new TypeError(problem)
    this.#values.raw(this.#packr.pack(value))
    this.#times[this.#count] = time
    this.#watermarks[this.#count] = watermark
    if (watermark !== this.#before) this.#moved = true
    this.#keys.push(key)
    this.#count += 1
    return (
      this.#count === FRAME_RECORDS_MAX ||
      this.#values.length >= FRAME_BYTES_MAX ||
      (this.#shapes !== undefined && this.#shapes.length > SHAPES_MAX)
    )
  }

  /** The frame of all records since the last one. */
  take({ watermark, idle, ended, bounded }: SenderTime): Uint8Array {
    const count = this.#count
    const isNumeric = this.#keys.every((key) => typeof key === 'number')
    const keys = isNumeric
      ? bytesOf(Float64Array.from(this.#keys as number[]))
      : Buffer.from(plain.pack(this.#keys))
    const shapes =
      this.#shapes === undefined
        ? Buffer.alloc(0)
        : Buffer.from(plain.pack(this.#shapes.map((shape) => [...shape])))
    const columns = 8 * count * (this.#moved ? 2 : 1)
    const frame = Buffer.allocUnsafeSlow(
      HEADER_BYTES + columns + shapes.length + this.#values.length + keys.length,
    )
    frame.fill(0, 0, HEADER_BYTES)
    frame[0] = FORMAT
    frame[1] =
      (idle ? IDLE : 0) |
      (ended ? ENDED : 0) |
      (bounded ? BOUNDED : 0) |
      (this.#moved ? STEPS : 0) |
      (isNumeric ? NUMBERS : 0) |
      (this.#shapes === undefined ? 0 : SHAPED)
    frame.writeUInt32LE(count, 4)
    frame.writeUInt32LE(shapes.length, 8)
    frame.writeUInt32LE(this.#values.length, 12)
    frame.writeUInt32LE(keys.length, 16)
    frame.writeDoubleLE(watermark, 24)
    let at = HEADER_BYTES
    const put = (bytes: Uint8Array): void => {
      frame.set(bytes, at)
      at += bytes.length
    }
    put(bytesOf(this.#times.subarray(0, count)))
    if (this.#moved) put(bytesOf(this.#watermarks.subarray(0, count)))
    put(shapes)
    put(this.#values.take())
    put(keys)
    this.#begin(watermark)
    return frame
  }

  #begin(watermark: Timestamp): void {
    this.#count = 0
    this.#keys = []
    this.#moved = false
    this.#before = watermark
    if (this.#shapes === undefined || this.#shapes.length <= SHAPES_MAX) return
    // Objects that are used as maps have a shape each: every value brings its own.
    this.#shapes = undefined
    this.#packr = new Packr(PACKED)
  }
}

/** Reads frames. Shapes of a sender seldom change: what reads them is kept. */
export class FrameReader {
  #shapes = ''
  #unpackr = new Unpackr(PACKED)

  /** @throws StateError when the bytes are no frame of this version. */
  read(bytes: Uint8Array): Frame {
    const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (frame.length < HEADER_BYTES || frame[0] !== FORMAT) {
      throw new StateError(
        `a frame between two tasks has format ${frame[0]}; this version of millrace reads format ${FORMAT}`,
      )
    }
    const flags = frame[1] as number
    const has = (flag: number): boolean => (flags & flag) !== 0
    const count = frame.readUInt32LE(4)
    let at = HEADER_BYTES
    const next = (length: number): Buffer => frame.subarray(at, (at += length))
    const times = numbersOf(next(8 * count))
    const watermarks = has(STEPS) ? numbersOf(next(8 * count)) : undefined
    const shapes = next(frame.readUInt32LE(8))
    const values = next(frame.readUInt32LE(12))
    const keys = next(frame.readUInt32LE(16))
    this.#know(shapes, has(SHAPED))
    return {
      watermark: frame.readDoubleLE(24),
      idle: has(IDLE),
      ended: has(ENDED),
      bounded: has(BOUNDED),
      values: count === 0 ? [] : (this.#unpackr.unpack(arrayOf(count, values)) as unknown[]),
      times,
      watermarks,
      keyOf: keysOf(has(NUMBERS) ? numbersOf(keys) : (plain.unpack(keys) as Key[])),
    }
  }

  #know(shapes: Buffer, isShaped: boolean): void {
    const text = isShaped ? shapes.toString('latin1') : ''
    if (text === this.#shapes) return
    this.#shapes = text
    this.#unpackr = isShaped
      ? new Unpackr({ ...PACKED, structures: plain.unpack(shapes) as Shapes })
      : new Unpackr(PACKED)
  }
}

const plain = new Packr({ useRecords: false })

const keysOf =
  (keys: ArrayLike<Key | undefined>) =>
  (index: number): Key | undefined =>
    keys[index]

function arrayOf(count: number, values: Buffer): Buffer {
  const array = Buffer.allocUnsafe(5 + values.length)
  array[0] = ARRAY_32
  array.writeUInt32BE(count, 1)
  array.set(values, 5)
  return array
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float64Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength)

/** A copy: columns of a frame need not begin where numbers may. */
function numbersOf(bytes: Buffer): Float64Array {
  const numbers = new Float64Array(bytes.length / 8)
  bytesOf(numbers).set(bytes)
  return numbers
}
