/** The reader of the hand-written loops: bytes to numbers, trusting that every line is well-formed. */
import { closeSync, openSync, readSync } from 'node:fs'

const CHUNK_BYTES = 1 << 20
const NEWLINE = 10
const DOT = 46
const ZERO = 48

export type OnRating = (userId: number, movieId: number, rating: number, timestamp: number) => void

/** Calls back for each line behind the header. @returns how many there were. */
export function readRatings(path: string, onRating: OnRating): number {
  const file = openSync(path, 'r')
  // Room for the end of a line that the chunk before it began.
  const bytes = Buffer.allocUnsafe(2 * CHUNK_BYTES)
  let kept = 0
  let records = 0
  let isHeader = true
  for (;;) {
    const read = readSync(file, bytes, kept, CHUNK_BYTES, null)
    if (read === 0) break
    const filled = kept + read
    const whole = bytes.lastIndexOf(NEWLINE, filled - 1) + 1
    const start = isHeader ? bytes.indexOf(NEWLINE) + 1 : 0
    isHeader = false
    records += parseLines(bytes, start, whole, onRating)
    bytes.copyWithin(0, whole, filled)
    kept = filled - whole
  }
  closeSync(file)
  return records
}

/** Four numbers a line; a separator is any byte below the digits. */
function parseLines(bytes: Buffer, start: number, end: number, onRating: OnRating): number {
  let records = 0
  let at = start
  let byte = 0
  while (at < end) {
    let userId = 0
    while ((byte = bytes[at++] ?? NEWLINE) >= ZERO) userId = userId * 10 + byte - ZERO
    let movieId = 0
    while ((byte = bytes[at++] ?? NEWLINE) >= ZERO) movieId = movieId * 10 + byte - ZERO
    let rating = 0
    while ((byte = bytes[at++] ?? NEWLINE) >= ZERO) rating = rating * 10 + byte - ZERO
    if (byte === DOT) {
      let scale = 1
      while ((byte = bytes[at++] ?? NEWLINE) >= ZERO) {
        rating = rating * 10 + byte - ZERO
        scale *= 10
      }
      rating /= scale
    }
    let timestamp = 0
    while ((byte = bytes[at++] ?? NEWLINE) >= ZERO) timestamp = timestamp * 10 + byte - ZERO
    onRating(userId, movieId, rating, timestamp)
    records += 1
  }
  return records
}
