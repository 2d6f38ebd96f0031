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

/** The records of one batch and where each lies in its buffer. */
export class CutRecords {
  readonly values: unknown[] = []
  readonly starts: number[] = []
  readonly ends: number[] = []
  /** Lines passed so far in the file; a quoted CSV field may hold several. */
  line: number
  readonly lines: number[] = []
  readonly recordsMax: number

  constructor(line: number, recordsMax: number) {
    this.line = line
    this.recordsMax = recordsMax
  }

  get isFull(): boolean {
    return this.values.length >= this.recordsMax
  }

  add(value: unknown, start: number, end: number): void {
    this.values.push(value)
    this.starts.push(start)
    this.ends.push(end)
    this.lines.push(this.line)
  }
}
