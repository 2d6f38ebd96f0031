/**
 * Cuts a chunk of a file into records and decodes them. A cutter is made for one file and keeps what
 * it learned at its start (a CSV header).
 */
export interface Cutter {
  /**
   * Decodes records from `buffer[start, end)` into `into`, as many as fit.
   * @param isLast whether the file ends with this buffer: a last record may lack its line end.
   * @returns where the first record begins that was not taken.
   */
  cut(buffer: Buffer, start: number, end: number, isLast: boolean, into: CutRecords): number
}

/**
 * The records of one batch and where each lies in its buffer. Its columns are as long as it may get, and
 * are used again for the next batch: made anew for each they cost as much as the records.
 */
export class CutRecords {
  readonly recordsMax: number
  #values: unknown[]
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  readonly lines: Float64Array
  /** Lines passed so far in the file; a quoted CSV field may hold several. */
  line: number
  count = 0
  /** How many of the records are objects of a finite number for each column, in the order of the columns. */
  numbersCount = 0

  constructor(line: number, recordsMax: number) {
    this.line = line
    this.recordsMax = recordsMax
    this.#values = new Array<unknown>(recordsMax)
    this.starts = new Uint32Array(recordsMax)
    this.ends = new Uint32Array(recordsMax)
    this.lines = new Float64Array(recordsMax)
  }

  /** Starts over for the next batch; the values of the last one stay its own. */
  begin(line: number): void {
    this.line = line
    this.count = 0
    this.numbersCount = 0
    this.#values = new Array<unknown>(this.recordsMax)
  }

  get isFull(): boolean {
    return this.count === this.recordsMax
  }

  /** The values, once no more are added. */
  get values(): unknown[] {
    if (this.#values.length > this.count) this.#values.length = this.count
    return this.#values
  }

  add(value: unknown, start: number, end: number): void {
    const at = this.count++
    this.#values[at] = value
    this.starts[at] = start
    this.ends[at] = end
    this.lines[at] = this.line
  }
}
