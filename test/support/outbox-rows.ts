/** Outbox rows for the tests of sinks. */
import type { SinkOwner } from '../../runtime/sink/sink.ts'
import type { OutboxRow } from '../../runtime/task/outbox-row.ts'

/** One row with the given texts as messages. */
export function rowOf(first: number, texts: readonly string[]): OutboxRow {
  const parts = texts.map((text) => Buffer.from(text))
  let end = 0
  const ends = Uint32Array.from(parts, (part) => (end += part.length))
  return { first, bytes: Buffer.concat(parts), ends }
}

/** Rows of `rowLength` messages each with the texts r<from> to r<to>. */
export function rowsOf(from: number, to: number, rowLength = 10): OutboxRow[] {
  const rows: OutboxRow[] = []
  for (let first = from; first <= to; first += rowLength) {
    rows.push(rowOf(first, results(first, Math.min(to, first + rowLength - 1))))
  }
  return rows
}

/** The texts r<from> to r<to>. */
export function results(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `r${from + index}`)
}

export function ownerOf(run: string, made?: number): SinkOwner {
  const owner = { run, job: 'latest rating', task: '0', destination: 'latest' }
  return made === undefined ? owner : { ...owner, made }
}
