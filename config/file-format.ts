/** Formats of files, and how a file's name tells its format. */

/** Formats that file sources read and file sinks write. */
export const FILE_FORMATS = ['csv', 'jsonl'] as const

export type FileFormat = (typeof FILE_FORMATS)[number]

/** The format that a file name's extension tells, `.gz` left out; undefined when it tells none. */
export function formatOf(path: string): FileFormat | undefined {
  const match = /\.(csv|jsonl|ndjson)(\.gz)?$/i.exec(path)
  if (match === null) return undefined
  return match[1]?.toLowerCase() === 'csv' ? 'csv' : 'jsonl'
}
