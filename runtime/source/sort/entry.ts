/**
 * A record as it is kept while a file is sorted: its time, where it stood, its original bytes, and, if
 * it could not be decoded, why.
 */
export interface SortEntry {
  /** Event time; -∞ for a record without one. */
  readonly time: number
  /** Number of its file among those of the source. */
  readonly file: number
  readonly line: number
  /** Why it cannot be decoded; empty when it can. */
  readonly reason: string
  readonly bytes: Uint8Array
}

/** time (8) · line (8) · file (4) · bytes of the record (4) · bytes of the reason (4) */
export const ENTRY_HEAD_BYTES = 28

/** Room that an entry takes, its reason counted as long as UTF-8 can make it. */
export function entryBytesMax({ reason, bytes }: SortEntry): number {
  return ENTRY_HEAD_BYTES + 3 * reason.length + bytes.length
}

/** Writes an entry; there must be room. @returns the offset behind it. */
export function writeEntry(entry: SortEntry, into: Buffer, at: number): number {
  const { time, line, file, reason, bytes } = entry
  const reasonBytes = reason === '' ? 0 : into.write(reason, at + ENTRY_HEAD_BYTES, 'utf8')
  into.writeDoubleLE(time, at)
  into.writeDoubleLE(line, at + 8)
  into.writeUInt32LE(file, at + 16)
  into.writeUInt32LE(bytes.length, at + 20)
  into.writeUInt32LE(reasonBytes, at + 24)
  const start = at + ENTRY_HEAD_BYTES + reasonBytes
  into.set(bytes, start)
  return start + bytes.length
}

export const timeAt = (from: Buffer, at: number): number => from.readDoubleLE(at)
export const lineAt = (from: Buffer, at: number): number => from.readDoubleLE(at + 8)
export const fileAt = (from: Buffer, at: number): number => from.readUInt32LE(at + 16)

/** How many bytes the entry at an offset takes; its head must be there. */
export function entryBytesAt(from: Buffer, at: number): number {
  return ENTRY_HEAD_BYTES + from.readUInt32LE(at + 20) + from.readUInt32LE(at + 24)
}

export function reasonAt(from: Buffer, at: number): string {
  const start = at + ENTRY_HEAD_BYTES
  return from.toString('utf8', start, start + from.readUInt32LE(at + 24))
}

/** Where the record's own bytes begin; they reach to the entry's end. */
export function recordStartAt(from: Buffer, at: number): number {
  return at + ENTRY_HEAD_BYTES + from.readUInt32LE(at + 24)
}
