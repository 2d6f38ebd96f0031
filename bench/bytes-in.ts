/** How many bytes the files of a folder have together. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

export const bytesIn = (folder: string): number =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => statSync(join(folder, path)))
    .reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0)
