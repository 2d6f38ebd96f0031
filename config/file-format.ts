/** Formats of files, and how a file's name tells its format. */
import * as z from 'zod'

/** Formats that file sources read and file sinks write. */
export const FILE_FORMATS = ['csv', 'jsonl'] as const

export type FileFormat = (typeof FILE_FORMATS)[number]

/** The field that names a format where the file's name does not. */
export const fileFormat = z
  .enum(FILE_FORMATS)
  .meta({ description: "csv or jsonl; default: by the file's extension." })

/** What to say when `formatOf` finds none. */
export const UNKNOWN_FORMAT =
  'does not end in .csv or .jsonl, so its format is unknown; write format: csv or format: jsonl'

/** The format that a file name's extension tells, `.gz` left out; undefined when it tells none. */
export function formatOf(path: string): FileFormat | undefined {
  const match = /\.(csv|jsonl|ndjson)(\.gz)?$/i.exec(path)
  if (match === null) return undefined
  return match[1]?.toLowerCase() === 'csv' ? 'csv' : 'jsonl'
}
