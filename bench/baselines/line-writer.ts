/** The writer of the hand-written loops: lines gathered and written in big chunks. */
import { closeSync, openSync, writeSync } from 'node:fs'

/** Joining about a thousand lines at once measured faster than one growing string. */
const LINES_MAX = 1_024
/** Longer than any line of ASCII that the loops write. */
const LINE_BYTES_MAX = 256

export class LineWriter {
  readonly #file: number
  readonly #bytes = Buffer.allocUnsafe(LINES_MAX * LINE_BYTES_MAX)
  #lines: string[] = []

  constructor(path: string) {
    this.#file = openSync(path, 'w')
  }

  /** A line with its newline, in ASCII. */
  write(line: string): void {
    this.#lines.push(line)
    if (this.#lines.length === LINES_MAX) this.#flush()
  }

  close(): void {
    this.#flush()
    closeSync(this.#file)
  }

  #flush(): void {
    const length = this.#bytes.write(this.#lines.join(''), 'latin1')
    writeSync(this.#file, this.#bytes, 0, length)
    this.#lines = []
  }
}
