/** JSON Lines: one JSON value a line; blank lines are passed over. */
import { isUtf8 } from 'node:buffer'
import { reasonOf } from '../../errors.ts'
import { Undecodable } from '../source.ts'
import type { CutRecords, Cutter } from './cutter.ts'

const [LF, CR] = [10, 13] as const

export class JsonlCutter implements Cutter {
  cut(buffer: Buffer, start: number, end: number, isLast: boolean, into: CutRecords): number {
    let at = start
    while (at < end && !into.isFull) {
      const lineEnd = buffer.indexOf(LF, at)
      const found = lineEnd !== -1 && lineEnd < end
      if (!found && !isLast) break
      const stop = found ? lineEnd : end
      into.line += 1
      const textEnd = stop > at && buffer[stop - 1] === CR ? stop - 1 : stop
      if (textEnd > at) into.add(decodeLine(buffer, at, textEnd), at, textEnd)
      at = found ? stop + 1 : end
    }
    return at
  }
}

function decodeLine(buffer: Buffer, start: number, end: number): unknown {
  const text = buffer.toString('utf8', start, end)
  // Decoding puts U+FFFD where bytes are not UTF-8; only then the bytes are looked at again.
  if (text.includes('\ufffd') && !isUtf8(buffer.subarray(start, end)))
    return new Undecodable('not UTF-8')
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    return new Undecodable(`not JSON: ${reasonOf(error)}`)
  }
}
